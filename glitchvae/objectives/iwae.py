"""A tighter bound of the likelihood of several posterior draws: IWAE."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from glitchvae.models.latents import draw
from glitchvae.objectives.base import VAE, Batch, Objective, Weights, distortions, rate
from glitchvae.objectives.fitting import require_one_layer
from glitchvae.objectives.schedules import Schedule


class IWAE(Objective):
    """Importance weighted autoencoder: the negative logarithm of the mean of K weights.

    Burda, Grosse & Salakhutdinov 2015, "Importance Weighted Autoencoders" (arXiv:1509.00519),
    equation 8, with w_k = p(x|z_k) p(z_k) / q(z_k|x) and K = `samples`. One sample is the ELBO
    with its rate taken at the draw. The bound rises with K towards log p(x), and the gradient of
    the encoder gets noisier with it (Rainforth et al. 2018, arXiv:1802.04537). The decoder
    runs K times a step.

    Example:
        >>> x = torch.rand(8, 1, 64, 64)
        >>> batch = Batch(x, x, torch.ones(1, 1, 1, 1, dtype=torch.bool))
        >>> list(IWAE(samples=3)(ImageVAE(), batch, {}))
        ['loss', 'reconstruction', 'rate', 'bound']
    """

    name: Literal["iwae"] = "iwae"
    samples: int = Field(default=5, ge=1)

    def schedules(self) -> dict[str, Schedule]:
        """No weight: the bound is one term."""
        return {}

    def check(self, model: VAE) -> None:
        """Refuse a hierarchy, whose draws below the top need a pass each."""
        require_one_layer(self, model)

    def terms(
        self, model: VAE, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`bound`, and the mean `reconstruction` of the draws with the `rate` in closed form."""
        latents = model.infer(batch.x)
        draws = [latents.z, *(draw(latents.posterior) for _ in range(self.samples - 1))]
        lost = torch.stack([distortions(model.decode(z), batch) for z in draws])
        spent = torch.stack([latents._replace(samples=(z,)).log_ratios[0] for z in draws])
        return {
            "reconstruction": lost.mean(),
            "rate": rate(latents.posterior, latents.prior),
            "bound": -log_mean(-lost - spent).mean(),
        }

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """The negative bound."""
        return terms["bound"]


def log_mean(log_weights: Tensor) -> Tensor:
    """Logarithm of the mean of K weights (K, B), given theirs."""
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))
