"""Figures 1 and 2 of the study: losses against strengths, KL over training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

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
