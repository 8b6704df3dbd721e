"""One model under attack and under noise: everything the comparison of models needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.errors import InputError
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
    evidence,
    noise_curve,
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
)
"""Of a table with a row for each model."""


class Example(NamedTuple):
    """The first of the pairs, at every lambda.

    Attributes:
        clean: (C, F, T) the input.
        target: (C, F, T).
        perturbation: (K, C, F, T) what was added to the input.
        drawn: (K, C, F, T) mean of the reconstruction of the perturbed input.
    """

    clean: NDArray[np.float32]
    target: NDArray[np.float32]
    perturbation: NDArray[np.float32]
    drawn: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """What one model does.

    Attributes:
        evidence: ELBO of the images and its parts.
        norms: Of encoder and decoder.
        attacks: On random pairs of the images; perturbations are not kept.
        example: One of the pairs, to be looked at.
        noise: Likelihood of the images under the codes of noisy ones.
        mig_top: Mutual information gap of the top layer (paper B, Table J.2); NaN where no
            factor is known.
    """

    evidence: Elbo
    norms: WeightNorms
    attacks: Attacks
    example: Example
    noise: NoiseCurve
    mig_top: float

    def row(self) -> tuple[object, ...]:
        """The values of `COLUMNS`; rates of the layers stand in one, bottom up."""
        hit = self.attacks
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
        )

    def by_pair(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """(pairs, strengths) a column of `attacks`."""
        return self.attacks.by_pair(values)

    @property
    def loglik_drop(self) -> float:
        """How far log p(x | z*) falls from no noise to the strongest (nats)."""
        return float(self.noise.log_likelihood[0] - self.noise.log_likelihood[-1])

    @property
    def mean_relative_divergence(self) -> NDArray[np.floating]:
        """(pairs,) share of the divergence that is left, mean over lambdas: 1 is no effect."""
        return self.attacks.mean_relative_divergence

    @property
    def half_divergence_norm(self) -> NDArray[np.floating]:
        """(pairs,) size of the perturbation that takes half of the divergence (pixels' range)."""
        return self.attacks.half_divergence_norm


def random_pairs(images: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs and targets (count, C, F, T): different images, each used once.

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
    seed: int = 0,
) -> Robustness:
    """Measure a model on some images.

    Args:
        model: In evaluation mode.
        images: (N, C, F, T) as the model takes them.
        factors: (N, K) their factors, for the mutual information gap.
        pairs: Number of attacked images.
        strengths: Penalty weights lambda.
        scales: Standard deviations of the noise.
        goal: Of the attacks.
        layers: Attacked latent layers; None is those that the likelihood is on.
        evaluations: Most of the goal for each attack.
        seed: Of pairs and noise, so that models compare on the same ones.

    Raises:
        InputError: too few images, or pixels out of range.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = random_pairs(images, pairs, generator)
    attacks = attack(
        model,
        inputs,
        targets,
        strengths,
        goal=goal,
        layers=layers,
        evaluations=evaluations,
        keep=True,
    )
    return Robustness(
        evidence=evidence(model, images, seed=seed),
        norms=weight_norms(model),
        attacks=replace(attacks, perturbation=None),
        example=_example(model, inputs[0], targets[0], attacks),
        noise=noise_curve(model, images, scales, generator, draws=1),
        mig_top=_mig_top(model, images, factors, seed),
    )


@torch.no_grad()
def _example(model: Model, clean: Tensor, target: Tensor, attacks: Attacks) -> Example:
    perturbation = torch.as_tensor(np.asarray(attacks.perturbation)[attacks.pair == 0])
    channels = perturbation.shape[1]
    x = clean.expand(len(perturbation), *clean.shape).clone()
    x[:, :channels] += perturbation
    drawn = model.decode(model.infer(x, sample=False).z).mean
    parts = clean[:channels], target[:channels], perturbation, drawn
    return Example(*(part.numpy() for part in parts))


@torch.no_grad()
def _mig_top(model: Model, images: Tensor, factors: NDArray[np.int64] | None, seed: int) -> float:
    if factors is None:
        return float("nan")
    means = [model.encode(part).mean[:, -model.layers[-1] :] for part in images.split(256)]
    found = mig(torch.cat(means).numpy(), factors, np.random.default_rng(seed), Protocol())
    return found["mig"].value
