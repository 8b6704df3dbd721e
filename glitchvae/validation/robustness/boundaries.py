"""The smallest perturbation that crosses the boundary of a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from torch import Tensor

from glitchvae.classes.prototypes import Discriminants, Prototypes

Margin = Callable[[Tensor], Tensor]
"""Perturbations (B, ...) -> (B,): positive before the boundary, negative behind it."""

GROWTH = (0.05, 1e-3)
"""Relative change of the radius in the first step and in the last."""


class ClassScores:
    """A classifier of codes whose scores have a gradient.

    Attributes:
        names: Its classes.
    """

    def __init__(self, names: Sequence[str], discriminants: Discriminants) -> None:
        self.names = tuple(names)
        self._slopes = torch.from_numpy(discriminants.slopes)
        self._offsets = torch.from_numpy(discriminants.offsets)
        self._own = torch.from_numpy(discriminants.own)

    @classmethod
    def of_prototypes(cls, prototypes: Prototypes) -> Self:
        """Linear discriminants of the nearest class."""
        return cls(prototypes.names, prototypes.discriminants)

    @classmethod
    def of_probe(cls, probe: Pipeline) -> Self:
        """A linear probe (`fit_linear_probe`) of three or more classes."""
        scaler: Any = probe[0]
        regression: Any = probe[-1]
        slopes = (regression.coef_ / scaler.scale_).T
        offsets = regression.intercept_ - scaler.mean_ @ slopes
        own = np.eye(len(regression.classes_), dtype=bool)
        return cls(regression.classes_.tolist(), Discriminants(slopes, offsets, own))

    def __call__(self, codes: Tensor) -> Tensor:
        """Scores (B, K) of codes (B, Z)."""
        each = codes.double() @ self._slopes + self._offsets
        return torch.stack([each[:, members].logsumexp(dim=1) for members in self._own], dim=1)

    def classify(self, codes: NDArray[np.floating]) -> NDArray[np.object_]:
        """Class names (N,) of codes (N, Z)."""
        best = self(torch.from_numpy(codes)).argmax(dim=1).numpy()
        return np.asarray(self.names, dtype=object)[best]


def lead(scores: Tensor, index: Tensor) -> Tensor:
    """(B,) score of the class `index` (B,) minus the best other in `scores` (B, K)."""
    mine = scores.gather(1, index[:, None])
    others = scores.scatter(1, index[:, None], -torch.inf)
    return (mine - others.amax(dim=1, keepdim=True))[:, 0]


class Crossing(NamedTuple):
    """Perturbations (B, ...) and norms (B,); infinite if no boundary was crossed."""

    perturbation: Tensor
    distance: Tensor


def cross(
    margin: Margin,
    start: Tensor,
    *,
    steps: int,
    first_step: float,
    allowed: Callable[[Tensor], Tensor] = lambda perturbation: perturbation,
) -> Crossing:
    """Find the smallest perturbation beyond the boundary, for each of a batch by itself.

    Steps of a falling length go down the margin within a ball. Its radius is where the
    boundary should lie to first order until one step is behind it, shrinks from there while
    they are, and grows while they are not (Pintor et al. 2021, "Fast minimum-norm adversarial
    attacks through adaptive norm constraints", algorithm 1, L2). The true smallest
    perturbation is no larger. Where the margin is no number that one attack ends, unsuccessful.

    Args:
        margin: What to bring below zero.
        start: First perturbations (B, ...).
        steps: Evaluations of the margin and its gradient.
        first_step: Length of the first step.
        allowed: Moves perturbations to the nearest ones that are allowed.
    """
    perturbation = allowed(start)
    radius = torch.full((len(start),), torch.inf)
    best = Crossing(perturbation, radius.clone())
    for share in 0.5 + 0.5 * np.cos(np.pi * np.arange(steps) / steps):
        value, gradient = _slope(margin, perturbation)
        size, slope = _norm(perturbation), _norm(gradient)
        best = _better(best, perturbation, size, value < 0)
        growth = GROWTH[1] + (GROWTH[0] - GROWTH[1]) * share
        shrunk = torch.minimum(radius * (1 - growth), best.distance)
        ahead = torch.where(best.distance.isfinite(), radius, size + value / slope)
        grown = ahead * (1 + growth)
        radius = torch.where(value < 0, shrunk, grown)
        moved = perturbation - first_step * share * gradient / _across(slope, gradient)
        perturbation = allowed(_into_ball(moved, radius))
    found = _across(best.distance, start).isfinite()
    return Crossing(torch.where(found, best.perturbation, perturbation), best.distance)


def _slope(margin: Margin, perturbation: Tensor) -> tuple[Tensor, Tensor]:
    """Value (B,) and gradient (B, ...) of a margin."""
    leaf = perturbation.detach().requires_grad_(True)
    value = margin(leaf)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach().to(gradient.dtype), gradient


def _better(best: Crossing, perturbation: Tensor, size: Tensor, crossed: Tensor) -> Crossing:
    better = crossed & (size < best.distance)
    return Crossing(
        torch.where(_across(better, perturbation), perturbation, best.perturbation),
        torch.where(better, size, best.distance),
    )


def _into_ball(perturbation: Tensor, radius: Tensor) -> Tensor:
    share = (radius / _norm(perturbation)).clamp(max=1.0)
    return perturbation * _across(share, perturbation)


def _norm(values: Tensor) -> Tensor:
    """(B,) Euclidean norms, bounded away from zero for division."""
    return values.flatten(1).norm(dim=1).clamp(min=1e-12)


def _across(values: Tensor, like: Tensor) -> Tensor:
    """Values (B,) with as many axes as `like`, for broadcasting."""
    return values.view(-1, *[1] * (like.dim() - 1))
