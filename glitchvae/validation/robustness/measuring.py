"""Attacks, noise and ELBO of one model, for the comparison of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.errors import InputError
from glitchvae.models import scale_to_unit
from glitchvae.models.model import Model
from glitchvae.validation.disentanglement import Protocol, mig
from glitchvae.validation.robustness.attacks import (
    EVALUATIONS,
    STRENGTHS,
    Attacks,
    GoalName,
    attack,
)
from glitchvae.validation.robustness.noise import (
    Elbo,
    NoiseCurve,
    WeightNorms,
    curve_of,
    evidence,
    noisy_log_likelihoods,
    weight_norms,
)

COLUMNS = (
    "elbo",
    "elbo_error",
    "reconstruction",
    "rates",
    "mean_relative_divergence",
    "half_divergence_norm",
    "target_distortion",
    "target_error_ratio",
    "noise_drop",
    "encoder_norm",
    "decoder_norm",
    "mig_top",
    "units",
    "delta_latent",
    "delta_output",
    "output_target_distortion",
    "by_layer",
)
"""Columns of a table with a row for each model."""


class Example(NamedTuple):
    """The first pair at every penalty weight; pictures in [0, 1] whatever the model's range.

    Attributes:
        clean: (C, F, T) the input.
        target: (C, F, T).
        perturbation: (K, C, F, T) what was added to the input, as a share of the range.
        drawn: (K, C, F, T) mean of the reconstruction of the perturbed input.
    """

    clean: NDArray[np.float32]
    target: NDArray[np.float32]
    perturbation: NDArray[np.float32]
    drawn: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Robustness measurements of one model.

    Attributes:
        evidence: ELBO of the images and its parts.
        norms: Of encoder and decoder.
        attacks: On random pairs of the images; perturbations are not kept.
        output: On the same pairs with the goal "output"; None where that was not asked for.
        by_layer: On the same pairs, on single layers of a hierarchy alone.
        example: One of the pairs, to be looked at.
        noise: Likelihood of the images under the codes of noisy ones.
        noisy: (scales, images) the same of every image.
        mig_top: Mutual information gap of the top layer (Seatbelt paper, Table J.2); NaN where
            no factor is known.
    """

    evidence: Elbo
    norms: WeightNorms
    attacks: Attacks
    example: Example
    noise: NoiseCurve
    noisy: NDArray[np.float64]
    mig_top: float
    output: Attacks | None = None
    by_layer: Mapping[int, Attacks] = field(default_factory=dict)

    @property
    def delta_latent(self) -> float:
        """Divergence plus penalty of latent attacks, mean over pairs and lambdas (nats)."""
        return float(self.attacks.objective.mean())

    @property
    def delta_output(self) -> float:
        """Divergence plus penalty of output attacks (nats); NaN if there are none."""
        return float("nan") if self.output is None else float(self.output.objective.mean())

    def row(self) -> tuple[object, ...]:
        """Values of `COLUMNS`.

        Rates of the layers stand in one, bottom up; so do those of units, layers apart by a
        bar, and -log p of the targets after attacks on single layers.
        """
        hit, output = self.attacks, self.output
        return (
            self.evidence.elbo,
            self.evidence.error,
            self.evidence.reconstruction,
            " ".join(f"{rate:.2f}" for rate in self.evidence.rates),
            self.mean_relative_divergence.mean(),
            self.half_divergence_norm.mean(),
            hit.target_distortion.mean(),
            (hit.target_error / hit.clean_error).mean(),
            self.loglik_drop,
            *self.norms,
            self.mig_top,
            " | ".join(" ".join(f"{kl:.3f}" for kl in layer) for layer in self.evidence.units),
            self.delta_latent,
            self.delta_output,
            float("nan") if output is None else output.target_distortion.mean(),
            " ".join(
                f"{layer}:{each.target_distortion.mean():.2f}"
                for layer, each in self.by_layer.items()
            ),
        )

    def by_pair(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """A column of `attacks` reshaped to (pairs, strengths)."""
        return self.attacks.by_pair(values)

    @property
    def loglik_drop(self) -> float:
        """Decrease of log p(x | z*) from no noise to the strongest (nats)."""
        return float(self.noise.log_likelihood[0] - self.noise.log_likelihood[-1])

    @property
    def mean_relative_divergence(self) -> NDArray[np.floating]:
        """(pairs,) mean of the relative divergence over lambdas: 1 is no effect."""
        return self.attacks.mean_relative_divergence

    @property
    def half_divergence_norm(self) -> NDArray[np.floating]:
        """(pairs,) norm of the perturbation that halves the divergence (pixels' range)."""
        return self.attacks.half_divergence_norm


def random_pairs(images: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random inputs and targets (count, C, F, T): different images, each used once.

    Raises:
        InputError: there are too few images.
    """
    if len(images) < 2 * count:
        raise InputError("too few images for the pairs", expected=f"{2 * count}", found=len(images))
    inputs, targets = images[torch.randperm(len(images), generator=generator)[: 2 * count]].chunk(2)
    return inputs, targets


def measure_robustness(
    model: Model,
    images: Tensor,
    *,
    factors: NDArray[np.int64] | None = None,
    pairs: int = 10,
    strengths: Sequence[float] | NDArray[np.floating] = STRENGTHS,
    scales: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.4),
    goal: GoalName = "latent",
    layers: tuple[int, ...] | None = None,
    evaluations: int = EVALUATIONS,
    output: bool = False,
    each_layer: bool = False,
    seed: int = 0,
) -> Robustness:
    """Measure the robustness of a model on some images.

    Args:
        model: In evaluation mode.
        images: (N, C, F, T) as the model takes them, on its device.
        factors: (N, K) their factors, for the mutual information gap.
        pairs: Number of attacked images.
        strengths: Penalty weights lambda.
        scales: Standard deviations of the noise.
        goal: Of the attacks.
        layers: Attacked latent layers; None is those that the likelihood is on.
        evaluations: Most of the goal for each attack.
        output: Attack the output, too.
        each_layer: Attack every layer of a hierarchy alone, too.
        seed: Of pairs and noise, so that models compare on the same ones.

    Raises:
        InputError: too few images, or pixels out of range.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = random_pairs(images, pairs, generator)

    def attacked(goal: GoalName, layers: tuple[int, ...] | None, *, keep: bool = False) -> Attacks:
        options = {"goal": goal, "layers": layers, "evaluations": evaluations, "keep": keep}
        return attack(model, inputs, targets, strengths, **options)

    attacks = attacked(goal, layers, keep=True)
    singly = range(1, len(model.layers) + 1) if each_layer and len(model.layers) > 1 else ()
    noisy = noisy_log_likelihoods(model, images, scales, generator, draws=1)
    return Robustness(
        evidence=evidence(model, images, seed=seed),
        norms=weight_norms(model),
        attacks=replace(attacks, perturbation=None),
        example=_example(model, inputs[0], targets[0], attacks),
        noise=curve_of(noisy, scales),
        noisy=noisy,
        mig_top=_mig_top(model, images, factors, seed),
        output=attacked("output", None) if output else None,
        by_layer={layer: attacked(goal, (layer,)) for layer in singly},
    )


@torch.no_grad()
def _example(model: Model, clean: Tensor, target: Tensor, attacks: Attacks) -> Example:
    kept = np.asarray(attacks.perturbation)[attacks.pair == 0]
    perturbation = torch.as_tensor(kept, device=clean.device)
    channels = perturbation.shape[1]
    x = clean.expand(len(perturbation), *clean.shape).clone()
    x[:, :channels] += perturbation
    drawn = model.decode(model.infer(x, sample=False).z).mean
    low, high = model.likelihood.data_range
    shown = [scale_to_unit(part, model.likelihood) for part in (clean, target, drawn)]
    parts = (shown[0][:channels], shown[1][:channels], perturbation / (high - low), shown[2])
    return Example(*(part.cpu().numpy() for part in parts))


@torch.no_grad()
def _mig_top(model: Model, images: Tensor, factors: NDArray[np.int64] | None, seed: int) -> float:
    if factors is None or factors.shape[1] == 0:
        return float("nan")
    means = [model.encode(part).mean[:, -model.layers[-1] :] for part in images.split(256)]
    found = mig(torch.cat(means).cpu().numpy(), factors, np.random.default_rng(seed), Protocol())
    return found["mig"].value
