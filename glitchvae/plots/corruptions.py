"""Share of events that keep their class versus strength of a corruption."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from glitchvae.plots import page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glitchvae.validation.robustness.corruption_test import CorruptionTest

_COLUMNS = 4


@page.own_style
def corruption_panels(tests: Mapping[str, CorruptionTest], path: str | Path) -> None:
    """Draw the share that keeps its class versus strength, a panel for each corruption, as PNG.

    Bands are the intervals of the shares.

    Args:
        tests: By a name for their events or their model.
        path: Where the PNG goes.

    Raises:
        InputError: there is nothing to draw.
        StorageError: the disk refused the write.
    """
    names = list(dict.fromkeys(name for test in tests.values() for name in test.corruptions))
    page.check_lengths(path, corruptions=len(names))
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(9.6, 0.4 + 2.3 * rows), dpi=120, facecolor=page.PAPER)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axes, name in zip(panels, names, strict=False):
        for colour, (label, test) in zip(page.CYCLE, tests.items(), strict=False):
            _draw_corruption(axes, test.of(name), label, colour)
        axes.set_title(name, loc="left", fontsize=8)
        axes.set_ylim(-0.03, 1.03)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("keep their class", fontsize=8)
    if len(tests) > 1:
        panels[0].legend(fontsize=7, frameon=False, loc="lower left")
    page.finish(figure, path)


def _draw_corruption(axes: Axes, rows: CorruptionTest, label: str, colour: str) -> None:
    kept = rows.kept()
    strength, share, low, high = (
        np.array([getattr(one, name) for one in kept])
        for name in ("strength", "share", "low", "high")
    )
    axes.plot(strength, share, color=colour, lw=1.3, marker=".", ms=4, label=label)
    axes.fill_between(strength, low, high, color=colour, alpha=0.15, lw=0)
    axes.set_xlabel(rows.unit[0], fontsize=7)
    axes.set_xscale("log")
    axes.set_xticks(strength, [f"{value:g}" for value in strength])
    axes.minorticks_off()
