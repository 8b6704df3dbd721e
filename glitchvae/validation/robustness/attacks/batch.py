"""Many attacks as one batch: projected L-BFGS with a separate memory for each.

One evaluation of the goal moves all attacks that are not done: each of them either takes
its step and turns, or tries a shorter one. Between rounds the attacks of a pair share
what they found.

Source: Nocedal & Wright, Numerical Optimization (2006), algorithm 7.4 (the two loops) and
section 3.5 (step lengths); pixels at the end of their range are held where the gradient
pushes outward, and steps are cut to the range (Bertsekas 1982).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import vecdot

from glitchvae.validation.robustness.attacks.goals import Goal
from glitchvae.validation.robustness.attacks.optima import Optima, size_of

ROUND = 30
"""Evaluations between two exchanges of results among the attacks of a pair."""

MEMORY = 8
_ENOUGH = 1e-4
"""Least share of the decrease predicted by the gradient that a step must keep (Armijo)."""
_SHORTEST = 8
"""Number of shortened steps after which the memory is cleared, and then the attack ends."""
_IDLE, _STILL = 1e-6, 5
"""An attack ends after this number of consecutive steps that gain less than this share."""
_FLAT = 1e-8
"""Least change of the gradient along a step from which curvature is estimated."""


def descend(
    goal: Goal, pair: Tensor, strength: Tensor, start: Tensor, *, evaluations: int
) -> Optima:
    """Minimise `divergence + strength |d|` of every attack with its pixels in their range.

    Args:
        goal: What to make small.
        pair: (B,) pair of each attack, pair after pair, each at the same strengths.
        strength: (B,) lambda of each attack.
        start: (B, C, F, T) first perturbations.
        evaluations: Most times the goal and its gradient are computed for an attack.
    """
    search = Search(goal, pair, strength, start)
    for done in range(evaluations):
        if done and done % ROUND == 0:
            search.share()
        if not search.advance():
            break
    search.share()
    return search.found()


class Search:
    """State of B attacks with n pixels each.

    Attributes:
        point: (B, n) the perturbation that each attack stands at.
        value: (B,) its objective; infinite before the first look.
        gradient: (B, n) of the objective there.
        aim: (B, n) the direction in which the next point is tried.
        length: (B,) how far along `aim`.
        steps: (MEMORY, B, n) the last steps, a ring; `turns` the changes of gradient along them.
        remembered: (B,) how many steps were put there.
        shorter: (B,) how often in a row a step was too long.
        still: (B,) how many steps in a row gained next to nothing.
        running: (B,) not done.
    """

    def __init__(self, goal: Goal, pair: Tensor, strength: Tensor, start: Tensor) -> None:
        self.goal, self.pair, self.strength, self.shape = goal, pair, strength, start.shape
        self.per_pair = int((pair == pair[0]).sum())
        allowed = goal.pairs.allowed
        self.low, self.high = (
            allowed(torch.full_like(start, side), pair).flatten(1)
            for side in (-torch.inf, torch.inf)
        )
        self.point = allowed(start, pair).flatten(1)
        self.gradient, self.aim = torch.zeros_like(self.point), torch.zeros_like(self.point)
        self.value = torch.full_like(strength, torch.inf)
        self.divergence, self.length = self.value.clone(), torch.ones_like(strength)
        self.steps = start.new_zeros(MEMORY, *self.point.shape)
        self.turns = torch.zeros_like(self.steps)
        self.remembered, self.shorter, self.still, self.evaluations = torch.zeros(
            4, len(start), dtype=torch.long, device=start.device
        )
        self.finite = torch.ones(len(start), dtype=torch.bool, device=start.device)
        self.running = self.finite.clone()

    def advance(self) -> bool:
        """Evaluate the next point of every running attack; False if none is running."""
        rows = self.running.nonzero().flatten()
        if len(rows) == 0:
            return False
        ahead = self.point[rows] + self.length[rows, None] * self.aim[rows]
        ahead = torch.clamp(ahead, self.low[rows], self.high[rows])
        divergence, value, gradient = self._look(ahead, rows)
        promised = vecdot(self.gradient[rows], ahead - self.point[rows])
        finite = value.isfinite() & gradient.isfinite().all(dim=1)
        self.finite[rows[~finite]] = self.running[rows[~finite]] = False
        good = finite & (value <= self.value[rows] + _ENOUGH * promised)
        self._take(rows[good], ahead[good], divergence[good], value[good], gradient[good])
        bad = finite & ~good
        self._shorten(rows[bad], value[bad], promised[bad])
        return True

    def share(self) -> None:
        """Give every attack the best point found at any penalty weight of its pair.

        A perturbation with divergence a and size b is worth `a + lambda b` to every lambda,
        and its gradient follows without another look; its memory is a fair guess.
        """
        rows = best_of_pair(self.divergence, self.point.norm(dim=1), self.strength, self.per_pair)
        moved = rows != torch.arange(len(rows), device=rows.device)
        penalty, size = self.strength - self.strength[rows], size_of(self.point[rows])
        self.gradient = self.gradient[rows] + (penalty / size)[:, None] * self.point[rows]
        self.point, self.divergence = self.point[rows], self.divergence[rows]
        self.steps, self.turns = self.steps[:, rows], self.turns[:, rows]
        self.remembered = self.remembered[rows]
        self.value = self.divergence + self.strength * size
        self.running |= moved & self.finite
        self.still[moved] = 0
        self._turn(moved.nonzero().flatten())

    def found(self) -> Optima:
        """The best points of all attacks."""
        perturbation, distance = self.point.view(self.shape), self.point.norm(dim=1)
        converged = ~self.running & self.finite
        return Optima(
            perturbation, self.divergence, distance, self.finite, converged, self.evaluations
        )

    def _look(self, ahead: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        leaf = ahead.view(-1, *self.shape[1:]).requires_grad_(True)
        pair = self.pair[rows]
        divergence = self.goal(self.goal.pairs.perturbed(leaf, pair), pair)
        value = divergence + self.strength[rows] * size_of(leaf)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        self.evaluations[rows] += 1
        return divergence.detach(), value.detach(), gradient.flatten(1)

    def _take(
        self, rows: Tensor, ahead: Tensor, divergence: Tensor, value: Tensor, gradient: Tensor
    ) -> None:
        """Accept better points, update the L-BFGS memory, and set new directions."""
        step, turn = ahead - self.point[rows], gradient - self.gradient[rows]
        curved = (vecdot(step, turn) > _FLAT * vecdot(turn, turn)) & self.value[rows].isfinite()
        known = rows[curved]
        place = self.remembered[known] % MEMORY
        self.steps[place, known], self.turns[place, known] = step[curved], turn[curved]
        self.remembered[known] += 1
        idle = self.value[rows] - value <= _IDLE * value.abs()
        self.still[rows] = torch.where(idle, self.still[rows] + 1, 0)
        self.running[rows[self.still[rows] >= _STILL]] = False
        self.point[rows], self.gradient[rows] = ahead, gradient
        self.value[rows], self.divergence[rows] = value, divergence
        self._turn(rows)

    def _turn(self, rows: Tensor) -> None:
        """Set a new search direction and a full step; the first step of an attack has length 1."""
        free = ~(
            ((self.point[rows] <= self.low[rows]) & (self.gradient[rows] > 0))
            | ((self.point[rows] >= self.high[rows]) & (self.gradient[rows] < 0))
        )
        aim = -newton(
            self.gradient[rows] * free,
            self.steps[:, rows] * free,
            self.turns[:, rows] * free,
            self.remembered[rows],
        )
        length = aim.norm(dim=1).clamp(min=torch.finfo(aim.dtype).tiny)
        self.aim[rows] = aim
        self.length[rows] = torch.where(self.remembered[rows] > 0, 1.0, 1 / length)
        self.shorter[rows] = 0

    def _shorten(self, rows: Tensor, value: Tensor, promised: Tensor) -> None:
        """Shorten steps to the minimum of a parabola; stop an attack after a few failures."""
        share = -promised / (2 * (value - self.value[rows] - promised))
        self.length[rows] *= share.nan_to_num(0.5).clamp(0.1, 0.5)
        self.shorter[rows] += 1
        lost = rows[self.shorter[rows] >= _SHORTEST]
        self.running[lost[self.remembered[lost] == 0]] = False
        self.remembered[lost] = 0
        self._turn(lost)


def newton(gradient: Tensor, steps: Tensor, turns: Tensor, remembered: Tensor) -> Tensor:
    """Product (B, n) of the inverse Hessian approximation and the gradient.

    Args:
        gradient: (B, n).
        steps: (m, B, n) a ring: the step that was remembered as the k-th is in row k mod m.
        turns: (m, B, n) changes of gradient along them.
        remembered: (B,) number of steps so far; without any, the gradient comes back.
    """
    curvature = vecdot(steps, turns)
    rows, result, back = torch.arange(len(gradient), device=gradient.device), gradient, []
    for age in range(1, len(steps) + 1):
        place = (remembered - age) % len(steps)
        step, turn, along = steps[place, rows], turns[place, rows], curvature[place, rows]
        usable = (age <= remembered) & (along > _FLAT * vecdot(turn, turn))
        inverse = torch.where(usable, 1 / along, 0.0)
        amount = inverse * vecdot(step, result)
        result = result - amount[:, None] * turn
        back.append((step, turn, inverse, amount))
    step, turn, inverse, _ = back[0]
    scale = torch.where(inverse > 0, 1 / (inverse * vecdot(turn, turn)), 1.0)
    result = scale[:, None] * result
    for step, turn, inverse, amount in reversed(back):
        result = result + (amount - inverse * vecdot(turn, result))[:, None] * step
    return result


def best_of_pair(divergence: Tensor, distance: Tensor, strength: Tensor, per_pair: int) -> Tensor:
    """Rows (B,) of the attack on the same pair with the least objective at each weight.

    Among equals an attack keeps its own: at large lambda all of them are no perturbation.
    """
    penalty = strength.view(-1, per_pair, 1)
    worth = divergence.view(-1, 1, per_pair) + penalty * distance.view(-1, 1, per_pair)
    own = torch.arange(per_pair, device=strength.device)
    chosen = torch.where(
        worth.diagonal(dim1=1, dim2=2) <= worth.amin(dim=2), own, worth.argmin(dim=2)
    )
    first = torch.arange(len(worth), device=strength.device)[:, None] * per_pair
    return (first + chosen).flatten()
