"""Result of an optimiser: the best perturbation of every attack in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor

SMOOTH = 1e-12
"""Term under the root of the norm, whose gradient does not exist at zero."""


class Optima(NamedTuple):
    """The best perturbations of B attacks.

    Attributes:
        perturbation: (B, C, F, T) pixels to add.
        divergence: (B,) what the goal makes of it; infinite where nothing finite was seen.
        distance: (B,) its Euclidean norm.
        finite: (B,) whether the goal and its gradient were numbers throughout.
        converged: (B,) whether the optimiser was done.
        evaluations: (B,) times the goal and its gradient were computed.
    """

    perturbation: Tensor
    divergence: Tensor
    distance: Tensor
    finite: Tensor
    converged: Tensor
    evaluations: Tensor

    @classmethod
    def of(cls, parts: Sequence[Self]) -> Self:
        """Concatenate several batches."""
        return cls(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


class Best:
    """Running record of the best perturbation of attacks from a start (B, C, F, T)."""

    def __init__(self, start: Tensor) -> None:
        count, device = len(start), start.device
        self.perturbation = start.clone()
        self.objective = torch.full((count,), torch.inf, dtype=start.dtype, device=device)
        self.divergence, self.distance = self.objective.clone(), self.objective.clone()
        self.finite = torch.ones(count, dtype=torch.bool, device=device)
        self.evaluations = 0

    def see(
        self, perturbation: Tensor, divergence: Tensor, distance: Tensor, objective: Tensor
    ) -> None:
        """Keep perturbations that are better than before; NaN is never better."""
        self.evaluations += 1
        better = objective < self.objective
        self.perturbation[better] = perturbation[better]
        self.divergence = torch.where(better, divergence, self.divergence)
        self.distance = torch.where(better, distance, self.distance)
        self.objective = torch.where(better, objective, self.objective)

    def found(self, converged: Tensor) -> Optima:
        """The best perturbations found."""
        evaluations = torch.full_like(self.finite, self.evaluations, dtype=torch.long)
        return Optima(
            self.perturbation, self.divergence, self.distance, self.finite, converged, evaluations
        )


def size_of(x: Tensor) -> Tensor:
    """(B,) Euclidean norm with a finite gradient everywhere."""
    return (x.square().flatten(1).sum(dim=1) + SMOOTH).sqrt()
