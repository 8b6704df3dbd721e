"""Attacks on all pairs at all penalty weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.errors import InputError, ModelError
from glitchvae.models import Model, UserEncoder
from glitchvae.precision import full_precision
from glitchvae.progress import Progress
from glitchvae.validation.robustness.attacks.batch import descend
from glitchvae.validation.robustness.attacks.goals import GOALS, Goal, GoalName
from glitchvae.validation.robustness.attacks.optima import Optima
from glitchvae.validation.robustness.attacks.pairs import Pairs
from glitchvae.validation.robustness.attacks.quasi_newton import minimise
from glitchvae.validation.robustness.attacks.record import NOT_FINITE, OK, Attacks

Optimiser = Literal["batch", "l-bfgs-b"]

STRENGTHS: NDArray[np.float64] = 2.0 ** np.linspace(-20, 20, 50)
"""The grid of lambda of "Disentangling improves VAEs' robustness to adversarial attacks"."""

EVALUATIONS = 200
"""Largest number of evaluations of the goal and its gradient for an attack."""

_CHEAP = 0.1
"""Share of the gain below which the cost of the target makes some attacks start there."""


def attack(
    model: Model | UserEncoder,
    inputs: Tensor,
    targets: Tensor,
    strengths: Sequence[float] | NDArray[np.floating] = STRENGTHS,
    *,
    goal: GoalName = "latent",
    layers: tuple[int, ...] | None = None,
    channels: int | None = None,
    method: Optimiser = "batch",
    evaluations: int = EVALUATIONS,
    batch_size: int = 128,
    keep: bool = False,
    progress: Progress = lambda _: None,
) -> Attacks:
    """Perturb every input towards its target, at every penalty weight.

    Minimises `divergence + lambda |d|` with pixels kept in range. As a batch all attacks
    descend at once, from no perturbation and, at every other of the low lambdas, from the target
    itself; what one lambda found is a candidate for all others of its pair, so that the best
    objective never falls along lambda. By L-BFGS-B every attack runs alone from no
    perturbation, as in the papers.

    Args:
        model: In evaluation mode; for the goals "latent" and "mean" an encoder alone will do,
            of whose targets nothing is drawn (NaN).
        inputs: (P, C, F, T) as the model takes them.
        targets: (P, C, F, T).
        strengths: (K,) lambda, ascending.
        goal: "latent", "mean" or "output".
        layers: Attacked latent layers, from 1 at the bottom; None is those that the
            likelihood is on: z_1 of a DLGM and a beta-TCDLGM, else all.
        channels: How many of the first channels are pixels that may change; None: as many as
            the model decodes, of an encoder alone all.
        method: "batch" or "l-bfgs-b".
        evaluations: Most evaluations of the goal and its gradient for each attack.
        batch_size: Attacks in memory at a time, but at least those of one pair.
        keep: Put the perturbations into the record.
        progress: Called with the number of attacks just finished.

    Returns:
        One row for each pair and strength, pair after pair.

    Raises:
        InputError: bad pairs, a layer that is not there, or strengths out of order.
        ModelError: the goal "output" of an encoder alone; codes without a gradient.
    """
    pairs = Pairs.of(model, inputs, targets, channels=channels)
    _require_gradient(model, pairs.inputs)
    grid = _checked(strengths)
    pair, strength = _all_attacks(pairs, grid)
    optimise, together = (descend, batch_size) if method == "batch" else (minimise, 1)
    parts = []
    with full_precision(inputs.device):  # line searches compare values closer than TF32 has them
        aim = GOALS[goal](model, pairs, layers)
        for rows in torch.arange(len(pair)).split(max(together // len(grid), 1) * len(grid)):
            given = aim, pair[rows], strength[rows]
            start = _both_ends(*given) if method == "batch" else _nothing(pairs, pair[rows])
            parts.append(optimise(*given, start, evaluations=evaluations))
            progress(len(rows))
        return _record(aim, pair, strength, Optima.of(parts), goal, method, keep=keep)


def _require_gradient(model: Model | UserEncoder, inputs: Tensor) -> None:
    """Refuse an encoder without a gradient.

    Raises:
        ModelError: the codes do not depend on the images by torch's operations.
    """
    with torch.enable_grad():
        leaf = inputs[:1].detach().clone().requires_grad_(True)
        mean = model.infer(leaf, sample=False).posterior.mean
    if not mean.requires_grad:
        raise ModelError(
            "the codes have no gradient, so that they cannot be attacked",
            expected="an encoder of torch's operations",
            remedy="Leave out no_grad, detach and numpy within the encoder.",
        )


def _checked(values: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
    try:
        grid = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        grid = np.empty(0)
    if grid.ndim != 1 or len(grid) == 0 or not (np.isfinite(grid) & (grid >= 0)).all():
        raise InputError("lambda is not a list of numbers", expected="0 and above", found=values)
    if (np.diff(grid) <= 0).any():
        raise InputError("lambda is out of order", expected="ascending, each once", found=values)
    return grid


def _all_attacks(pairs: Pairs, grid: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Pair (P K,) and penalty weight (P K,) of every attack."""
    device = pairs.inputs.device
    pair = torch.arange(len(pairs), device=device).repeat_interleave(len(grid))
    strength = torch.as_tensor(grid, dtype=pairs.inputs.dtype, device=device)
    return pair, strength.repeat(len(pairs))


