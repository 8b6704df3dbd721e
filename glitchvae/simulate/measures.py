"""Loudest tile, duration and bandwidth of a noiseless waveform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.shapes import AXIS_FREQUENCIES
from glitchvae.simulate.family import LOWEST
from glitchvae.simulate.noise import Asd, fast_length

HELD = 0.9
"""Share of the whitened energy within duration and bandwidth."""


PLANES: tuple[float, ...] = (5.657, 11.314, 22.627, 45.255)
"""Quality factors of Gravity Spy's Q-transform planes."""

SEARCH = 0.25
"""Seconds from the event within which its loudest tile is searched."""


@dataclass(frozen=True)
class Tile:
    """Loudest tile: SNR without noise, frequency in Hz, quality factor."""

    snr: float
    frequency: float
    q: float


def loudest_tile(times: NDArray[np.float64], strain: NDArray[np.float64], curve: Asd) -> Tile:
    """The tile of a Q transform with the highest SNR of an event, in noise of density `curve`.

    A tile's SNR is the matched filter's with the tile as template: the bisquare window
    of half-width sqrt(11) f / Q in frequency (Chatterji, PhD thesis, MIT 2005, equation
    5.40), as in gwpy.

    Args:
        times: (T,) seconds from the event.
        strain: (T,) noiseless.
        curve: Density of the noise.
    """
    spectrum, step = _whitened(strain, 1 / (times[1] - times[0]), curve)
    energy = np.concatenate([[0.0], np.cumsum(4 * step * np.abs(spectrum) ** 2)])
    best = Tile(0.0, np.nan, np.nan)
    for bound, frequency, q in sorted(_candidates(energy, step), reverse=True):
        if bound <= best.snr**2:
            break
        tile = _tile(spectrum, step, times[0], frequency, q)
        best = max(best, tile, key=lambda t: t.snr)
    return best


def _candidates(energy: NDArray[np.float64], step: float) -> Iterator[tuple[float, float, float]]:
    """Rows of tiles as (bound, frequency, q); the bound is the energy in the tile's band."""
    for q in PLANES:
        frequencies = _rows(q, (len(energy) - 2) * step)
        half = np.sqrt(11) * frequencies / q
        low = np.clip(np.ceil((frequencies - half) / step), 0, len(energy) - 1).astype(int)
        high = np.clip((frequencies + half) / step + 1, 0, len(energy) - 1).astype(int)
        for bound, frequency in zip(energy[high] - energy[low], frequencies, strict=True):
            yield float(bound), float(frequency), q


def _rows(q: float, nyquist: float) -> NDArray[np.float64]:
    """Frequencies of a plane, half overlapping, within the range of the windows."""
    highest = min(AXIS_FREQUENCIES[1], nyquist / (1 + np.sqrt(11) / q))
    count = int(np.ceil(np.log(highest / LOWEST) * q / 1.1)) + 1
    return np.geomspace(LOWEST, highest, count)


def _tile(
    spectrum: NDArray[np.complex128], step: float, start: float, frequency: float, q: float
) -> Tile:
    half = np.sqrt(11) * frequency / q
    low = max(int(np.ceil((frequency - half) / step)), 0)
    bins = np.arange(low, min(int((frequency + half) / step) + 1, len(spectrum)))
    window = (1 - np.minimum(np.abs(bins * step - frequency) / half, 1.0) ** 2) ** 2
    count = fast_length(2 * len(bins))
    series = np.abs(np.fft.ifft(spectrum[bins] * window, count)) * count
    times = start + np.arange(count) / (count * step)
    near = np.abs(times) <= SEARCH
    norm = 4 * step / np.sqrt(4 * step * np.sum(window**2))
    return Tile(float(series[near].max(initial=0.0) * norm), float(frequency), q)


def _whitened(
    strain: NDArray[np.float64], sample_rate: float, curve: Asd
) -> tuple[NDArray[np.complex128], float]:
    """Fourier transform divided by the curve, zero below 10 Hz, and its frequency step."""
    count = fast_length(len(strain))
    frequencies = np.fft.rfftfreq(count, 1 / sample_rate)
    transform = np.fft.rfft(strain, count) / sample_rate
    return transform / curve(frequencies) * (frequencies >= LOWEST), sample_rate / count


def extents(strain: NDArray[np.float64], sample_rate: float, curve: Asd) -> tuple[float, float]:
    """Duration (s) and bandwidth (Hz) of the whitened strain: NaN if it is zero.

    The shortest time, and the narrowest band, that hold 90 % of the energy.
    """
    spectrum, step = _whitened(strain, sample_rate, curve)
    power = np.abs(spectrum) ** 2
    if not power.any():
        return np.nan, np.nan
    energy = np.fft.irfft(spectrum)[: len(strain)] ** 2
    return _extent(energy) / sample_rate, _extent(power) * step


def _extent(energy: NDArray[np.float64]) -> int:
    """Length of the shortest run of samples that holds `HELD` of the total."""
    total = np.concatenate([[0.0], np.cumsum(energy)])
    ends = np.searchsorted(total, total + HELD * total[-1])
    lengths = ends - np.arange(len(total))
    return int(lengths[ends < len(total)].min(initial=len(energy)))
