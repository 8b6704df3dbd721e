"""Figures 1 and 2 of the study: losses against strengths, KL over training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glitchvae.plots import page


@page.own_style
def losses(
    values: Mapping[str, Mapping[float, Sequence[float]]], ylabel: str, path: str | Path
) -> None:
    """One panel an objective: a number of each model against the objective's strength.

    Args:
        values: By objective and strength, one number a seed.
        ylabel: What the numbers are.
        path: Where the PNG goes.
    """
    figure = Figure(figsize=(2.2 * len(values) + 0.6, 2.6), dpi=110, facecolor=page.PAPER)
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    for axes, (objective, by_strength) in zip(panels, values.items(), strict=True):
        strengths = range(len(by_strength))
        for place, numbers in zip(strengths, by_strength.values(), strict=True):
            axes.plot([place] * len(numbers), numbers, "o", color=page.CYCLE[0], ms=3, alpha=0.6)
        medians = [np.median(numbers) for numbers in by_strength.values()]
        axes.plot(strengths, medians, "-", color=page.CYCLE[1])
        axes.set_xticks(strengths, [f"{strength:g}" for strength in by_strength])
        axes.set_title(objective, fontsize=9)
    panels[0].set_ylabel(ylabel)
    page.finish(figure, path)


@page.own_style
def kl_curves(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], path: str | Path
) -> None:
    """KL of every latent dimension over training, one panel a model.

    Args:
        curves: By model, steps (T,) and nats (T, D).
        path: Where the PNG goes.
    """
    columns = 3
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(3.3 * columns, 1.7 * rows), dpi=110, facecolor=page.PAPER)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for axes, (name, (steps, kl)) in zip(panels, curves.items(), strict=False):
        for d, line in enumerate(kl.T):
            axes.plot(steps, line, color=page.CYCLE[d % len(page.CYCLE)], lw=1)
        axes.set_title(name, fontsize=9)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    figure.supxlabel("updates", fontsize=9)
    figure.supylabel("KL of a dimension (nats)", fontsize=9)
    page.finish(figure, path)


class Point(NamedTuple):
    """A model in the plane of rate and distortion (nats)."""

    objective: str
    seed: int
    rate: float
    distortion: float


@page.own_style
def rate_distortion(points: Sequence[Point], path: str | Path) -> None:
    """Distortion against rate of annealed and Bottleneck models (paper, figure 1 left).

    The models of a seed have a colour. Bottleneck models are joined in the order of their
    rates; the line of slope -1 through the best annealed one has its ELBO everywhere, and the
    ELBO of what lies above it is lower.
    """
    page.check_lengths(path, models=len(points))
    figure = Figure(figsize=(5.6, 4.2), dpi=110, facecolor=page.PAPER)
    axes = figure.subplots()
    for seed in sorted({point.seed for point in points}):
        colour = page.CYCLE[seed % len(page.CYCLE)]
        same = [point for point in points if point.seed == seed]
        annealed = [point for point in same if point.objective == "annealed"]
        others = sorted(
            (point for point in same if point.objective != "annealed"), key=lambda p: p.rate
        )
        axes.plot(
            [p.rate for p in others], [p.distortion for p in others], "x-", color=colour, lw=0.6
        )
        axes.plot([p.rate for p in annealed], [p.distortion for p in annealed], "o", color=colour)
        if annealed:
            best = min(annealed, key=lambda p: p.rate + p.distortion)
            axes.axline((best.rate, best.distortion), slope=-1, color=colour, lw=0.8, ls="--")
    axes.set(xlabel="rate R (nats)", ylabel="distortion D (nats)")
    axes.set_title("o annealed, x Bottleneck, a colour a seed", fontsize=8, loc="left")
    page.finish(figure, path)
