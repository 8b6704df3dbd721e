"""Many attacks as one batch: projected Adam, and projected gradients within a ball."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from glitchvae.validation.attacks.goals import Goal

Norm = Literal["l2", "linf"]

BETAS, EPSILON = (0.9, 0.99), 1e-8
SMOOTH = 1e-12
"""Added under the root of the norm, whose gradient at zero does not exist."""


@dataclass
class Best:
    """The best disturbance so far of every attack in a batch (B attacks)."""

    disturbance: Tensor
    divergence: Tensor
    distance: Tensor
    objective: Tensor
    finite: Tensor
    evaluations: int = 0
    history: list[Tensor] = field(default_factory=list)
    success: bool | None = None

    @classmethod
    def at(cls, start: Tensor) -> Best:
        """Nothing seen yet."""
        infinite = torch.full((len(start),), torch.inf, device=start.device)
        finite = torch.ones(len(start), dtype=torch.bool, device=start.device)
        return cls(start.clone(), infinite, infinite.clone(), infinite.clone(), finite)

    def see(
        self, disturbance: Tensor, divergence: Tensor, distance: Tensor, objective: Tensor
    ) -> None:
        """Keep what is better than before; what is no number never is."""
        self.evaluations += 1
        better = objective < self.objective
        self.disturbance[better] = disturbance[better]
        self.divergence = torch.where(better, divergence, self.divergence)
        self.distance = torch.where(better, distance, self.distance)
        self.objective = torch.where(better, objective, self.objective)
        self.history.append(self.objective)

    @property
    def converged(self) -> Tensor:
        """(B,) the optimiser's word, or whether the last tenth of steps gained < 0.1 %."""
        if self.success is not None:
            return torch.full_like(self.finite, self.success)
        before, last = self.history[-1 - max(len(self.history) // 10, 1)], self.history[-1]
        return (before - last) <= 1e-3 * last.abs()


def descend(
    goal: Goal,
    pair: Tensor,
    strength: Tensor,
    start: Tensor,
    *,
    steps: int,
    learning_rate: float,
) -> Best:
    """Projected Adam on `divergence + strength * |d|`, every attack with its own state.

    The learning rate falls to zero along a cosine; every pixel stays in its range.

    Args:
        goal: What to make small.
        pair: (B,) pair of each attack.
        strength: (B,) lambda of each attack.
        start: (B, C, F, T) first disturbances.
        steps: Evaluations of the goal and its gradient.
        learning_rate: Of the first step, in units of the pixels.
    """
    pairs = goal.pairs
    disturbance, best = pairs.allowed(start, pair), Best.at(start)
    first, second = torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, steps + 1):
        gradient = _look(goal, pair, disturbance, best, lambda size: strength * size)
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient.square()
        size = (second / (1 - BETAS[1] ** step)).sqrt() + EPSILON
        rate = learning_rate * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * (step - 1) / steps)))
        move = rate * first / (1 - BETAS[0] ** step) / size
        disturbance = pairs.allowed(disturbance - move, pair)
    return best


def descend_in_ball(goal: Goal, pair: Tensor, radius: Tensor, norm: Norm, *, steps: int) -> Best:
    """Projected gradient descent on the divergence, with |d| at most `radius` (B,).

    Steps of 2.5 radius / steps (Madry et al. 2018, section 5) along the sign of the gradient
    in the L-infinity ball, along its direction in the L2 ball.
    """
    pairs = goal.pairs
    start = torch.zeros_like(pairs.inputs[pair, : pairs.channels])
    across = (-1, *[1] * (start.dim() - 1))
    disturbance, best = start, Best.at(start)
    length = (2.5 * radius / steps).view(across)
    for _ in range(steps):
        gradient = _look(goal, pair, disturbance, best, torch.zeros_like)
        direction = gradient.sign() if norm == "linf" else gradient / size_of(gradient).view(across)
        moved = into_ball(disturbance - length * direction, radius, norm)
        disturbance = pairs.allowed(moved, pair)
    _look(goal, pair, disturbance, best, torch.zeros_like)
    return best


def into_ball(disturbance: Tensor, radius: Tensor, norm: Norm) -> Tensor:
    """The nearest point (B, C, F, T) of balls of some radii (B,) about zero."""
    limit = radius.view(-1, *[1] * (disturbance.dim() - 1))
    if norm == "linf":
        return disturbance.clamp(-limit, limit)
    size = size_of(disturbance).view_as(limit)
    return disturbance * (limit / size).clamp(max=1.0)


def _look(
    goal: Goal, pair: Tensor, disturbance: Tensor, best: Best, price: Callable[[Tensor], Tensor]
) -> Tensor:
    """Gradient of the objective where an attack stands; zero once it is no number."""
    leaf = disturbance.detach().requires_grad_(True)
    divergence, size = goal(goal.pairs.disturbed(leaf, pair), pair), size_of(leaf)
    (gradient,) = torch.autograd.grad((divergence + price(size)).sum(), leaf)
    finite = divergence.isfinite() & gradient.flatten(1).isfinite().all(dim=1)
    best.finite &= finite
    with torch.no_grad():
        exact = disturbance.flatten(1).norm(dim=1)
        best.see(disturbance, divergence, exact, divergence + price(exact))
    return torch.where(best.finite.view(-1, *[1] * (leaf.dim() - 1)), gradient, 0.0)


def size_of(x: Tensor) -> Tensor:
    """(B,) Euclidean norm with a gradient everywhere."""
    return (x.square().flatten(1).sum(dim=1) + SMOOTH).sqrt()
