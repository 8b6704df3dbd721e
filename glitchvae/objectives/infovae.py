"""A rate of any weight beside the distance of aggregate posterior and prior: InfoVAE."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from glitchvae.errors import ModelError
from glitchvae.models import Latents
from glitchvae.objectives.base import VAE, Batch, Objective, Weights
from glitchvae.objectives.fitting import require_one_layer
from glitchvae.objectives.schedules import Constant, Schedule


class InfoVAE(Objective):
    """InfoVAE with the maximum mean discrepancy: D + (1 - alpha) R + (alpha + lambda - 1) MMD.

    Zhao, Song & Ermon 2017, "InfoVAE: Information Maximizing Variational Autoencoders"
    (arXiv:1706.02262), equation 6. `alpha` 1 is the MMD-VAE, which leaves the information between
    image and code alone; `alpha` 0 and `lambda_mmd` 1 are the ELBO. `kernel_width` is as of
    `squared_mmd`.

    Example:
        >>> InfoVAE(alpha=1, lambda_mmd=100).weights(step=0)
        {'rate': 0.0, 'mmd': 100.0}
    """

    of_the_weights: ClassVar[frozenset[str]] = frozenset({"alpha", "lambda_mmd"})
    name: Literal["infovae"] = "infovae"
    alpha: float = Field(default=0.0, le=1.0)
    lambda_mmd: float = Field(default=1000.0, ge=0.0)
    kernel_width: float = Field(default=1.0, gt=0.0)

    def schedules(self) -> dict[str, Schedule]:
        """Two constants."""
        return {
            "rate": Constant(1.0 - self.alpha),
            "mmd": Constant(self.alpha + self.lambda_mmd - 1.0),
        }

    def check(self, model: VAE) -> None:
        """Refuse a hierarchy, the prior of whose lower layers is not the same for all events."""
        require_one_layer(self, model)

    def latent_terms(
        self, latents: Latents, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`rate`, and `mmd` of the batch's draws from the standard normal."""
        return {
            **super().latent_terms(latents, batch, discriminator),
            "mmd": squared_mmd(latents.z, self.kernel_width),
        }

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + (1 - alpha) R + (alpha + lambda - 1) MMD."""
        cost = weights["rate"] * terms["rate"] + weights["mmd"] * terms["mmd"]
        return terms["reconstruction"] + cost


def squared_mmd(z: Tensor, kernel_width: float = 1.0) -> Tensor:
    """Unbiased estimate of the squared MMD of what `z` is drawn from and the standard normal.

    Gretton et al. 2012, "A kernel two-sample test", equation 3, with the kernel
    k(a, b) = exp(-|a - b|^2 / (2 s)), s = kernel_width^2 D. The means over the prior are integrals
    of normals: exact where the equation has draws of a second sample. The estimate is
    unbiased, and so may be negative.

    Args:
        z: Independent draws (B, D), at least two.
        kernel_width: Standard deviation of the kernel in units of sqrt(D): two draws of the
            prior are sqrt(2 D) apart.

    Returns:
        (), between -2 and 2.

    Raises:
        ModelError: a single draw.
    """
    count, size = z.shape
    if count < 2:
        raise ModelError(
            "the maximum mean discrepancy compares the events of a batch",
            expected="a batch of at least 2",
            found=count,
        )
    # float64: neither autocast nor TF32 reaches its product of matrices.
    wide, variance = z.double(), kernel_width**2 * size
    length = wide.square().sum(dim=1)
    apart = length[:, None] + length - 2.0 * (wide @ wide.T)
    itself = torch.eye(count, dtype=torch.bool, device=z.device)
    pairs = (-apart / (2.0 * variance)).exp().masked_fill(itself, 0.0).sum()
    mixed = (-length / (2.0 * (1.0 + variance))).exp().mean()
    between = (variance / (1.0 + variance)) ** (size / 2) * mixed
    prior = (variance / (2.0 + variance)) ** (size / 2)
    return (pairs / (count * (count - 1)) - 2.0 * between + prior).to(z.dtype)
