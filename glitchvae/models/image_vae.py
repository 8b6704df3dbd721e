"""VAEs of the literature for pictures, with one latent layer."""

from __future__ import annotations

from typing import Self

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.distributions import Distribution

from glitchvae.models.latents import Latents, draw, normal, standard_normal
from glitchvae.models.learnt_prior import PseudoInputs
from glitchvae.models.likelihood import LikelihoodSettings, make_likelihood
from glitchvae.models.model import Model
from glitchvae.models.networks import NETWORKS, NetworkName, Shape


class ImageVAESettings(LikelihoodSettings):
    """Size of an `ImageVAE`.

    Attributes:
        network: Encoder and decoder: "burgess", "reference", "chen-mlp" or "chen-conv".
        image_shape: Channels, rows and columns.
        latent_size: Latent variables; the reference study has 10.
        pseudo_inputs: Components of a learnt prior (`PseudoInputs`); None for the standard normal.

    Example:
        >>> ImageVAESettings(likelihood="gaussian", data_range=(-1.0, 1.0)).latent_size
        10
    """

    network: NetworkName = "burgess"
    image_shape: Shape = (1, 64, 64)
    latent_size: int = Field(default=10, ge=1)
    pseudo_inputs: PositiveInt | None = None

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        NETWORKS[self.network].check(self.image_shape)
        return self


class ImageVAE(Model[ImageVAESettings]):
    """A VAE for pictures (B, C, H, W) in the range of its likelihood.

    The heads are means and log-variances, which nothing bounds, as in the published codes.

    Example:
        >>> model = ImageVAE(ImageVAESettings(network="reference", latent_size=6))
        >>> posterior, likelihood = model(torch.rand(3, 1, 64, 64))
        >>> posterior.mean.shape, likelihood.mean.shape
        (torch.Size([3, 6]), torch.Size([3, 1, 64, 64]))
    """

    def __init__(self, settings: ImageVAESettings | None = None) -> None:
        super().__init__()
        self.settings = settings or ImageVAESettings()
        network, shape = NETWORKS[self.settings.network], self.settings.image_shape
        self.encoder = network.encoder(shape, 2 * self.settings.latent_size)
        self.decoder = network.decoder(shape, self.settings.latent_size)
        self.likelihood = make_likelihood(self.settings)
        count, data_range = self.settings.pseudo_inputs, self.likelihood.data_range
        self.pseudo_inputs = None
        if count is not None:
            self.pseudo_inputs = PseudoInputs(count, shape, data_range=data_range)

    @property
    def layers(self) -> tuple[int, ...]:
        """Sizes of the latent layers, bottom up; here one layer."""
        return (self.settings.latent_size,)

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        """Posterior, prior and a draw (or the mean) of the latents of images (B, C, H, W)."""
        posterior = normal(self.encoder(x))
        z = draw(posterior) if sample else posterior.mean
        return Latents((posterior,), (standard_normal(posterior),), (z,))

    def decode(self, z: Tensor) -> Distribution:
        """Distribution of the images (B, C, H, W) given latents (B, Z)."""
        return self.likelihood(self.decoder(z))
