"""Sheets of the four views of glitches, and their reconstructions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from glitchvae.plots import page
from glitchvae.plots.captions import loudest
from glitchvae.shapes import ENERGY_CEILING, IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet, octaves
from glitchvae.status import Status

EVENTS_PER_SHEET = 60
"""Largest number of glitches on a legible sheet; of more the loudest are drawn."""

_FREQUENCIES = (16, 64, 256, 1024)  # Hz, labelled on the axis
_GAP = 0.045  # between two views, in widths of a view
_COLOURS = Normalize(0.0, ENERGY_CEILING)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Layout of a page, in inches, with blocks of four views in columns."""

    blocks: int
    columns: int
    view: float  # width of one view
    left: float = 0.5
    margin: float = 0.0  # of the page, left of all columns
    top: float = 0.62
    bottom: float = 0.3
    caption: float = 0.24

    @property
    def rows(self) -> int:
        return math.ceil(self.blocks / self.columns)

    @property
    def block(self) -> tuple[float, float]:
        """Width and height of the four views of one glitch."""
        height = self.view * IMAGE_SHAPE[0] / IMAGE_SHAPE[1]
        return self.view * (len(VIEWS) + (len(VIEWS) - 1) * _GAP), height

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page."""
        width, height = self.block
        return (
            self.margin + self.columns * (self.left + width) + 0.2,
            self.top + self.rows * (self.caption + height + 0.1) + self.bottom,
        )

    def place(self, number: int) -> tuple[float, float, float, float]:
        """Position of a block in fractions of the page; blocks fill row after row."""
        row, column = divmod(number, self.columns)
        width, height = self.block
        x = self.margin + column * (self.left + width) + self.left
        y = self.top + row * (self.caption + height + 0.1) + self.caption + height
        across, down = self.size
        return x / across, 1 - y / down, width / across, height / down


@page.own_style
def contact_sheet(
    spectrograms: SpectrogramSet,
    captions: Sequence[str],
    path: str | Path | None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw every glitch's four views on one page and write it as PNG.

    Colours run from no excess (0) to Gravity Spy's ceiling of normalised energy
    (25.5); the frequency axis is logarithmic. Frequencies that the data cannot
    fill are hatched, and a row without an image is a grey panel with its status.
    Of more than `EVENTS_PER_SHEET` glitches the loudest are drawn, and the page
    says so.

    Args:
        spectrograms: N glitches, images (N, 4, F, T) of normalised energy.
        captions: N lines of text, see `captions_of`.
        path: Where the PNG goes; None writes none.
        title: Headline of the page.

    Returns:
        The figure, for whoever shows it.

    Raises:
        InputError: there is not one caption for each glitch, or no glitch at all.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path or "contact sheet", glitches=len(spectrograms), captions=len(captions))
    chosen = loudest(spectrograms.snr, EVENTS_PER_SHEET)
    shown, total = len(chosen), len(spectrograms)
    layout = _sheet_layout(shown)
    figure = _page(layout, title or f"{total} glitch{'es' if total != 1 else ''}")
    for number, row in enumerate(chosen):
        axes = figure.add_axes(layout.place(number))
        _draw_glitch(axes, spectrograms.images[row], str(spectrograms.status[row]))
        _write_caption(axes, captions[row])
    if shown < total:
        _write_footer(figure, f"the {shown} loudest of {total} glitches are shown")
    if path is not None:
        page.save(figure, path)
    return figure


@page.own_style
def glitch_picture(
    views: NDArray[Any],
    path: str | Path | None,
    *,
    title: str,
    subtitle: str = "",
    status: str = Status.OK,
) -> Figure:
    """Draw the four views of one glitch with axes of time and frequency; write it as PNG.

    Colours and hatching are those of `contact_sheet`. Time is counted from the trigger.

    Args:
        views: (4, F, T) normalised energy, NaN where it was not computed.
        path: Where the PNG goes; None writes none.
        title: Headline.
        subtitle: Smaller, below it.
        status: Why there is no picture, where there is none.

    Raises:
        StorageError: the disk refused the write.
    """
    figure = Figure(figsize=(13.0, 4.2), dpi=120, facecolor=page.PAPER)
    figure.text(0.06, 0.945, title, fontsize=13, fontweight="bold", color=page.INK, va="center")
    figure.text(0.06, 0.875, subtitle, fontsize=9, color=page.FAINT, va="center")
    grid = figure.add_gridspec(
        1,
        5,
        width_ratios=(1, 1, 1, 1, 0.05),
        wspace=0.09,
        left=0.06,
        right=0.94,
        top=0.8,
        bottom=0.15,
    )
    low, high = octaves()
    drawn = bool(Status(status).usable and np.isfinite(views).any())
    for number, (view, seconds) in enumerate(zip(views, VIEWS, strict=True)):
        axes = figure.add_subplot(grid[0, number])
        extent = (-seconds / 2, seconds / 2, low, high)
        if drawn:
            _draw_view(axes, np.asarray(view, dtype=float), extent)
        else:
            _draw_blank(axes, extent)
        axes.set(xlim=extent[:2], ylim=(low, high))
        axes.set_xticks(np.array([-0.4, -0.2, 0, 0.2, 0.4]) * seconds)
        axes.set_yticks(np.log2(_FREQUENCIES), [str(f) for f in _FREQUENCIES] if not number else [])
        axes.tick_params(labelsize=8, length=3, colors=page.INK, width=0.6)
        axes.spines[:].set_linewidth(0.6)
        if not number:
            axes.set_ylabel("Frequency (Hz)", fontsize=9, color=page.INK)
        axes.set_xlabel("Time from the trigger (s)", fontsize=9, color=page.INK)
        axes.set_title(f"{seconds:g} s", fontsize=9, color=page.INK, pad=4)
    bar = figure.colorbar(
        ScalarMappable(_COLOURS, "viridis"),
        cax=figure.add_subplot(grid[0, 4]),
        ticks=(0, 5, 10, 15, 20, ENERGY_CEILING),
    )
    bar.set_label("Normalised energy", fontsize=9, color=page.INK)
    bar.ax.tick_params(labelsize=8, length=3, colors=page.INK, width=0.6)
    bar.outline.set_linewidth(0.6)
    if not drawn:
        reason = "no picture is kept" if Status(status).usable else status.replace("_", " ")
        figure.text(0.5, 0.47, reason, fontsize=12, ha="center", va="center", color=page.INK)
    if path is not None:
        page.save(figure, path)
    return figure


@page.own_style
def reconstructions(
    originals: NDArray[Any], rebuilt: NDArray[Any], captions: Sequence[str], path: str | Path
) -> None:
    """Draw glitches beside their reconstructions by a model, and write them as PNG.

    Args:
        originals: Normalised energies (N, 4, F, T), NaN where not computed.
        rebuilt: Normalised energies (N, 4, F, T) decoded from the codes.
        captions: N lines of text.
        path: Where the PNG goes.

    Raises:
        InputError: the three differ in length, or there is nothing to draw.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, originals=len(originals), rebuilt=len(rebuilt), captions=len(captions))
    layout = _Layout(blocks=2 * len(originals), columns=2, view=1.3)
    figure = _page(layout, "Originals (left) and their reconstructions (right)")
    for row, text in enumerate(captions):
        for side, images in enumerate((originals, rebuilt)):
            axes = figure.add_axes(layout.place(2 * row + side))
            _draw_glitch(axes, images[row], Status.OK)
            _write_caption(axes, text if side == 0 else "reconstruction")
    page.save(figure, path)


