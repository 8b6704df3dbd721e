"""Attacks on all pairs at all strengths, and what they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.errors import InputError
from glitchvae.models.model import Model
from glitchvae.store import Progress
from glitchvae.validation.attacks.descent import Best, Norm, descend, descend_in_ball
from glitchvae.validation.attacks.goals import GOALS, Goal, GoalName
from glitchvae.validation.attacks.pairs import Pairs
from glitchvae.validation.attacks.quasi_newton import minimise
from glitchvae.validation.attacks.record import NOT_FINITE, OK, Attacks

Method = Literal["adam", "l-bfgs-b"]

STRENGTHS: NDArray[np.float64] = 2.0 ** np.linspace(-20, 20, 50)
"""The grid of lambda of "Disentangling improves VAEs' robustness to adversarial attacks"."""


class Steps(NamedTuple):
    """Evaluations of an attack by Adam: from no disturbance, then from the best on the grid."""

    cold: int = 50
    warm: int = 35


STEPS = Steps()


def attack(
    model: Model,
    inputs: Tensor,
    targets: Tensor,
    strengths: Sequence[float] | NDArray[np.floating] = STRENGTHS,
    *,
    goal: GoalName = "latent",
    layers: tuple[int, ...] | None = None,
    method: Method = "adam",
    steps: Steps = STEPS,
    learning_rate: float = 0.05,
    batch_size: int = 256,
    keep: bool = False,
    progress: Progress = lambda _: None,
) -> Attacks:
    """Disturb every input so that it is taken for its target, at every price of disturbance.

    Minimises `divergence + lambda |d|` with pixels kept in range. By Adam all attacks run as
    one batch, first from no disturbance. What one lambda found is then a candidate for all
    others of its pair: with divergence a and distance b it is worth `a + lambda b` to each of
    them, so that the best objective never falls along lambda. A second descent starts there.
    By L-BFGS-B every attack runs alone from no disturbance, as in the papers.

    Args:
        model: In evaluation mode.
        inputs: (P, C, F, T) as the model takes them.
        targets: (P, C, F, T).
        strengths: (K,) lambda, ascending.
        goal: "latent", "mean" or "output".
        layers: Attacked latent layers, from 1 at the bottom; None is all.
        method: "adam" or "l-bfgs-b".
        steps: Of Adam; L-BFGS-B stops by itself, at the latest after 1000 iterations.
        learning_rate: Of Adam's first step, in units of the pixels.
        batch_size: Attacks in memory at a time.
        keep: Put the disturbances into the record.
        progress: Called with the number of attacks just finished.

    Returns:
        One row for each pair and strength, pair after pair.

    Raises:
        InputError: bad pairs, a layer that is not there, or strengths out of order.
    """
    pairs = Pairs.of(model, inputs, targets)
    aim = GOALS[goal](model, pairs, layers)
    grid = _checked(strengths, "lambda")
    pair, strength = _all_attacks(pairs, grid)
    start = torch.zeros_like(pairs.inputs[pair, : pairs.channels])
    if method == "l-bfgs-b":
        found = minimise(aim, pair, strength, start, iterations=1000)
        progress(len(pair))
        return _record(aim, pair, strength, found, goal, method, keep=keep)

    def run(first: Tensor, count: int) -> Best:
        parts = []
        for rows in torch.arange(len(pair)).split(batch_size):
            given = (aim, pair[rows], strength[rows], first[rows])
            parts.append(descend(*given, steps=count, learning_rate=learning_rate))
            progress(len(rows) if first is start else 0)
        return _joined(parts)

    cold = _shared(run(start, steps.cold), strength, len(grid))
    warm = run(cold.disturbance, steps.warm) if steps.warm else cold
    best = _shared(warm, strength, len(grid))
    best.evaluations = steps.cold + steps.warm
    return _record(aim, pair, strength, [best], goal, method, keep=keep)


def attack_in_ball(
    model: Model,
    inputs: Tensor,
    targets: Tensor,
    radii: Sequence[float] | NDArray[np.floating],
    *,
    norm: Norm = "linf",
    goal: GoalName = "latent",
    layers: tuple[int, ...] | None = None,
    steps: int = 40,
    batch_size: int = 256,
    keep: bool = False,
) -> Attacks:
    """Disturb every input by at most each of some radii so that it is taken for its target.

    What a smaller ball holds a larger one holds too: the best divergence never rises along
    the radii.

    Args:
        model: In evaluation mode.
        inputs: (P, C, F, T) as the model takes them.
        targets: (P, C, F, T).
        radii: (K,) in units of the pixels, ascending.
        norm: "linf" or "l2".
        goal: "latent", "mean" or "output".
        layers: Attacked latent layers, from 1 at the bottom; None is all.
        steps: Of projected gradient descent.
        batch_size: Attacks in memory at a time.
        keep: Put the disturbances into the record.

    Raises:
        InputError: bad pairs, a layer that is not there, or radii out of order.
    """
    pairs = Pairs.of(model, inputs, targets)
    aim = GOALS[goal](model, pairs, layers)
    grid = _checked(radii, "radii")
    pair, radius = _all_attacks(pairs, grid)
    best = _joined(
        [
            descend_in_ball(aim, pair[rows], radius[rows], norm, steps=steps)
            for rows in torch.arange(len(pair)).split(batch_size)
        ]
    )
    order = _carried_forward(best.divergence.view(len(pairs), len(grid)))
    return _record(aim, pair, radius, [_chosen(best, order)], goal, norm, keep=keep)


def _checked(values: Sequence[float] | NDArray[np.floating], what: str) -> NDArray[np.float64]:
    grid = np.asarray(values, dtype=np.float64)
    if grid.ndim != 1 or len(grid) == 0 or not (np.isfinite(grid) & (grid >= 0)).all():
        raise InputError(f"{what} are no list of numbers", expected="0 and above", found=values)
    if (np.diff(grid) <= 0).any():
        raise InputError(f"{what} are out of order", expected="ascending, each once", found=values)
    return grid


def _all_attacks(pairs: Pairs, grid: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Pair (P K,) and strength (P K,) of every attack."""
    device = pairs.inputs.device
    pair = torch.arange(len(pairs), device=device).repeat_interleave(len(grid))
    strength = torch.as_tensor(grid, dtype=pairs.inputs.dtype, device=device)
    return pair, strength.repeat(len(pairs))


