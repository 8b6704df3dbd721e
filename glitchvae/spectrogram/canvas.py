"""Gravity Spy's picture of one view, computed without matplotlib.

The official picture is 800x600 with its axes at [0.125, 0.1, 0.775, 0.8]; the colour
bar beside them takes 5 % and its gap 3 % of what remains of their width. Each pixel
shows the nearest bin of gwpy's spectrogram (0.002 s by 0.5 Hz). The classifier keeps
rows 66:532 and columns 105:671, turns them grey and reduces them by 0.3 with linear
interpolation and no smoothing: two rows and two columns of the picture make one pixel
of the result. Only the bins under those rows and columns are computed here.

Source: GravitySpy's plot.py and read_image.py, gwpy's q_transform and pcolormesh,
skimage's rescale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.qtransform import Grid
from glitchvae.shapes import AXIS_FREQUENCIES, IMAGE_SHAPE
from glitchvae.spectrogram.pixels import draw, energy_to_pixel, pixel_to_energy

PICTURE = (600, 800)
"""Rows and columns of the official picture."""

CROP = (slice(66, 532), slice(105, 671))
"""Rows and columns of the picture that the classifier uses."""

_LEFT, _TOP = 0.125 * PICTURE[1], 0.1 * PICTURE[0]
_WIDTH, _HEIGHT = 0.775 * PICTURE[1] / 1.08, 0.8 * PICTURE[0]

_FREQUENCY_BIN = 0.5
# gwpy counts GPS times up in float64, where 0.002 s is a multiple of 2**-22 s: bins are
# 2.00009 ms long for any time since 2014, and the last of a 4 s view is 0.2 ms late.
_TIME_BIN = (2.0**30 + 0.002) - 2.0**30


@dataclass(frozen=True)
class Canvas:
    """Sampling points of a view, and the weights with which samples make up its image.

    Attributes:
        grid: The bins needed: seconds from the trigger (nt,), Hz (nf,).
        rows: (F, nf) weights, frequency ascending.
        columns: (nt, T) weights.
    """

    grid: Grid
    rows: NDArray[np.float32]
    columns: NDArray[np.float32]

    def image(self, energy: Tensor, *, smooth: bool = False) -> Tensor:
        """Convert energies to the image that Gravity Spy would have.

        Args:
            energy: (B, nf, nt) normalised energy on `grid`; NaN in whole rows.
            smooth: With a colour for every energy instead of 256: half a colour away from
                the picture, and differentiable where the scale does not saturate.

        Returns:
            (B, F, T) normalised energy in 0..25.5; NaN where a row needs a NaN row.
        """
        rows = torch.as_tensor(self.rows, device=energy.device)
        columns = torch.as_tensor(self.columns, device=energy.device)
        grey = energy_to_pixel(energy.nan_to_num(0.0)) if smooth else draw(energy)
        image = pixel_to_energy(rows @ grey @ columns)
        void = energy.isnan().any(dim=-1).to(rows.dtype)
        return image.masked_fill((void @ rows.T > 0)[..., None], torch.nan)


@lru_cache(maxsize=16)
def view_canvas(duration: float) -> Canvas:
    """Sampling points and weights of a view of `duration` seconds centred on the trigger."""
    time_bins, columns = _collapse(_time_bins(duration), IMAGE_SHAPE[1])
    frequency_bins, rows = _collapse(_frequency_bins(), IMAGE_SHAPE[0])
    return Canvas(
        grid=Grid(
            times=time_bins.astype(np.float64) * _TIME_BIN - duration / 2,
            frequencies=frequency_bins.astype(np.float64) * _FREQUENCY_BIN + AXIS_FREQUENCIES[0],
        ),
        rows=rows[::-1].copy(),
        columns=columns.T.copy(),
    )


def reduce_picture(luminance: NDArray[np.floating]) -> NDArray[np.float32]:
    """Convert a picture to the input of the classifier: crop, then reduce by 0.3.

    Args:
        luminance: (..., 600, 800) grey values, or the part of them that `CROP` keeps.

    Returns:
        (..., 140, 170) grey values, row 0 the highest frequency.
    """
    rows, columns = (side.stop - side.start for side in CROP)
    if luminance.shape[-2:] != (rows, columns):
        luminance = luminance[(..., *CROP)]
    down, across = _weights(rows, IMAGE_SHAPE[0]), _weights(columns, IMAGE_SHAPE[1])
    return (down @ luminance @ across.T).astype(np.float32)


@lru_cache(maxsize=32)
def zoom_weights(source: float, target: float, width: int) -> NDArray[np.float32]:
    """Weights with which columns of a longer view make up the columns of a shorter one.

    Gravity Spy draws all views of an event with one Q and one colour scale, so that the
    shorter are the middle of the longer, sharper drawn.

    Args:
        source: Duration of the longer view (s).
        target: Duration of the shorter view (s).
        width: Columns of either.

    Returns:
        (width, width) weights of linear interpolation: ``target = source_view @ weights``.
    """
    span = CROP[1].stop - CROP[1].start
    places = (np.arange(width) + 0.5) / width * span + CROP[1].start
    times = ((places - _LEFT) / _WIDTH - 0.5) * target
    there = ((times / source + 0.5) * _WIDTH + _LEFT - CROP[1].start) / span * width - 0.5
    distance = np.abs(np.arange(width)[:, None] - there)
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


def row_frequencies() -> NDArray[np.float64]:
    """(F,) frequency at the centre of each row of an image (Hz), ascending."""
    centres = CROP[0].start + _centres(CROP[0].stop - CROP[0].start, IMAGE_SHAPE[0])
    return _frequency(centres)[::-1].copy()


def octaves() -> tuple[float, float]:
    """Lower and upper edge of an image in log2 of Hz, half a row outside the outer centres."""
    centres = np.log2(row_frequencies())
    half = (centres[-1] - centres[0]) / (len(centres) - 1) / 2
    return float(centres[0] - half), float(centres[-1] + half)


def _frequency(row: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = AXIS_FREQUENCIES
    return low * (high / low) ** (1 - (row + 0.5 - _TOP) / _HEIGHT)


def _time(column: NDArray[np.float64], duration: float) -> NDArray[np.float64]:
    return (column + 0.5 - _LEFT) / _WIDTH * duration


def _frequency_bins() -> NDArray[np.intp]:
    frequencies = _frequency(np.arange(PICTURE[0])[CROP[0]].astype(float))
    return np.floor((frequencies - AXIS_FREQUENCIES[0]) / _FREQUENCY_BIN).astype(np.intp)


def _time_bins(duration: float) -> NDArray[np.intp]:
    times = _time(np.arange(PICTURE[1])[CROP[1]].astype(float), duration)
    return np.floor(times / _TIME_BIN).astype(np.intp)


def _centres(size: int, reduced: int) -> NDArray[np.float64]:
    return (np.arange(reduced) + 0.5) * size / reduced - 0.5


def _weights(size: int, reduced: int) -> NDArray[np.float64]:
    """(reduced, size) weights of linear interpolation at the centres of larger pixels."""
    distance = np.abs(_centres(size, reduced)[:, None] - np.arange(size))
    return np.maximum(0.0, 1.0 - distance)


def _collapse(bins: NDArray[np.intp], size: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The bins with weights above zero, and their (size, bins) weights in the reduced image."""
    weights = _weights(len(bins), size)
    used = weights.any(axis=0)
    kept, place = np.unique(bins[used], return_inverse=True)
    owner = place[:, None] == np.arange(len(kept))
    return kept, (weights[:, used] @ owner).astype(np.float32)
