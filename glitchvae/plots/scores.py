"""Plots of distributions and confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glitchvae.plots import page

if TYPE_CHECKING:
    from glitchvae.probes import Scores


@page.own_style
def marginals(
    pairs: Mapping[tuple[str, str], tuple[NDArray[Any], NDArray[Any]]], path: str | Path
) -> None:
    """Draw cumulative distributions of real and simulated events, and write them as PNG.

    Args:
        pairs: By class (rows of the page) and measure (columns): positive values of real and
            of simulated events; values that are not finite are left out.
        path: Where the PNG goes.

    Raises:
        InputError: there is nothing to draw.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, pairs=len(pairs))
    rows, columns = (list(dict.fromkeys(key[i] for key in pairs)) for i in (0, 1))
    figure = Figure(figsize=(2.0 * len(columns) + 1.4, 0.62 * len(rows) + 0.8), dpi=80)
    panels = figure.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey=True)
    for (row, column), values in pairs.items():
        axes = panels[rows.index(row), columns.index(column)]
        for sample, colour, name in zip(
            values, ("#1b1b1f", "#d1495b"), ("real", "simulated"), strict=True
        ):
            axes.ecdf(sample[np.isfinite(sample)], color=colour, lw=1.2, label=name)
        axes.set(xscale="log", yticks=[])
    for axes, row in zip(panels[:, 0], rows, strict=True):
        axes.set_ylabel(row, rotation=0, ha="right", va="center", fontsize=7)
    for axes, column in zip(panels[0], columns, strict=True):
        axes.set_title(column.replace("_", " "), fontsize=8)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="upper left", fontsize=7)
    figure.subplots_adjust(left=0.17, right=0.98, hspace=0.1, wspace=0.05, bottom=0.03, top=0.95)
    page.save(figure, path)


@page.own_style
def confusion_matrix(scores: Scores, path: str | Path, *, title: str = "") -> None:
    """Draw a confusion matrix, as shares of the true class, as PNG.

    Raises:
        StorageError: the disk refused the write.
    """
    true = np.flatnonzero(scores.confusion.sum(axis=1))
    counts = scores.confusion[true]
    figure = Figure(figsize=(8, 7), dpi=80)
    axes = figure.subplots()
    axes.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        share = counts[row, column] / counts[row].sum()
        colour = page.PAPER if share > 0.5 else page.INK
        text = str(counts[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    axes.set_xticks(range(len(scores.names)), scores.names, rotation=90, fontsize=6)
    axes.set_yticks(range(len(true)), [scores.names[i] for i in true], fontsize=6)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    figure.tight_layout()
    page.save(figure, path)
