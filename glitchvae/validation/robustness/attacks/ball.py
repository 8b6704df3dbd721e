"""Attacks whose disturbance may not leave a ball, as one batch: projected gradients."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from glitchvae.validation.robustness.attacks.found import Best, Found, size_of
from glitchvae.validation.robustness.attacks.goals import Goal

Norm = Literal["l2", "linf"]
NORMS: tuple[Norm, ...] = get_args(Norm)


def descend_in_ball(goal: Goal, pair: Tensor, radius: Tensor, norm: Norm, *, steps: int) -> Found:
    """Projected gradient descent on the divergence, with |d| at most `radius` (B,).

    Steps of 2.5 radius / steps (Madry et al. 2018, section 5) along the sign of the gradient
    in the L-infinity ball, along its direction in the L2 ball. An attack has converged where
    the last tenth of the steps gained less than a thousandth.
    """
    pairs = goal.pairs
    start = torch.zeros_like(pairs.inputs[pair, : pairs.channels])
    across = (-1, *[1] * (start.dim() - 1))
    disturbance, best = start, Best(start)
    length, before = (2.5 * radius / steps).view(across), best.objective
    for step in range(steps):
        gradient = _look(goal, pair, disturbance, best)
        before = best.objective if step == steps - max(steps // 10, 1) else before
        direction = gradient.sign() if norm == "linf" else gradient / size_of(gradient).view(across)
        moved = into_ball(disturbance - length * direction, radius, norm)
        disturbance = pairs.allowed(moved, pair)
    _look(goal, pair, disturbance, best)
    return best.found(before - best.objective <= 1e-3 * best.objective.abs())


def into_ball(disturbance: Tensor, radius: Tensor, norm: Norm) -> Tensor:
    """The nearest point (B, C, F, T) of balls of some radii (B,) about zero."""
    limit = radius.view(-1, *[1] * (disturbance.dim() - 1))
    if norm == "linf":
        return disturbance.clamp(-limit, limit)
    size = size_of(disturbance).view_as(limit)
    return disturbance * (limit / size).clamp(max=1.0)


def _look(goal: Goal, pair: Tensor, disturbance: Tensor, best: Best) -> Tensor:
    """Gradient of the divergence where an attack stands; zero once it is no number."""
    leaf = disturbance.detach().requires_grad_(True)
    divergence = goal(goal.pairs.disturbed(leaf, pair), pair)
    (gradient,) = torch.autograd.grad(divergence.sum(), leaf)
    best.finite &= divergence.isfinite() & gradient.flatten(1).isfinite().all(dim=1)
    with torch.no_grad():
        best.see(disturbance, divergence, disturbance.flatten(1).norm(dim=1), divergence)
    return torch.where(best.finite.view(-1, *[1] * (leaf.dim() - 1)), gradient, 0.0)
