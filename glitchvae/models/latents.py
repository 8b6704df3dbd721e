"""One pass through the latent layers of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Normal

from glitchvae.models.likelihood import at_least_float32


class Latents(NamedTuple):
    """Posteriors, priors and samples of every latent layer, bottom up.

    A model without hierarchy has one layer.

    Attributes:
        posteriors: q(z_i | z_{i-1}) with z_0 = x, each of batch shape (B, Z_i).
        priors: p(z_i | z_{i+1}); that of the last layer is the standard normal.
        samples: One draw z_i of every posterior, or its mean.

    Example:
        >>> latents = ImageVAE().infer(torch.rand(3, 1, 64, 64))
        >>> latents.z.shape, latents.posterior.mean.shape, len(latents.priors)
        (torch.Size([3, 10]), torch.Size([3, 10]), 1)
    """

    posteriors: tuple[Normal, ...]
    priors: tuple[Normal, ...]
    samples: tuple[Tensor, ...]

    @property
    def posterior(self) -> Normal:
        """All layers side by side: (B, sum of Z_i)."""
        return _joined(self.posteriors)

    @property
    def prior(self) -> Normal:
        """All layers side by side: (B, sum of Z_i)."""
        return _joined(self.priors)

    @property
    def z(self) -> Tensor:
        """All layers side by side: (B, sum of Z_i)."""
        return torch.cat(self.samples, dim=-1)

    @property
    def log_ratios(self) -> tuple[Tensor, ...]:
        """Log ratio log q(z_i | z_{i-1}) - log p(z_i | z_{i+1}) of each layer at its draw, (B,).

        Their sum is an unbiased estimate of KL(q(z | x), p(z)). The closed-form KL of a
        layer's posterior and prior is one for the last layer alone: the priors below were
        made of a z_{i+1} that knows the draw z_i, whereas the closed form draws z_i anew.
        """
        layers = zip(self.posteriors, self.priors, self.samples, strict=True)
        return tuple((q.log_prob(z) - p.log_prob(z)).sum(dim=-1) for q, p, z in layers)


def normal(parameters: Tensor) -> Normal:
    """Normals (B, Z) from the output (B, 2 Z) of a network: means, then log-variances."""
    mean, log_var = at_least_float32(parameters).chunk(2, dim=-1)
    return Normal(mean, (0.5 * log_var).exp(), validate_args=False)


def draw(distribution: Normal, generator: torch.Generator | None = None) -> Tensor:
    """One reparameterised draw, with the same numbers as `rsample`.

    `rsample` fills an empty tensor in place, which `torch.func.vmap` cannot do with other
    numbers for each member of an ensemble.
    """
    mean = distribution.mean
    if generator is None:
        noise = torch.randn_like(mean)
    else:
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + distribution.stddev * noise


def standard_normal(posterior: Normal) -> Normal:
    """Standard normal of the shape and device of `posterior`."""
    return Normal(
        torch.zeros_like(posterior.mean), torch.ones_like(posterior.mean), validate_args=False
    )


def _joined(layers: Sequence[Normal]) -> Normal:
    if len(layers) == 1:
        return layers[0]
    mean = torch.cat([layer.mean for layer in layers], dim=-1)
    return Normal(mean, torch.cat([layer.stddev for layer in layers], dim=-1), validate_args=False)
