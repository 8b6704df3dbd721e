"""Comparison of trainings, with a panel for each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from glitchvae.plots import page
from glitchvae.statistics import Estimate

_LETTER, _ROW = 0.062, 0.3  # inches


@page.own_style
def comparison(
    lines: Mapping[str, Mapping[str, tuple[Sequence[float], Estimate]]],
    path: str | Path,
    *,
    title: str = "",
) -> None:
    """Draw numbers of several methods with a dot for each training, as PNG.

    Args:
        lines: By the name of a method and of a number: the values of its trainings, and their mean
            with its interval.
        path: Where the PNG goes.
        title: Headline.

    Raises:
        InputError: there is nothing to draw.
        StorageError: the disk refused the write.
    """
    names = list(dict.fromkeys(name for line in lines.values() for name in line))
    page.check_lengths(path, numbers=len(names))
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    margin = _LETTER * max(map(len, lines)) + 0.2
    size = (margin + 2.1 * columns, rows * (0.75 + _ROW * len(lines)) + 0.3)
    figure = Figure(figsize=size, dpi=120, facecolor=page.PAPER)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    places = np.arange(len(lines))
    for axes, name in zip(panels, names, strict=False):
        for place, (colour, line) in enumerate(_coloured(lines)):
            if name not in line:
                continue
            values, mean = line[name]
            axes.plot(values, np.full(len(values), place), ".", color=page.FAINT, ms=4, alpha=0.6)
            axes.plot([mean.low, mean.high], [place, place], color=colour, lw=1.6)
            axes.plot(mean.value, place, "o", color=colour, ms=5)
        axes.set_xlabel(name, fontsize=8)
        axes.grid(axis="x", color=page.GREY, lw=0.6)
        axes.set_yticks(places, list(lines), fontsize=7)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.locator_params(axis="x", nbins=4)
    for axes in list(figure.axes)[len(names) :]:
        axes.remove()
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, color=page.INK)
    page.finish(figure, path)


def _coloured(
    lines: Mapping[str, Mapping[str, tuple[Sequence[float], Estimate]]],
) -> list[tuple[str, Mapping[str, tuple[Sequence[float], Estimate]]]]:
    return [
        (page.CYCLE[number % len(page.CYCLE)], line) for number, line in enumerate(lines.values())
    ]
