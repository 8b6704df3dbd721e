"""beta-TCVAE: additional weight on the total correlation of the latent variables."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from glitchvae.models import Latents
from glitchvae.objectives.base import VAE, Batch, Weights
from glitchvae.objectives.beta import WeightedBeta
from glitchvae.objectives.fitting import require_one_layer
from glitchvae.objectives.total_correlation import Estimator, decompose


class TopTotalCorrelation(WeightedBeta):
    """Base of objectives with weight beta on the total correlation of the top latent layer.

    With `kl` "analytic" the top layer costs its closed-form KL + (beta - 1) TC. "sampled"
    adds the estimated parts, MI + beta TC + dimension-wise KL (Chen et al. 2018, equation
    4): the same expectation with more variance.
    """

    beta: float = Field(default=6.0, ge=0.0)
    estimator: Estimator = "mws"
    kl: Literal["analytic", "sampled"] = "analytic"

    def latent_terms(
        self, latents: Latents, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """The `rate`, and the three parts of the top layer's rate by sample."""
        return {
            **super().latent_terms(latents, batch, discriminator),
            **decompose(
                latents.samples[-1],
                latents.posteriors[-1],
                latents.priors[-1],
                population=batch.population,
                estimator=self.estimator,
            ),
        }

    def top(self, top_rate: Tensor, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """Cost of the top layer, given its closed-form KL."""
        if self.kl == "analytic":
            return top_rate + (weights["beta"] - 1.0) * terms["total_correlation"]
        weighted = weights["beta"] * terms["total_correlation"]
        return terms["mutual_information"] + weighted + terms["dimension_wise_kl"]


class TotalCorrelation(TopTotalCorrelation):
    """beta-TCVAE (Chen et al. 2018): D + R + (beta - 1) TC.

    Example:
        >>> x = torch.rand(8, 1, 64, 64)
        >>> batch = Batch(x, x, torch.ones(1, 1, 1, 1, dtype=torch.bool), population=1000)
        >>> list(TotalCorrelation()(ImageVAE(), batch, {"beta": 6.0}))[3:]
        ['mutual_information', 'total_correlation', 'dimension_wise_kl']
    """

    name: Literal["tc"] = "tc"

    def check(self, model: VAE) -> None:
        """Refuse a hierarchy, for which `tc-dlgm` and `seatbelt` are defined."""
        require_one_layer(self, model)

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + R + (beta - 1) TC."""
        return terms["reconstruction"] + self.top(terms["rate"], terms, weights)
