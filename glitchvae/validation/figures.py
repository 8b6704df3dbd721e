"""Pictures of the validation: losses against strengths, KL over training, traversals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glitchvae.models import Model, scale_to_unit
from glitchvae.store import replacing

_COLOURS = (
    "#1b6ca8", "#c8553d", "#5b8c5a", "#8a5a9e", "#d39b2a", "#4a4a52", "#2a9d8f", "#b5446e",
    "#7a7a2a", "#3d5a80",
)  # fmt: skip
_REACH = 2.0  # standard deviations to each side of the prior's mean
_STEPS = 9
_SIDE, _MARGIN = 0.62, 1.15  # of a picture and of the captions, in inches

_own_style = style.context("default")


@_own_style
def losses(
    values: Mapping[str, Mapping[float, Sequence[float]]], ylabel: str, path: str | Path
) -> None:
    """One panel an objective: a number of each model against the objective's strength.

    Args:
        values: By objective and strength, one number a seed.
        ylabel: What the numbers are.
        path: Where the PNG goes.
    """
    figure = Figure(figsize=(2.2 * len(values) + 0.6, 2.6), layout="constrained")
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    for axes, (objective, by_strength) in zip(panels, values.items(), strict=True):
        strengths = range(len(by_strength))
        for place, numbers in zip(strengths, by_strength.values(), strict=True):
            axes.plot([place] * len(numbers), numbers, "o", color=_COLOURS[0], ms=3, alpha=0.6)
        axes.plot(strengths, [np.median(v) for v in by_strength.values()], "-", color=_COLOURS[1])
        axes.set_xticks(strengths, [f"{strength:g}" for strength in by_strength])
        axes.set_title(objective, fontsize=9)
        _plain(axes)
    panels[0].set_ylabel(ylabel)
    _save(figure, path)


@_own_style
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
    figure = Figure(figsize=(3.3 * columns, 1.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for axes, (name, (steps, kl)) in zip(panels, curves.items(), strict=False):
        for d, line in enumerate(kl.T):
            axes.plot(steps, line, color=_COLOURS[d % len(_COLOURS)], lw=1)
        axes.set_title(name, fontsize=9)
        _plain(axes)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    figure.supxlabel("updates", fontsize=9)
    figure.supylabel("KL of a dimension (nats)", fontsize=9)
    _save(figure, path)


@_own_style
def traversals(
    model: Model[Any], x: NDArray[np.float32], captions: Mapping[int, str], path: str | Path
) -> None:
    """What the decoder makes of one code while one dimension after the other moves.

    Rows are dimensions, from two prior standard deviations below to two above the mean.

    Args:
        model: In evaluation mode, on the CPU, with one latent layer or more.
        x: (1, C, H, W) the image whose code is changed, in [0, 1].
        captions: The dimensions that are shown, in their order, each with a text.
        path: Where the PNG goes.
    """
    pictures = traverse(model, x)
    height = _SIDE * len(captions)
    figure = Figure(figsize=(_MARGIN + _SIDE * _STEPS, height))
    grid = figure.subplots(len(captions), _STEPS, squeeze=False)
    for row, (dimension, caption) in zip(grid, captions.items(), strict=True):
        row[0].set_ylabel(caption, rotation=0, ha="right", va="center", fontsize=8)
        for axes, image in zip(row, pictures[dimension], strict=True):
            axes.imshow(image.transpose(1, 2, 0).squeeze(), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
    left, edge = _MARGIN / (_MARGIN + _SIDE * _STEPS), 0.03 * _SIDE / height
    figure.subplots_adjust(left, edge, 0.995, 1 - edge, wspace=0.05, hspace=0.05)
    _save(figure, path)


def traverse(model: Model[Any], x: NDArray[np.float32]) -> NDArray[np.float32]:
    """(D, steps, C, H, W) means of the decoder, one dimension of the code of `x` moved."""
    with torch.inference_mode():
        code = model.encode(torch.from_numpy(x)).mean[0]
        places = torch.linspace(-_REACH, _REACH, _STEPS)
        z = code.repeat(len(code), _STEPS, 1)
        for d in range(len(code)):
            z[d, :, d] = places
        mean = model.decode(z.flatten(0, 1)).mean
        return scale_to_unit(mean, model.likelihood).unflatten(0, (len(code), _STEPS)).numpy()


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _save(figure: Figure, path: str | Path) -> None:
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=110)
