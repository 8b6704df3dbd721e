"""Peak frequency, duration and bandwidth of a noiseless waveform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from glitchvae.noise import Asd
from glitchvae.simulate.family import LOWEST

HELD = 0.9
"""Share of the whitened energy that duration and bandwidth hold."""


def measure(strain: NDArray[np.float64], sample_rate: float, curve: Asd) -> dict[str, float]:
    """Measures of `strain` (T,) after whitening by `curve`: NaN where it is silent.

    Returns:
        peak_frequency (Hz, at a resolution of about 4 Hz), duration (s), bandwidth (Hz).
    """
    count = fft.next_fast_len(len(strain), real=True)
    frequencies = fft.rfftfreq(count, 1 / sample_rate)
    spectrum = fft.rfft(strain, count) / curve(frequencies) * (frequencies >= LOWEST)
    power = np.abs(spectrum) ** 2
    if not power.any():
        return dict.fromkeys(("peak_frequency", "duration", "bandwidth"), np.nan)
    energy = fft.irfft(spectrum, count)[: len(strain)] ** 2
    width = max(round(4.0 * count / sample_rate), 1)
    smooth = np.convolve(power, np.hanning(width + 2), mode="same")
    return {
        "peak_frequency": float(frequencies[np.argmax(smooth)]),
        "duration": _extent(energy) / sample_rate,
        "bandwidth": _extent(power) * sample_rate / count,
    }


def _extent(energy: NDArray[np.float64]) -> int:
    """Length of the shortest run of samples that holds `HELD` of the total."""
    total = np.concatenate([[0.0], np.cumsum(energy)])
    ends = np.searchsorted(total, total + HELD * total[-1])
    lengths = ends - np.arange(len(total))
    return int(lengths[ends < len(total)].min(initial=len(energy)))
