"""Common parts of all pictures: colours, matplotlib style, writing to disk.

Figures are made with matplotlib's object interface and its Agg canvas; no global
state of matplotlib is read or changed, so that any thread or process may draw.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from glitchvae.errors import InputError
from glitchvae.store import replacing

INK, FAINT, PAPER, GREY = "#1b1b1f", "#6a6a72", "#ffffff", "#dcdce0"

CYCLE = ("#2f4b7c", "#d1495b", "#2e8b57", "#e08e00", "#7a5195", "#17848c", "#8c564b", "#6a6a72")
"""Colours of curves, in this order."""

own_style = style.context("default")
"""Decorator: other libraries set matplotlib's defaults when imported (gwpy turns grids on)."""


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG.

    Raises:
        StorageError: the disk refused the write.
    """
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def finish(figure: Figure, path: str | Path, *, spines: bool = True) -> None:
    """Set small ticks, remove the frame (or, without `spines`, all axis lines), then `save`."""
    for axes in figure.axes:
        axes.tick_params(labelsize=7)
        for side in ("top", "right") if spines else axes.spines:
            axes.spines[side].set_visible(False)
    figure.tight_layout()
    save(figure, path)


def check_lengths(path: str | Path, **lengths: int) -> None:
    """Reject parts of a picture that differ in length.

    Raises:
        InputError: they do, or there is nothing to draw.
    """
    if len(set(lengths.values())) > 1:
        raise InputError(
            "parts of the picture differ in number",
            where=path,
            expected="one of each",
            found=lengths,
        )
    if not any(lengths.values()):
        raise InputError("nothing to draw", where=path, expected="at least one glitch")
