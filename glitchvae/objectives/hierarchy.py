"""Objectives of several latent layers: DLGM, beta-TCDLGM, Seatbelt-VAE."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from glitchvae.models import Latents
from glitchvae.objectives.base import VAE, Batch, Weights, rate
from glitchvae.objectives.beta import WeightedBeta
from glitchvae.objectives.fitting import require_likelihood_on, require_lower_layers
from glitchvae.objectives.tc import TopTotalCorrelation


class DLGM(WeightedBeta):
    """Deep latent Gaussian model (Rezende et al. 2014): D + beta sum_i R_i.

    The likelihood may be on the first layer or on all. A layer below the top costs at
    least `free_bits` nats.
    """

    name: Literal["dlgm"] = "dlgm"
    free_bits: float = Field(default=0.0, ge=0.0)

    def check(self, model: VAE) -> None:
        """Refuse free bits for a single layer."""
        require_lower_layers(self, self.free_bits, model)

    def latent_terms(
        self, latents: Latents, batch: Batch, critic: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`rate`, and `rate_1` … `rate_L` of the layers, bottom up."""
        return {**super().latent_terms(latents, batch, critic), **layer_rates(latents)}

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + beta (R_1 + … + R_L), the lower ones with free bits."""
        *lower, top = rates_in_order(terms)
        return terms["reconstruction"] + weights["beta"] * add_layers(lower, top, self.free_bits)


class TopTCDLGM(TopTotalCorrelation):
    """Base of hierarchies whose top layer alone has its total correlation weighed by beta.

    q(z_L) is the mixture over the batch of q(z_L | z_{L-1,j}), each z_{L-1,j} one sample of
    event j (Seatbelt paper, equation B.15; docs/objectives.md derives it). The layers
    below cost their KL, at least `free_bits` nats each; the total correlation may be
    negative and has none.
    """

    free_bits: float = Field(default=0.0, ge=0.0)

    def latent_terms(
        self, latents: Latents, batch: Batch, critic: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`rate` and `rate_1` … `rate_L`, and the three parts of `rate_L` by sample."""
        return {**super().latent_terms(latents, batch, critic), **layer_rates(latents)}

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + R_1 + … + R_{L-1} (with free bits) + R_L + (beta - 1) TC(z_L)."""
        *lower, top = rates_in_order(terms)
        cost = add_layers(lower, self.top(top, terms, weights), self.free_bits)
        return terms["reconstruction"] + cost


class TCDLGM(TopTCDLGM):
    """beta-TCDLGM: the likelihood is on the first layer alone."""

    name: Literal["tc-dlgm"] = "tc-dlgm"

    def check(self, model: VAE) -> None:
        """Refuse a likelihood on all layers, and free bits for a single one."""
        require_likelihood_on(self, "first", model)
        require_lower_layers(self, self.free_bits, model)


class Seatbelt(TopTCDLGM):
    """Seatbelt-VAE: the likelihood is on all layers (Willetts et al. 2021)."""

    name: Literal["seatbelt"] = "seatbelt"

    def check(self, model: VAE) -> None:
        """Refuse a likelihood on the first layer, and free bits for a single one."""
        require_likelihood_on(self, "all", model)
        require_lower_layers(self, self.free_bits, model)


def layer_rates(latents: Latents) -> dict[str, Tensor]:
    """KL of each layer in nats under `rate_1` … `rate_L`, bottom up."""
    pairs = zip(latents.posteriors, latents.priors, strict=True)
    return {f"rate_{i}": rate(*pair) for i, pair in enumerate(pairs, start=1)}


def rates_in_order(terms: dict[str, Tensor]) -> list[Tensor]:
    """`rate_1` … `rate_L`."""
    count = sum(name.startswith("rate_") for name in terms)
    return [terms[f"rate_{i}"] for i in range(1, count + 1)]


def add_layers(lower: list[Tensor], top: Tensor, free_bits: float) -> Tensor:
    """Sum of the layers' costs: a lower one costs its mean KL or `free_bits`, the larger."""
    return torch.stack([*(cost.clamp(min=free_bits) for cost in lower), top]).sum()
