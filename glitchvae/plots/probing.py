"""Scores of probes: how well probabilities are kept, and objectives side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from glitchvae.plots import page

if TYPE_CHECKING:
    from glitchvae.probes import Calibration

_COLOURS = ("#1b1b1f", "#d1495b", "#2e86ab", "#6a994e", "#b08968")


@page.own_style
def reliability_diagram(
    calibrations: Mapping[str, Calibration], path: str | Path, *, title: str = ""
) -> None:
    """Draw how often stated probabilities come true, and write it as PNG.

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
        xlim=(0, 1), ylim=(0, 1), xlabel="stated probability", ylabel="share that is right",
        title=title,
    )  # fmt: skip
    axes.legend(title="expected calibration error", fontsize=7, title_fontsize=7, frameon=False)
    figure.tight_layout()
    page.save(figure, path)


@page.own_style
def score_bars(
    scores: Mapping[str, Mapping[str, tuple[float, float, float]]], path: str | Path, *,
    published: Mapping[str, float] | None = None, label: str = "accuracy",
) -> None:  # fmt: skip
    """Draw one group of bars per method, one bar per split, with intervals, as PNG.

    Args:
        scores: Value, lower and upper end of the interval, by method and by split.
        path: Where the PNG goes.
        published: Values of others by method, drawn as diamonds.
        label: What the values are.

    Raises:
        InputError: there is nothing to draw.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, scores=len(scores))
    splits = list(dict.fromkeys(split for values in scores.values() for split in values))
    figure = Figure(figsize=(1.6 + 0.9 * len(scores), 4), dpi=100)
    axes = figure.subplots()
    width = 0.8 / len(splits)
    for number, split in enumerate(splits):
        places = [k + (number - (len(splits) - 1) / 2) * width for k in range(len(scores))]
        values, low, high = zip(
            *(group.get(split, (float("nan"),) * 3) for group in scores.values()), strict=True
        )
        below = [v - a for v, a in zip(values, low, strict=True)]
        above = [b - v for v, b in zip(values, high, strict=True)]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.bar(
            places, values, width, yerr=(below, above), color=colour, alpha=0.75, label=split,
            error_kw={"lw": 1}, capsize=2,
        )  # fmt: skip
    for place, name in enumerate(scores):
        if published is not None and name in published:
            axes.plot(place, published[name], "D", color=page.INK)
    axes.set_xticks(range(len(scores)), list(scores), rotation=30, ha="right", fontsize=8)
    axes.set(ylim=(0, 1), ylabel=label)
    axes.legend(fontsize=7, frameon=False, loc="upper left", ncols=len(splits) + 1)
    figure.tight_layout()
    page.save(figure, path)
