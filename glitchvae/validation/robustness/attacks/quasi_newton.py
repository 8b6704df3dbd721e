"""Attacks one after the other by scipy's L-BFGS-B, the optimiser of the papers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from glitchvae.validation.robustness.attacks.goals import Goal
from glitchvae.validation.robustness.attacks.optima import Best, Optima, size_of


def minimise(
    goal: Goal, pair: Tensor, strength: Tensor, start: Tensor, *, evaluations: int
) -> Optima:
    """Minimise `divergence + strength * |d|` of each attack within the pixels' range.

    Args:
        goal: What to make small.
        pair: (B,) pair of each attack.
        strength: (B,) lambda of each attack.
        start: (B, C, F, T) first perturbations.
        evaluations: Most evaluations of the goal for one attack; the line search that is
            under way then still ends.
    """
    return Optima.of(
        [
            _minimise_one(goal, pair[i : i + 1], float(strength[i]), start[i : i + 1], evaluations)
            for i in range(len(pair))
        ]
    )


def _minimise_one(goal: Goal, pair: Tensor, strength: float, start: Tensor, most: int) -> Optima:
    best = Best(start)
    pairs = goal.pairs

    def look(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        perturbation = torch.from_numpy(flat).to(start).view_as(start).requires_grad_(True)
        divergence = goal(pairs.perturbed(perturbation, pair), pair)
        value = (divergence + strength * size_of(perturbation)).sum()
        (gradient,) = torch.autograd.grad(value, perturbation)
        best.finite &= divergence.isfinite() & gradient.isfinite().all()
        with torch.no_grad():
            exact = perturbation.norm().expand(1)
            best.see(perturbation.detach(), divergence, exact, divergence + strength * exact)
        return float(value.detach()), _flat(gradient)

    low, high = (
        _flat(pairs.allowed(torch.full_like(start, side), pair)) for side in (-torch.inf, torch.inf)
    )
    found = minimize(
        look,
        _flat(start),
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([low, high], axis=1),
        options={"maxfun": most, "maxiter": most},
    )
    return best.found(torch.full_like(best.finite, bool(found.success)))


def _flat(values: Tensor) -> NDArray[np.float64]:
    """Values as a flat float64 array in main memory, for scipy."""
    return values.double().cpu().numpy().ravel()