@page.own_style
def glitch_traversals(
    pictures: NDArray[Any],
    names: Sequence[str],
    values: Sequence[float],
    path: str | Path,
    *,
    title: str = "",
) -> None:
    """Draw the four views of glitches along latent dimensions, and write them as PNG.

    A row is a dimension, a column the value that it is set to.

    Args:
        pictures: (rows, columns, 4, F, T) normalised energy.
        names: One for each row.
        values: One for each column, in standard deviations of the prior.
        path: Where the PNG goes.
        title: Headline.

    Raises:
        InputError: names or values do not fit the pictures.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, rows=len(pictures), names=len(names))
    page.check_lengths(path, columns=pictures.shape[1], values=len(values))
    layout = _Layout(
        blocks=pictures.shape[0] * pictures.shape[1],
        columns=len(values),
        view=0.62,
        left=0.12,
        margin=1.15,
        top=0.85,
        bottom=0.5,
        caption=0.0,
    )
    figure = _page(layout, title)
    last = len(pictures) - 1
    for (row, name), (column, value) in product(enumerate(names), enumerate(values)):
        axes = figure.add_axes(layout.place(row * len(values) + column))
        _draw_glitch(axes, pictures[row, column], Status.OK, labelled=False)
        if row == 0:
            axes.set_title(f"{value:+.1f} σ", fontsize=8, color=page.INK, pad=3)
        if column == 0:
            label = {"fontsize": 7.5, "color": page.INK, "rotation": 0}
            axes.set_ylabel(name, ha="right", va="center", labelpad=2, **label)
        else:
            axes.set_yticks([])
        if row == last:
            centres = [number * (1 + _GAP) + 0.5 for number in range(len(VIEWS))]
            axes.set_xticks(centres, [f"{seconds:g} s" for seconds in VIEWS])
    text = "each view is centred on the trigger and as long as told below it"
    _write_footer(figure, text)
    page.save(figure, path)


def _sheet_layout(glitches: int) -> _Layout:
    if glitches <= 3:
        return _Layout(blocks=glitches, columns=1, view=2.0)
    if glitches <= 16:
        return _Layout(blocks=glitches, columns=2, view=1.5)
    return _Layout(blocks=glitches, columns=3, view=1.3)


def _page(layout: _Layout, title: str) -> Figure:
    """An empty page with its headline and the scale of its colours."""
    width, height = layout.size
    figure = Figure(figsize=(width, height), dpi=120, facecolor=page.PAPER)
    figure.text(
        layout.left / width,
        1 - 0.33 / height,
        title,
        fontsize=13,
        fontweight="bold",
        color=page.INK,
        va="center",
    )
    bar = figure.add_axes((1 - 1.95 / width, 1 - 0.3 / height, 1.75 / width, 0.09 / height))
    figure.colorbar(
        ScalarMappable(_COLOURS, "viridis"),
        cax=bar,
        orientation="horizontal",
        ticks=(0, 10, 20, ENERGY_CEILING),
    )
    bar.set_xticklabels(["0", "10", "20", f"{ENERGY_CEILING:g}"])
    bar.tick_params(labelsize=6, length=2, pad=1, colors=page.FAINT)
    bar.set_title("normalised energy", fontsize=6.5, color=page.FAINT, pad=2)
    bar.spines[:].set_visible(False)
    return figure


def _draw_glitch(axes: Axes, views: NDArray[Any], status: str, *, labelled: bool = True) -> None:
    """Four views side by side: x counts widths of a view, y is log2 of frequency."""
    low, high = octaves()
    step = 1 + _GAP
    for number, (view, seconds) in enumerate(zip(views, VIEWS, strict=True)):
        extent = (number * step, number * step + 1, low, high)
        if Status(status).usable:
            text = f"{seconds:g} s" if labelled else ""
            _draw_view(axes, np.asarray(view, dtype=float), extent, text)
        else:
            _draw_blank(axes, extent)
    if not Status(status).usable:
        axes.text(
            (len(VIEWS) * step - _GAP) / 2,
            (low + high) / 2,
            status.replace("_", " "),
            ha="center",
            va="center",
            fontsize=10,
            color=page.INK,
            bbox={"facecolor": page.GREY, "edgecolor": "none", "pad": 4},
        )
    _style_axes(axes, (0, len(VIEWS) * step - _GAP), (low, high))


def _draw_view(
    axes: Axes, view: NDArray[Any], extent: tuple[float, float, float, float], label: str = ""
) -> None:
    left, right, low, high = extent
    axes.imshow(
        np.ma.masked_invalid(view),
        extent=extent,
        origin="lower",
        aspect="auto",
        cmap="viridis",
        norm=_COLOURS,
    )
    computed = np.flatnonzero(np.isfinite(view).any(axis=1))
    above = len(view) - 1 - computed[-1] if computed.size else len(view)  # rows without energy
    if above:
        height = (high - low) * above / len(view)
        _draw_blank(axes, (left, right, high - height, high), hatch="//////")
    axes.text(
        right - 0.03,
        low + 0.18,
        label,
        color="white",
        fontsize=6,
        ha="right",
        va="bottom",
        alpha=0.9,
    )


def _draw_blank(
    axes: Axes, extent: tuple[float, float, float, float], hatch: str | None = None
) -> None:
    left, right, low, high = extent
    axes.add_patch(
        Rectangle(
            (left, low),
            right - left,
            high - low,
            facecolor=page.GREY,
            edgecolor="#c2c2c8",
            hatch=hatch,
            linewidth=0,
        )
    )


def _style_axes(axes: Axes, across: tuple[float, float], up: tuple[float, float]) -> None:
    axes.set_xlim(across)
    axes.set_ylim(up)
    axes.set_xticks([])
    axes.set_yticks(np.log2(_FREQUENCIES), [f"{f} Hz" for f in _FREQUENCIES])
    axes.tick_params(labelsize=6, length=2, pad=1.5, colors=page.FAINT, width=0.5)
    axes.spines[:].set_visible(False)


def _write_caption(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=7.5, color=page.INK, pad=3)


def _write_footer(figure: Figure, text: str) -> None:
    figure.text(0.5, 0.12 / figure.get_figheight(), text, ha="center", fontsize=8, color=page.FAINT)
