"""Gravity Spy's pixels: the luminance of viridis, and its inversion to energy.

An official classifier input is a picture drawn with matplotlib's viridis, turned grey
with the weights of Rec. 709. That grey is a strictly rising function of the normalised
energy, so it can be inverted: official files and own images share one domain.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.shapes import ENERGY_CEILING

LUMINANCE_WEIGHTS = (0.2125, 0.7154, 0.0721)
"""Red, green and blue in the grey of `skimage.color.rgb2gray`."""

Values = TypeVar("Values", NDArray[np.floating], Tensor)


@lru_cache(maxsize=1)
def colour_luminances() -> NDArray[np.float64]:
    """(256,) luminance of each colour of matplotlib's viridis, strictly rising."""
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.arange(256))[:, :3]
    return colours @ np.array(LUMINANCE_WEIGHTS)


@lru_cache(maxsize=1)
def colour_energies() -> NDArray[np.float64]:
    """(256,) energy of each colour.

    A colour is drawn for a range of energies; its centre is the unbiased answer. The
    first and last stand for the ends of the scale, which they also draw when clipped.
    """
    energies = (np.arange(256) + 0.5) * ENERGY_CEILING / 256
    energies[[0, -1]] = 0.0, ENERGY_CEILING
    return energies


def energy_to_pixel(energy: Values) -> Values:
    """Grey value in about [0.084, 0.870] of normalised energy, element by element.

    Continuous between the colours, so that `pixel_to_energy` inverts it. The order of
    the axes is kept: an official picture has its highest frequency in row 0.

    Args:
        energy: Any shape, array or tensor; clipped to 0..25.5, NaN stays NaN.

    Returns:
        float32 of the same shape and kind.
    """
    return _interpolate(energy, colour_energies(), colour_luminances())


def pixel_to_energy(pixel: Values) -> Values:
    """Normalised energy in 0..25.5 of a grey value, the inverse of `energy_to_pixel`.

    Args:
        pixel: Any shape, array or tensor; clipped to the range of viridis, NaN stays NaN.

    Returns:
        float32 of the same shape and kind.
    """
    return _interpolate(pixel, colour_luminances(), colour_energies())


def draw(energy: Tensor) -> Tensor:
    """Grey value of the colour at an energy, with the 256 steps of the picture.

    matplotlib cuts the scale into 256 colours, so unlike `energy_to_pixel` this is a
    staircase. NaN is drawn as zero energy.
    """
    level = (energy * (256 / ENERGY_CEILING)).nan_to_num_(0.0).clamp_(0, 255).to(torch.int32)
    colours = torch.as_tensor(colour_luminances(), dtype=torch.float32, device=energy.device)
    return colours[level]


def _interpolate(values: Values, nodes: NDArray[np.float64], images: NDArray[np.float64]) -> Values:
    if isinstance(values, Tensor):
        return _interpolate_tensor(values, nodes, images)
    return np.interp(values, nodes, images).astype(np.float32)


def _interpolate_tensor(
    values: Tensor, nodes: NDArray[np.float64], images: NDArray[np.float64]
) -> Tensor:
    x = torch.as_tensor(nodes, dtype=torch.float32, device=values.device)
    y = torch.as_tensor(images, dtype=torch.float32, device=values.device)
    slopes = y.diff() / x.diff()
    clipped = values.to(torch.float32).clamp(x[0], x[-1])
    left = torch.searchsorted(x, clipped.contiguous(), out_int32=True).clamp_(1, len(x) - 1) - 1
    return y[left] + slopes[left] * (clipped - x[left])
