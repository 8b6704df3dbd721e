"""Planes, rows and tiles of the Q-transform in time, frequency and Q.

The tiling is gwpy's own (`gwpy.signal.qtransform.QTiling`); it is read out once per
duration, rate and range, and kept.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError

_LOWEST_Q = math.sqrt(11)  # below it the window of a row reaches negative frequencies
_FEWEST_POINTS = 4  # what a cubic spline needs, per row in time and per plane in frequency


@dataclass(frozen=True, kw_only=True, eq=False)
class Plane:
    """All frequency rows of one Q.

    Attributes:
        q: Quality factor.
        duration: Length of the data (s).
        frequencies: Centre of each row (R,), ascending (Hz).
        tiles: Number of tiles of each row (R,), powers of two.
        starts: First bin of the data's spectrum that each row's window covers (R,).
        windows: Bi-square window of each row, over consecutive bins.
    """

    q: float
    duration: float
    frequencies: NDArray[np.float64]
    tiles: NDArray[np.int64]
    starts: NDArray[np.int64]
    windows: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """A multi-Q tiling of blocks of one duration and rate.

    Attributes:
        duration: Length of a block (s).
        sample_rate: Hz.
        qrange: Lowest and highest Q.
        frange: Lowest and highest frequency asked for (Hz); see `band` for what is there.
        mismatch: Largest loss of energy between neighbouring tiles.
    """

    duration: float
    sample_rate: float
    qrange: tuple[float, float] = (4.0, 64.0)
    frange: tuple[float, float] = (10.0, 2048.0)
    mismatch: float = 0.2

    @property
    def planes(self) -> tuple[Plane, ...]:
        """One plane per Q, in ascending order, cached for equal tilings."""
        return _planes(self)

    @property
    def band(self) -> tuple[float, float]:
        """The part of `frange` (Hz) below the limit of the sample rate."""
        return usable_band(
            self.sample_rate, qrange=self.qrange, frange=self.frange, mismatch=self.mismatch
        )

    @property
    def samples(self) -> int:
        """Number of samples of one block."""
        return round(self.duration * self.sample_rate)


@lru_cache(maxsize=64)
def usable_band(
    sample_rate: float,
    *,
    qrange: tuple[float, float] = (4.0, 64.0),
    frange: tuple[float, float] = (10.0, 2048.0),
    mismatch: float = 0.2,
) -> tuple[float, float]:
    """The part of `frange` that the tiles of all planes cover at a sample rate.

    The tiles of the lowest Q are the widest in frequency and must end below the Nyquist
    frequency: 1291 Hz at 4096 Hz, for Q from 4.

    Raises:
        InputError: the Q range is unusable, or nothing of `frange` is left.
    """
    if not _LOWEST_Q < qrange[0] <= qrange[1]:
        raise InputError(
            "unusable Q range", expected=f"{_LOWEST_Q:.3g} < low <= high", found=qrange
        )
    if frange[0] <= 0:
        raise InputError("unusable frequency range", expected="a low end above 0 Hz", found=frange)
    lowest_q = _lowest_q(qrange, mismatch)
    highest = min(frange[1], sample_rate / 2 / (1 + math.sqrt(11) / lowest_q))
    if highest <= frange[0]:
        raise InputError(
            f"data at {sample_rate:g} Hz reach {highest:.0f} Hz, below the band",
            expected=f"a band that starts below that, found {frange[0]:g} Hz",
            remedy="Use strain of a higher sample rate.",
        )
    return frange[0], highest


def _lowest_q(qrange: tuple[float, float], mismatch: float) -> float:
    """Q of the first plane: those of `QTiling` lie evenly in log Q, half a step off both ends.

    Asking gwpy would import it, for which whoever asks for the band alone would wait a second.
    """
    length = math.log(qrange[1] / qrange[0]) / 2**0.5
    planes = max(math.ceil(length / (2 * (mismatch / 3) ** 0.5)), 1)
    return qrange[0] * math.exp(2**0.5 * (length / planes) * 0.5)


@lru_cache(maxsize=8)
def _planes(tiling: Tiling) -> tuple[Plane, ...]:
    source = _gwpy_tiling(
        tiling.duration, tiling.sample_rate, tiling.qrange, tiling.band, tiling.mismatch
    )
    planes = tuple(_read_plane(plane) for plane in source)
    fewest = min(min(len(p.tiles), int(p.tiles.min())) for p in planes)
    if fewest < _FEWEST_POINTS:
        raise InputError(
            "the band or the block is too short for a Q-transform",
            where=f"{tiling.duration:g} s at {tiling.band[0]:g}-{tiling.band[1]:g} Hz",
            expected=f"{_FEWEST_POINTS} tiles per row and rows per plane",
            found=fewest,
        )
    return planes


def _read_plane(plane) -> Plane:
    rows = list(plane)
    return Plane(
        q=plane.q,
        duration=plane.duration,
        frequencies=np.array([row.frequency for row in rows]),
        tiles=np.array([row.ntiles for row in rows]),
        starts=np.array([row.get_data_indices()[0] for row in rows]),
        windows=tuple(row.get_window().astype(np.float32) for row in rows),
    )


def _gwpy_tiling(duration, sample_rate, qrange, frange, mismatch):
    from gwpy.signal.qtransform import QTiling  # imported here because it takes a second

    with warnings.catch_warnings():  # the capped band is kept with the data instead
        warnings.simplefilter("ignore", UserWarning)
        return QTiling(duration, sample_rate, qrange=qrange, frange=frange, mismatch=mismatch)
