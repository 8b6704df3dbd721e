"""Curves with bands, and grids of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glitchvae.plots import page
from glitchvae.shapes import ENERGY_CEILING, VIEWS

_CELL, _LETTER = 0.62, 0.055  # inches


class Curve(NamedTuple):
    """Values over x with a band; NaN leaves a gap."""

    x: NDArray[Any]
    middle: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]


@page.own_style
def curves(
    lines: Mapping[str, Curve],
    path: str | Path,
    *,
    xlabel: str,
    ylabel: str,
    xscale: Literal["linear", "log"] = "linear",
    title: str = "",
) -> None:
    """Draw curves by name with their bands, as PNG.

    Raises:
        InputError: there is none.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, curves=len(lines))
    figure = Figure(figsize=(6.4, 4.2), dpi=120, facecolor=page.PAPER)
    axes = figure.subplots()
    for number, (name, curve) in enumerate(lines.items()):
        colour = page.CYCLE[number % len(page.CYCLE)]
        style = "-" if number < len(page.CYCLE) else "--"
        axes.plot(curve.x, curve.middle, style, color=colour, lw=1.3, label=name, marker=".", ms=3)
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, lw=0)
    axes.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale)
    axes.set_title(title, loc="left", fontsize=9)
    axes.legend(fontsize=7, frameon=False, ncols=1 + len(lines) // 8)
    page.finish(figure, path)


@page.own_style
def picture_grid(
    pictures: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    path: str | Path,
    *,
    title: str = "",
) -> None:
    """Draw pictures in rows and columns, and write them as PNG.

    Args:
        pictures: (rows, columns, C, H, W): four views of a glitch as energy, of which the
            second (1 s) is shown, or one (grey) or three (RGB) channels in [0, 1].
        rows: A name for each row.
        columns: A name for each column.
        path: Where the PNG goes.
        title: Headline.

    Raises:
        InputError: the names do not fit the pictures.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, rows=len(pictures), names=len(rows))
    page.check_lengths(path, columns=pictures.shape[1], names=len(columns))
    margin = max(0.85, _LETTER * max(map(len, rows)))
    width, height = margin + 0.05 + len(columns) * _CELL, 0.75 + len(rows) * _CELL
    figure = Figure(figsize=(width, height), dpi=120, facecolor=page.PAPER)
    figure.text(0.1 / width, 1 - 0.22 / height, title, fontsize=9, color=page.INK, va="center")
    size = 0.95 * _CELL
    for (row, name), (column, above) in product(enumerate(rows), enumerate(columns)):
        x, y = margin + column * _CELL, height - 0.6 - (row + 1) * _CELL
        axes = figure.add_axes((x / width, y / height, size / width, size / height))
        _draw_picture(axes, np.asarray(pictures[row, column], dtype=float))
        if row == 0:
            axes.set_title(above, fontsize=6.5, color=page.FAINT, pad=2)
        if column == 0:
            label = {"fontsize": 6.5, "color": page.INK, "rotation": 0}
            axes.set_ylabel(name, ha="right", va="center", **label)
    page.save(figure, path)


def _draw_picture(axes: Axes, picture: NDArray[np.float64]) -> None:
    """Draw energies in viridis with frequency upwards; other pictures unchanged."""
    if len(picture) == len(VIEWS):
        axes.imshow(picture[1], origin="lower", aspect="auto", vmin=0, vmax=ENERGY_CEILING)
    elif len(picture) == 1:
        axes.imshow(picture[0], cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(np.moveaxis(picture, 0, -1).clip(0, 1))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
