"""Common interface of all models: latent layers in, distributions out."""

from __future__ import annotations

from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from glitchvae.config import Settings
from glitchvae.models.latents import Latents, draw
from glitchvae.models.learnt_prior import PseudoInputs
from glitchvae.models.likelihood import Likelihood
from glitchvae.precision import full_precision

S = TypeVar("S", bound=Settings)


class Model(nn.Module, Generic[S]):
    """A variational autoencoder, defined by `infer` and `decode`.

    Attributes:
        settings: All that determines the shapes of its weights; they go on the model card.
        likelihood: From the decoder's output to a distribution over images; it knows the
            range of the data.
        pseudo_inputs: What the prior is learnt by; None where it is the standard normal.

    Example:
        >>> model = ImageVAE(ImageVAESettings(latent_size=6))
        >>> model.sample(2, generator=torch.Generator().manual_seed(0)).mean.shape
        torch.Size([2, 1, 64, 64])
    """

    settings: S
    likelihood: Likelihood
    pseudo_inputs: PseudoInputs | None

    @property
    def layers(self) -> tuple[int, ...]:
        """Sizes of the latent layers, bottom up: one entry without a hierarchy."""
        raise NotImplementedError

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        """Posterior, prior and a draw (or, without `sample`, the mean) of every layer."""
        raise NotImplementedError

    def decode(self, z: Tensor) -> Distribution:
        """Distribution of the images given all layers side by side (B, sum of `layers`)."""
        raise NotImplementedError

    def encode(self, x: Tensor) -> Normal:
        """The code of each event: its posterior, all layers side by side.

        In a hierarchy the upper layers follow from the means of the lower ones. On a GPU
        without TF32: an event's code does not depend on where it was computed.

        Returns:
            Independent normals of batch shape (B, sum of `layers`).
        """
        with full_precision(x.device):
            return self.infer(x, sample=False).posterior

    def forward(self, x: Tensor) -> tuple[Normal, Distribution]:
        """Posterior of `x`, and the likelihood given one draw of every layer."""
        latents = self.infer(x)
        return latents.posterior, self.decode(latents.z)

    def descend(
        self, z_top: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Tensor:
        """Complete the layers (B, sum of `layers`) below the top one (B, `layers[-1]`).

        Args:
            z_top: Latents of the last layer.
            sample: Draw each lower layer from its prior instead of taking the prior's mean.
            generator: Of the draws.
        """
        return z_top

    def generate(self, z_top: Tensor) -> Distribution:
        """Generate images from latents of the top layer, by the means of the priors below it."""
        return self.decode(self.descend(z_top))

    def prior_components(self) -> Normal | None:
        """Normals (K, Z) whose mixture in equal parts is a learnt prior; None without one."""
        inputs = getattr(self, "pseudo_inputs", None)
        return None if inputs is None else self.infer(inputs(), sample=False).posterior

    def sample_latents(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw from the prior, top down: all layers (n, sum of `layers`)."""
        device = next(self.parameters()).device
        components = self.prior_components()
        if components is not None:
            count = len(components.mean)
            chosen = torch.randint(count, (n,), generator=generator, device=device)
            one = Normal(components.mean[chosen], components.stddev[chosen], validate_args=False)
            return draw(one, generator)
        z_top = torch.randn(n, self.layers[-1], generator=generator, device=device)
        return self.descend(z_top, sample=True, generator=generator)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Distribution:
        """Distributions of `n` images with latents drawn from the prior, top down."""
        return self.decode(self.sample_latents(n, generator=generator))