def _joined(parts: Sequence[Best]) -> Best:
    def cat(name: str) -> Tensor:
        return torch.cat([getattr(part, name) for part in parts])

    lengths = zip(*(part.history for part in parts), strict=True)
    return Best(
        cat("disturbance"), cat("divergence"), cat("distance"), cat("objective"), cat("finite"),
        parts[0].evaluations, [torch.cat(step) for step in lengths],
    )  # fmt: skip


def _shared(best: Best, strength: Tensor, count: int) -> Best:
    """Give every attack the best of what all strengths of its pair found."""
    divergence, distance = best.divergence.view(-1, 1, count), best.distance.view(-1, 1, count)
    price = strength.view(-1, count, 1)
    # Equal values keep their own disturbance: at large lambda all of them are no disturbance.
    objective = divergence + price * distance
    own = torch.arange(count, device=strength.device)
    chosen = torch.where(
        objective.diagonal(dim1=1, dim2=2) <= objective.amin(dim=2), own, objective.argmin(dim=2)
    )
    first = torch.arange(len(divergence), device=strength.device)[:, None] * count
    shared = _chosen(best, (first + chosen).flatten())
    shared.objective = shared.divergence + strength * shared.distance
    return shared


def _carried_forward(divergence: Tensor) -> Tensor:
    """Rows (P K,) of the smallest divergence at this radius or a smaller one."""
    pairs, count = divergence.shape
    _, chosen = divergence.cummin(dim=1)
    return (torch.arange(pairs, device=divergence.device)[:, None] * count + chosen).flatten()


def _chosen(best: Best, rows: Tensor) -> Best:
    return Best(
        best.disturbance[rows], best.divergence[rows], best.distance[rows], best.objective[rows],
        best.finite, best.evaluations, best.history,
    )  # fmt: skip


@torch.no_grad()
def _record(
    goal: Goal,
    pair: Tensor,
    strength: Tensor,
    parts: Sequence[Best],
    name: GoalName,
    method: str,
    *,
    keep: bool,
) -> Attacks:
    def cat(key: str) -> Tensor:
        return torch.cat([getattr(part, key) for part in parts])

    disturbance = cat("disturbance")
    every = torch.arange(len(goal.pairs), device=pair.device)
    clean = goal(goal.pairs.inputs, every)
    _, clean_error = _drawn(goal, goal.pairs.inputs, every)
    drawn = [
        _drawn(goal, goal.pairs.disturbed(disturbance[rows], pair[rows]), pair[rows])
        for rows in torch.arange(len(pair)).split(256)
    ]
    distortion, error = (torch.cat(values) for values in zip(*drawn, strict=True))
    evaluations = [part.evaluations for part in parts for _ in range(len(part.finite))]
    finite = cat("finite").cpu().numpy()
    return Attacks(
        pair=_numbers(pair), strength=_numbers(strength), distance=_numbers(cat("distance")),
        divergence=_numbers(cat("divergence")), clean_divergence=_numbers(clean[pair]),
        objective=_numbers(cat("objective")), target_distortion=_numbers(distortion),
        target_error=_numbers(error), clean_error=_numbers(clean_error[pair]),
        evaluations=np.array(evaluations), converged=_numbers(cat("converged")),
        status=np.where(finite, OK, NOT_FINITE).astype(object),
        disturbance=_numbers(disturbance) if keep else None, goal=name,
        layers=list(goal.layers), method=method,
    )  # fmt: skip


def _drawn(goal: Goal, x: Tensor, pair: Tensor) -> tuple[Tensor, Tensor]:
    """-log p of the target, and the distance of the reconstruction from it, each (B,)."""
    pairs = goal.pairs
    likelihood = goal.model.decode(goal.model.infer(x, sample=False).z)
    difference = likelihood.mean - pairs.targets[pair, : pairs.channels]
    error = (difference * pairs.exist(pairs.targets, pair)).flatten(1).norm(dim=1)
    return -pairs.log_likelihood(likelihood, pair), error


def _numbers(values: Tensor) -> NDArray[np.generic]:
    return values.detach().cpu().numpy()
