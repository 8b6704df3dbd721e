"""Data quality of strain: dead stretches, noise steps, clipping, bursts of triggers.

Thresholds were chosen on real strain; `docs/results/search.md` has the figures.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from glitchvae.strain.masks import runs
from glitchvae.strain.series import Strain

CONSTANT = 1 / 16
"""Shortest duration (s) of a constant or zero value that counts as missing strain."""

NOTHING = 5e-24
"""Strain below the noise of any detector: the quietest 10 Hz of O4 have an RMS of 1e-23."""

IMPLAUSIBLE = 1e-12
"""Strain above the range of any detector: mirrors would move by nanometres."""

STEP = 1.5
"""Ratio of noise amplitudes that is a noise step; ordinary strain stays below 1.1 in a minute."""

SIDE = 4.0
"""Least duration (s) of a level on both sides of a noise step; glitches are shorter."""

PINNED = 5
"""Number of consecutive samples at an extreme value that indicates clipping."""

OFTEN = 20
"""Number of samples at the extreme value of a block that indicates clipping."""

BURST = 6
"""Implausible number of triggers a second; Fast_Scattering, the densest class, has four."""

_WINDOW = 0.5  # seconds over which a level is taken
_BAND = (40.0, 1000.0)  # Hz: below, arches of scattered light last for many seconds
_USABLE = 0.4  # of the sample rate: above, filters of resampled strain leave nothing


def without_dead(strain: Strain) -> Strain:
    """Replace dead stretches by NaN: a detector or a channel was off.

    Dead is what stays the same, or below `NOTHING`, for more than `CONSTANT`. Files say of
    such strain that it is good: filters leave 1e-25 where they were given zeros.
    """
    values = strain.values
    longest = CONSTANT * strain.sample_rate
    with np.errstate(invalid="ignore"):
        same = np.diff(values, prepend=np.nan) == 0
        faint = np.abs(values) < NOTHING
    dead = [(int(a) - 1, int(b)) for a, b in _long(same, longest)]
    dead += [(int(a), int(b)) for a, b in _long(faint, longest)]
    if not dead:
        return strain
    values = values.copy()
    for first, last in dead:
        values[max(first, 0) : last] = np.nan
    return dataclasses.replace(strain, values=values)


def is_implausible(strain: Strain) -> bool:
    """Whether samples are too large for strain: in another unit, or whitened."""
    finite = strain.values[np.isfinite(strain.values)]
    return bool(len(finite)) and float(np.median(np.abs(finite))) > IMPLAUSIBLE


def noise_leap(strain: Strain) -> float:
    """Largest lasting change of the noise amplitude within a block, as a ratio >= 1.

    The level of each half second is the median over frequency of its amplitude over the
    block's median at that frequency, so that lines and glitches of a narrow band leave it
    alone. A leap is the ratio of the median levels before and after a time, which glitches
    shorter than half of either side cannot change. 1 where a block is shorter than 8 s or
    holds samples that are missing.

    Args:
        strain: A block of finite samples.
    """
    level = _levels(strain)
    side = round(SIDE / _WINDOW)
    if len(level) < 2 * side:
        return 1.0
    leaps = [
        abs(np.median(level[cut:]) - np.median(level[:cut]))
        for cut in range(side, len(level) - side + 1)
    ]
    return float(np.exp(max(leaps)))


def is_clipped(strain: Strain) -> bool:
    """Whether a block contains repeated extreme values, as of a digitiser at its limit.

    That is `PINNED` times in a row or `OFTEN` times in all; of strain that is not clipped
    the extremes occur once.
    """
    values = strain.values
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() == finite.max():
        return False
    for extreme in (finite.min(), finite.max()):
        at = values == extreme
        if at.sum() >= OFTEN or _long(at, PINNED - 1):
            return True
    return False


def in_burst(gps: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) triggers of one detector in a second with `BURST` of them or more.

    Args:
        gps: (N,) times (s) in any order.
    """
    order = np.argsort(gps, kind="stable")
    times = np.asarray(gps, dtype=np.float64)[order]
    found = np.zeros(len(times), dtype=bool)
    ends = np.searchsorted(times, times + 1.0, side="left")
    for first, end in enumerate(ends):
        if end - first >= BURST:
            found[first:end] = True
    marked = np.zeros(len(times), dtype=bool)
    marked[order] = found
    return marked


def remarks(strain: Strain) -> tuple[str, ...]:
    """Words of `glitchvae.status.FLAGS` that apply to a block of finite strain."""
    clipped = ("clipped",) if is_clipped(strain) else ()
    step = ("noise_step",) if noise_leap(strain) >= STEP else ()
    return clipped + step


def _long(active: NDArray[np.bool_], samples: float) -> list[tuple[float, float]]:
    """Runs of more than a number of samples, as first and one past the last."""
    if not active.any():
        return []
    return [(a, b) for a, b in runs(active, start=0, step=1) if b - a > samples]


def _levels(strain: Strain) -> NDArray[np.float64]:
    """(T,) logarithm of the noise amplitude in each half second, with median 0."""
    size = round(_WINDOW * strain.sample_rate)
    count = len(strain) // size
    if not count or not np.isfinite(strain.values).all():
        return np.zeros(0)
    pieces = strain.values[: count * size].reshape(count, size)
    pieces = (pieces - pieces.mean(axis=1, keepdims=True)) * np.hanning(size)
    frequencies = np.fft.rfftfreq(size, 1 / strain.sample_rate)
    band = (frequencies >= _BAND[0]) & (frequencies <= min(_BAND[1], _USABLE * strain.sample_rate))
    amplitude = np.abs(np.fft.rfft(pieces, axis=1))[:, band]
    usual = np.median(amplitude, axis=0)
    amplitude, usual = amplitude[:, usual > 0], usual[usual > 0]
    if not len(usual):
        return np.zeros(0)
    with np.errstate(divide="ignore"):
        logs = np.log(amplitude / usual)
    return np.median(np.maximum(logs, -50.0), axis=1)
