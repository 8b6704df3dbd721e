"""What each latent dimension draws: decoded pictures along its axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from glitchvae.errors import InputError
from glitchvae.plots import page
from glitchvae.shapes import ENERGY_CEILING, VIEWS

_CELL = 0.62  # inches


@torch.inference_mode()
def traverse(
    decode: Callable[[Tensor], Distribution],
    origin: NDArray[np.floating],
    dimensions: Sequence[int],
    values: Sequence[float],
) -> NDArray[np.float32]:
    """Decoded means with one latent variable at a time set to each of some values.

    Args:
        decode: Latents (B, Z) to the distribution of pictures (B, C, H, W).
        origin: (Z,) the code to start from; zeros are the mean of the prior.
        dimensions: Which variables to change.
        values: What to set them to, in units of the prior's standard deviation.

    Returns:
        Pictures (dimensions, values, C, H, W).

    Raises:
        InputError: a dimension is not there.
    """
    wrong = [d for d in dimensions if not 0 <= d < len(origin)]
    if wrong:
        raise InputError(
            "no such latent dimension", expected=f"0 to {len(origin) - 1}", found=wrong
        )
    codes = np.tile(np.asarray(origin, np.float32), (len(dimensions), len(values), 1))
    for row, dimension in enumerate(dimensions):
        codes[row, :, dimension] = values
    pictures = decode(torch.from_numpy(codes.reshape(-1, len(origin)))).mean
    return pictures.numpy().reshape(len(dimensions), len(values), *pictures.shape[1:])


@page.own_style
def traversals(
    pictures: NDArray[Any],
    names: Sequence[str],
    values: Sequence[float],
    path: str | Path,
    *,
    title: str = "",
) -> None:
    """Draw traversals, a row for each latent dimension, and write them as PNG.

    Args:
        pictures: (rows, values, C, H, W): four views of a glitch as energy, of which the
            second (1 s) is shown, or one (grey) or three (RGB) channels in [0, 1].
        names: One for each row.
        values: One for each column.
        path: Where the PNG goes.
        title: Headline.

    Raises:
        InputError: names or values do not fit the pictures.
        StorageError: the disk refused the write.
    """
    page.check_lengths(path, rows=len(pictures), names=len(names))
    page.check_lengths(path, columns=pictures.shape[1], values=len(values))
    rows, columns = pictures.shape[:2]
    width, height = 0.9 + columns * _CELL, 0.75 + rows * _CELL
    figure = Figure(figsize=(width, height), dpi=120, facecolor=page.PAPER)
    figure.text(0.1 / width, 1 - 0.22 / height, title, fontsize=9, color=page.INK, va="center")
    size = 0.95 * _CELL
    for row, column in np.ndindex(rows, columns):
        x, y = 0.85 + column * _CELL, height - 0.6 - (row + 1) * _CELL
        axes = figure.add_axes((x / width, y / height, size / width, size / height))
        _draw_picture(axes, np.asarray(pictures[row, column], dtype=float))
        if row == 0:
            axes.set_title(f"{values[column]:+.1f}", fontsize=6.5, color=page.FAINT, pad=2)
        if column == 0:
            axes.set_ylabel(
                names[row], fontsize=6.5, color=page.INK, rotation=0, ha="right", va="center"
            )
    page.save(figure, path)


def _draw_picture(axes: Axes, picture: NDArray[np.float64]) -> None:
    """Energies as viridis with frequency upwards; pictures as they are."""
    if len(picture) == len(VIEWS):
        axes.imshow(picture[1], origin="lower", aspect="auto", vmin=0, vmax=ENERGY_CEILING)
    elif len(picture) == 1:
        axes.imshow(picture[0], cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(np.moveaxis(picture, 0, -1).clip(0, 1))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
