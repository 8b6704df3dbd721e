"""From a family's waveform to strain of a chosen SNR in a chosen noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from glitchvae.noise import Asd
from glitchvae.simulate.family import LOWEST, Family, Parameters, Waveform

PAD = 1.0
"""Seconds of silence added on either side of a waveform before it is coloured."""


def optimal_snr(strain: NDArray[np.float64], sample_rate: float, curve: Asd) -> float:
    """The matched-filter SNR of `strain` (T,) in noise of density `curve`.

    rho^2 = 4 * integral of |h(f)|^2 / S(f) from 10 Hz on (Allen et al., PRD 85, 122006,
    equation 3.8).
    """
    count = fft.next_fast_len(len(strain), real=True)
    frequencies = fft.rfftfreq(count, 1 / sample_rate)
    inside = frequencies >= LOWEST
    spectrum = fft.rfft(strain, count)[inside] / sample_rate
    density = np.abs(spectrum / curve(frequencies[inside])) ** 2
    return float(np.sqrt(4 * density.sum() * sample_rate / count))


def colour(whitened: NDArray[np.float64], sample_rate: float, curve: Asd) -> NDArray[np.float64]:
    """Strain whose whitened form is `whitened` (T,), rolled off below 10 Hz.

    It is coloured by the curve's background: a glitch knows nothing of the lines.
    """
    count = fft.next_fast_len(len(whitened), real=True)
    frequencies = fft.rfftfreq(count, 1 / sample_rate)
    roll_off = 1 / (1 + (LOWEST / np.maximum(frequencies, 0.1)) ** 12)
    spectrum = fft.rfft(whitened, count) * curve.background()(frequencies) * roll_off
    return fft.irfft(spectrum, count)[: len(whitened)]


def strain_of(family: Family, parameters: Parameters, sample_rate: float, curve: Asd) -> Waveform:
    """Times from the event and strain, scaled to the family's optimal SNR in `curve`.

    An event that the sample rate cannot hold at all stays silent.
    """
    times, values = family.waveform(parameters, sample_rate)
    pad = round(PAD * sample_rate)
    times = times[0] + (np.arange(-pad, len(times) + pad)) / sample_rate
    values = np.pad(values, pad)
    if family.frame == "whitened":
        values = colour(values, sample_rate, curve)
    else:
        values = values * curve(np.array([100.0]))
    snr = optimal_snr(values, sample_rate, curve)
    if snr == 0.0:
        return times, values
    return times, values * (family.optimal_snr(parameters) / snr)


def add_at(
    strain: NDArray[np.float64], sample: int, times: NDArray[np.float64], sample_rate: float,
    values: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add `values` in place with their time zero at index `sample`; what sticks out is cut."""
    first = sample + round(times[0] * sample_rate)
    lower, upper = max(first, 0), min(first + len(values), len(strain))
    if lower < upper:
        strain[lower:upper] += values[lower - first : upper - first]