def _nothing(pairs: Pairs, pair: Tensor) -> Tensor:
    return torch.zeros_like(pairs.inputs[pair, : pairs.channels])


@torch.no_grad()
def _both_ends(goal: Goal, pair: Tensor, strength: Tensor) -> Tensor:
    """First perturbations (B, C, F, T): zero, or at low weights alternately the full difference."""
    pairs, nothing = goal.pairs, _nothing(goal.pairs, pair)
    whole = pairs.allowed((pairs.targets - pairs.inputs)[pair, : pairs.channels], pair)
    gain = goal(pairs.inputs[pair], pair) - goal(pairs.perturbed(whole, pair), pair)
    cheap = strength * whole.flatten(1).norm(dim=1) < _CHEAP * gain
    every_other = torch.arange(len(pair), device=pair.device) % 2 == 1
    return torch.where((cheap & every_other).view(-1, 1, 1, 1), whole, nothing)


@torch.no_grad()
def _record(
    goal: Goal,
    pair: Tensor,
    strength: Tensor,
    found: Optima,
    name: GoalName,
    method: str,
    *,
    keep: bool,
) -> Attacks:
    every = torch.arange(len(goal.pairs), device=pair.device)
    clean = goal(goal.pairs.inputs, every)
    _, clean_error = _drawn(goal, goal.pairs.inputs, every)
    drawn = [
        _drawn(goal, goal.pairs.perturbed(found.perturbation[rows], pair[rows]), pair[rows])
        for rows in torch.arange(len(pair)).split(256)
    ]
    distortion, error = (torch.cat(values) for values in zip(*drawn, strict=True))
    return Attacks(
        pair=_numbers(pair),
        strength=_numbers(strength),
        distance=_numbers(found.distance),
        divergence=_numbers(found.divergence),
        clean_divergence=_numbers(clean[pair]),
        objective=_numbers(found.divergence + strength * found.distance),
        target_distortion=_numbers(distortion),
        target_error=_numbers(error),
        clean_error=_numbers(clean_error[pair]),
        evaluations=_numbers(found.evaluations),
        converged=_numbers(found.converged),
        status=np.where(_numbers(found.finite), OK, NOT_FINITE).astype(object),
        perturbation=_numbers(found.perturbation) if keep else None,
        goal=name,
        layers=list(goal.layers),
        method=method,
    )


def _drawn(goal: Goal, x: Tensor, pair: Tensor) -> tuple[Tensor, Tensor]:
    """-log p of the target, and the distance of the reconstruction from it, each (B,)."""
    pairs, decoder = goal.pairs, goal.decoder
    if decoder is None:
        nothing = torch.full((len(x),), torch.nan, device=x.device)
        return nothing, nothing
    likelihood = decoder.decode(decoder.infer(x, sample=False).z)
    difference = likelihood.mean - pairs.targets[pair, : pairs.channels]
    error = (difference * pairs.exist(pairs.targets, pair)).flatten(1).norm(dim=1)
    return -pairs.log_likelihood(likelihood, pair), error


def _numbers(values: Tensor) -> NDArray[np.generic]:
    return values.detach().cpu().numpy()
