"""DIP-VAE: second moments of the aggregate posterior matched to those of the prior."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from glitchvae.models import Latents
from glitchvae.objectives.base import VAE, Batch, Objective, Weights
from glitchvae.objectives.fitting import require_one_layer
from glitchvae.objectives.schedules import Constant, Schedule


class DIP(Objective):
    """Base of the two DIP-VAEs (Kumar et al. 2018): D + R, with covariance near the identity.

    `penalty_od` is the sum of squares of the off-diagonal entries, `penalty_d` that of the
    diagonal entries less 1. Their weights are `lambda_od` and `ratio` times `lambda_od`.
    """

    of_the_weights: ClassVar[frozenset[str]] = frozenset({"lambda_od", "ratio"})

    lambda_od: float = Field(default=10.0, ge=0.0)
    ratio: float = Field(default=1.0, ge=0.0)

    def schedules(self) -> dict[str, Schedule]:
        """Two constant weights."""
        diagonal = Constant(self.ratio * self.lambda_od)
        return {"lambda_od": Constant(self.lambda_od), "lambda_d": diagonal}

    def check(self, model: VAE) -> None:
        """Refuse a hierarchy, whose layers depend on each other by design."""
        require_one_layer(self, model)

    def covariance(self, latents: Latents) -> Tensor:
        """The covariance (D, D) that is matched to the identity."""
        raise NotImplementedError

    def latent_terms(
        self, latents: Latents, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`rate` and the two penalties."""
        covariance = self.covariance(latents)
        variance = covariance.diagonal()
        return {
            **super().latent_terms(latents, batch, discriminator),
            "penalty_od": (covariance - variance.diag_embed()).square().sum(),
            "penalty_d": (variance - 1.0).square().sum(),
        }

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + R + lambda_od and lambda_d times their penalties."""
        elbo = terms["reconstruction"] + terms["rate"]
        penalty = weights["lambda_od"] * terms["penalty_od"]
        return elbo + penalty + weights["lambda_d"] * terms["penalty_d"]


class DIPI(DIP):
    """DIP-VAE-I: the covariance of the posterior means (equation 6).

    Example:
        >>> DIPI(lambda_od=5).weights(step=0)
        {'lambda_od': 5.0, 'lambda_d': 50.0}
    """

    name: Literal["dip-i"] = "dip-i"
    ratio: float = Field(default=10.0, ge=0.0)

    def covariance(self, latents: Latents) -> Tensor:
        """Cov(mu)."""
        return covariance_of_means(latents)


class DIPII(DIP):
    """DIP-VAE-II: the covariance of the samples, Cov(mu) + E[sigma^2] (equation 7).

    Example:
        >>> DIPII(lambda_od=5).weights(step=0)
        {'lambda_od': 5.0, 'lambda_d': 5.0}
    """

    name: Literal["dip-ii"] = "dip-ii"

    def covariance(self, latents: Latents) -> Tensor:
        """Cov(mu) + E[diag(sigma^2)], the law of total covariance."""
        noise = latents.posterior.variance.mean(dim=0)
        return covariance_of_means(latents) + noise.diag_embed()


def covariance_of_means(latents: Latents) -> Tensor:
    """Unbiased covariance (D, D) of the posterior means over the batch.

    In float64: neither autocast nor TF32 reaches its product of matrices.
    """
    mean = latents.posterior.mean
    centred = (mean - mean.mean(dim=0)).double()
    return (centred.T @ centred / (len(mean) - 1)).to(mean.dtype)
