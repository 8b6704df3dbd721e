"""Objectives for several latent layers: DLGM, beta-TCDLGM, Seatbelt-VAE."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from glitchvae.models import Latents
from glitchvae.objectives.base import VAE, Batch, LikelihoodOn, Weights, rate
from glitchvae.objectives.beta import WeightedBeta
from glitchvae.objectives.fitting import require_hierarchy, require_likelihood_on
from glitchvae.objectives.tc import TopTotalCorrelation

FreeBitsOn = Literal["lower", "all"]
"""Layers with free bits: those below the top, as in the paper, or all."""

LowerKL = Literal["analytic", "sampled"]
"""Estimate of the KL of a layer below the top: closed form, or at the layer's draw."""

FREE_BITS = 1.0
"""Default free bits (nats) of a layer of `seatbelt`; the paper states no value."""


class DLGM(WeightedBeta):
    """Deep latent Gaussian model (Rezende et al. 2014): D + beta sum_i R_i.

    The likelihood may be on the first layer or on all; it is on the first of the hierarchy
    that the objective brings. A layer below the top costs at least `free_bits` nats; with
    `free_bits_on` "all" the top does, too. `lower_kl` is as of `layer_rates`.

    Example:
        >>> x = torch.rand(8, 1, 64, 64)
        >>> batch = Batch(x, x, torch.ones(1, 1, 1, 1, dtype=torch.bool), population=1000)
        >>> model = HierarchicalVAE(HierarchySettings(latent_sizes=(12, 6)))
        >>> sorted(DLGM()(model, batch, {"beta": 1.0}))
        ['loss', 'rate', 'rate_1', 'rate_2', 'reconstruction']
    """

    hierarchy_on: ClassVar[LikelihoodOn | None] = "first"

    name: Literal["dlgm"] = "dlgm"
    free_bits: float = Field(default=0.0, ge=0.0)
    free_bits_on: FreeBitsOn = "lower"
    lower_kl: LowerKL = "analytic"

    def check(self, model: VAE) -> None:
        """Refuse a single layer, for which `beta` and `annealed` are defined."""
        require_hierarchy(self, model, one_layer="beta (annealed with a schedule)")

    def latent_terms(
        self, latents: Latents, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`rate`, and `rate_1` … `rate_L` of the layers, bottom up."""
        terms = super().latent_terms(latents, batch, discriminator)
        return with_layers(terms, latents, self.lower_kl)

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + beta (R_1 + … + R_L), with free bits."""
        rates = rates_in_order(terms)
        cost = add_layers(rates, rates[-1], self.free_bits, self.free_bits_on)
        return terms["reconstruction"] + weights["beta"] * cost


class TopTCDLGM(TopTotalCorrelation):
    """Base of hierarchies with a weight on the total correlation of the top layer alone.

    q(z_L) is the mixture over the batch of q(z_L | z_{L-1,j}), each z_{L-1,j} one sample of
    event j (Seatbelt paper, equation B.15; docs/objectives.md derives it). The layers
    below cost their KL, at least `free_bits` nats each. The total correlation may be
    negative and has no floor of its own: with `free_bits_on` "all" it counts while R_L is
    above the free bits, and below them the whole top layer costs those. `lower_kl` is as of
    `layer_rates`.
    """

    free_bits: float = Field(default=0.0, ge=0.0)
    free_bits_on: FreeBitsOn = "lower"
    lower_kl: LowerKL = "analytic"

    def latent_terms(
        self, latents: Latents, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`rate` and `rate_1` … `rate_L`, and the three parts of `rate_L` by sample."""
        terms = super().latent_terms(latents, batch, discriminator)
        return with_layers(terms, latents, self.lower_kl)

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + R_1 + … + R_L + (beta - 1) TC(z_L), with free bits."""
        rates = rates_in_order(terms)
        top = self.top(rates[-1], terms, weights)
        return terms["reconstruction"] + add_layers(rates, top, self.free_bits, self.free_bits_on)


class TCDLGM(TopTCDLGM):
    """beta-TCDLGM: the likelihood is on the first layer alone.

    Example:
        >>> x = torch.rand(8, 1, 64, 64)
        >>> batch = Batch(x, x, torch.ones(1, 1, 1, 1, dtype=torch.bool), population=1000)
        >>> settings = HierarchySettings(latent_sizes=(12, 6))
        >>> terms = TCDLGM()(HierarchicalVAE(settings), batch, {"beta": 6.0})
        >>> [name for name in terms if name.startswith("rate")]
        ['rate', 'rate_1', 'rate_2']
    """

    hierarchy_on: ClassVar[LikelihoodOn | None] = "first"

    name: Literal["tc-dlgm"] = "tc-dlgm"

    def check(self, model: VAE) -> None:
        """Refuse a single layer, for which `tc` is defined, and a likelihood on all layers."""
        require_hierarchy(self, model, one_layer="tc")
        require_likelihood_on(self, "first", model)


class Seatbelt(TopTCDLGM):
    """Seatbelt-VAE: the likelihood is on all layers (Willetts et al. 2021).

    Its lower layers have free bits unless told otherwise, as in the paper, which states no
    value: `FREE_BITS`.

    Example:
        >>> x = torch.rand(8, 1, 64, 64)
        >>> batch = Batch(x, x, torch.ones(1, 1, 1, 1, dtype=torch.bool), population=1000)
        >>> settings = HierarchySettings(latent_sizes=(12, 6), likelihood_on="all")
        >>> terms = Seatbelt()(HierarchicalVAE(settings), batch, {"beta": 6.0})
        >>> [name for name in terms if name.startswith("rate")]
        ['rate', 'rate_1', 'rate_2']
    """

    hierarchy_on: ClassVar[LikelihoodOn | None] = "all"

    name: Literal["seatbelt"] = "seatbelt"
    free_bits: float = Field(default=FREE_BITS, ge=0.0)

    def check(self, model: VAE) -> None:
        """Refuse a single layer, for which `tc` is defined, and a likelihood on the first layer."""
        require_hierarchy(self, model, one_layer="tc")
        require_likelihood_on(self, "all", model)


def layer_rates(latents: Latents, lower: LowerKL = "analytic") -> dict[str, Tensor]:
    """KL of each layer in nats under `rate_1` … `rate_L`, bottom up.

    Args:
        latents: One pass through the layers.
        lower: "analytic" has the closed form of every layer, as in the paper. Below the top
            it is biased: the prior was made of a z_{i+1} that knows the draw z_i, whereas the
            closed form draws z_i anew. "sampled" takes log q - log p of the lower layers at
            their draws (`Latents.log_ratios`): unbiased, with more variance.
    """
    pairs = list(zip(latents.posteriors, latents.priors, strict=True))
    rates = [rate(*pair) for pair in pairs]
    if lower == "sampled":
        rates[:-1] = [ratio.mean() for ratio in latents.log_ratios[:-1]]
    return {f"rate_{i}": value for i, value in enumerate(rates, start=1)}


def with_layers(terms: dict[str, Tensor], latents: Latents, lower: LowerKL) -> dict[str, Tensor]:
    """Add the KL of each layer to the terms; `rate` is their sum."""
    layers = layer_rates(latents, lower)
    if lower == "sampled":
        terms = {**terms, "rate": torch.stack(list(layers.values())).sum()}
    return {**terms, **layers}


def rates_in_order(terms: dict[str, Tensor]) -> list[Tensor]:
    """`rate_1` … `rate_L`."""
    count = sum(name.startswith("rate_") for name in terms)
    return [terms[f"rate_{i}"] for i in range(1, count + 1)]


def add_layers(rates: list[Tensor], top: Tensor, free_bits: float, on: FreeBitsOn) -> Tensor:
    """Sum of the costs of the layers: mean KL of the lower ones, `top` of the last one.

    A layer whose mean KL is below its free bits costs those, and nothing pulls at it.
    """
    costs = [floored(rate, rate, free_bits) for rate in rates[:-1]]
    costs.append(floored(top, rates[-1], free_bits) if on == "all" else top)
    return torch.stack(costs).sum()


def floored(cost: Tensor, rate: Tensor, floor: float) -> Tensor:
    """The `cost` of a layer, or `floor` if its KL is below that; NaN stays."""
    return torch.where(rate < floor, torch.full_like(cost, floor), cost)
