"""Plots of probe scores: reliability of probabilities, and comparison of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from glitchvae.plots import page

if TYPE_CHECKING:
    from glitchvae.probes import Calibration, RankedMethod

_COLOURS = ("#1b1b1f", "#d1495b", "#2e86ab", "#6a994e", "#b08968")


@page.own_style
def reliability_diagram(
    calibrations: Mapping[str, Calibration], path: str | Path, *, title: str = ""
) -> None:
    """Draw observed versus stated probability, and write it as PNG.

    Below the diagonal a classifier promises too much. A dot's area grows with the events
    of its bin; the legend gives the expected calibration error.

    Args:
        calibrations: By the name of the classifier.
        path: Where the PNG goes.
        title: Headline.

    Raises:
        InputError: there is nothing to draw.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, calibrations=len(calibrations))
    figure = Figure(figsize=(5.2, 5), dpi=100)
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color=page.GREY, lw=1)
    for number, (name, found) in enumerate(calibrations.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        sizes = 4 + 150 * found.count / found.count.sum()
        label = f"{name} ({found.error:.3f})"
        axes.plot(found.confidence, found.accuracy, color=colour, lw=1, label=label)
        axes.scatter(found.confidence, found.accuracy, sizes, color=colour, alpha=0.6, lw=0)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="stated probability",
        ylabel="share that is right",
        title=title,
    )
    axes.legend(title="expected calibration error", fontsize=7, title_fontsize=7, frameon=False)
    figure.tight_layout()
    page.save(figure, path)


@page.own_style
def ranking_bars(lines: Sequence[RankedMethod], path: str | Path) -> None:
    """Draw the accuracy of methods with intervals, and dots for seeds, as PNG.

    Diamonds are what others published; hatched bars are of trainings that fell short.

    Raises:
        InputError: there is nothing to draw.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, lines=len(lines))
    figure = Figure(figsize=(1.6 + 0.8 * len(lines), 4), dpi=100)
    axes = figure.subplots()
    for place, line in enumerate(lines):
        low, high = line.interval
        hatch = "//" if line.shortfalls else None
        axes.bar(place, line.accuracy, 0.7, color=_COLOURS[2], alpha=0.6, hatch=hatch)
        axes.plot((place, place), (low, high), color=page.INK, lw=1.2)
        axes.plot([place] * len(line.seeds), line.seeds, ".", color=page.INK, ms=4)
        if line.published is not None:
            axes.plot(place, line.published, "D", color=_COLOURS[1], ms=6)
    axes.set_xticks(range(len(lines)), [x.name for x in lines], rotation=30, ha="right", fontsize=8)
    axes.set(ylim=(0, 1), ylabel="accuracy of a linear probe")
    key = "dots: seeds; diamonds: published" + (
        "; hatched: a training fell short" if any(line.shortfalls for line in lines) else ""
    )
    axes.set_title(key, fontsize=8, color=page.FAINT)
    figure.tight_layout()
    page.save(figure, path)
