"""Scaling of waveforms to a chosen SNR, and injection into noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glitchvae.simulate.family import LOWEST, Family, Parameters
from glitchvae.simulate.measures import Tile, loudest_tile
from glitchvae.simulate.noise import Asd, fast_length

PAD = 1.0
"""Seconds of silence added on either side of a waveform before it is coloured."""


def optimal_snr(strain: NDArray[np.float64], sample_rate: float, curve: Asd) -> float:
    """The matched-filter SNR of `strain` (T,) in noise of density `curve`.

    ``rho^2 = 4 * integral of |h(f)|^2 / S(f)`` from 10 Hz on (Allen et al., PRD 85, 122006,
    equation 3.8).
    """
    count = fast_length(len(strain))
    frequencies = np.fft.rfftfreq(count, 1 / sample_rate)
    inside = frequencies >= LOWEST
    spectrum = np.fft.rfft(strain, count)[inside] / sample_rate
    density = np.abs(spectrum / curve(frequencies[inside])) ** 2
    return float(np.sqrt(4 * density.sum() * sample_rate / count))


def colour(whitened: NDArray[np.float64], sample_rate: float, curve: Asd) -> NDArray[np.float64]:
    """Strain whose whitened form is `whitened` (T,), rolled off below 10 Hz.

    It is coloured by the curve's background: a glitch knows nothing of the lines.
    """
    count = fast_length(len(whitened))
    frequencies = np.fft.rfftfreq(count, 1 / sample_rate)
    roll_off = 1 / (1 + (LOWEST / np.maximum(frequencies, 0.1)) ** 12)
    spectrum = np.fft.rfft(whitened, count) * curve.background(frequencies) * roll_off
    return np.fft.irfft(spectrum, count)[: len(whitened)]


@dataclass(frozen=True)
class Glitch:
    """One event's noiseless strain, ready to be added.

    Attributes:
        times: (T,) s from the event; one of them is zero.
        strain: (T,).
        tile: Its loudest tile.
    """

    times: NDArray[np.float64]
    strain: NDArray[np.float64]
    tile: Tile


def strain_of(family: Family, parameters: Parameters, sample_rate: float, curve: Asd) -> Glitch:
    """Strain of an event, scaled so that its loudest tile in `curve` has the drawn SNR.

    An event that the sample rate cannot hold at all stays silent.
    """
    times, values = family.waveform(parameters, sample_rate)
    pad = round(PAD * sample_rate)
    times = times[0] + np.arange(-pad, len(times) + pad) / sample_rate
    values = np.pad(values, pad)
    if family.frame == "whitened":
        values = colour(values, sample_rate, curve)
    tile = loudest_tile(times, values, curve)
    if not tile.snr:
        return Glitch(times, values, tile)
    scale = parameters["snr"] / tile.snr
    return Glitch(times, values * scale, replace(tile, snr=parameters["snr"]))


def add_at(strain: NDArray[np.float64], sample: int, glitch: Glitch) -> None:
    """Add a glitch in place with its time zero at index `sample`; the rest is cut."""
    first = sample - int(np.argmin(np.abs(glitch.times)))
    lower, upper = max(first, 0), min(first + len(glitch.strain), len(strain))
    if lower < upper:
        strain[lower:upper] += glitch.strain[lower - first : upper - first]
