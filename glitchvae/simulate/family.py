"""A family, the model of one class of glitches, and components of such models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glitchvae.simulate.noise import fast_length

Parameters = dict[str, Any]
"""Names and values (floats, or lists of floats for trains) that determine a waveform."""

Waveform = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Times in seconds from the event, and strain or whitened strain at them; both (T,)."""

REACH = 3.0
"""Seconds before and after the event outside of which strain is zero."""

LOWEST = 10.0
"""Frequency (Hz) below which waveforms are rolled off; images and SNR begin above it."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One class of glitches.

    Attributes:
        label: Class name as in Gravity Spy.
        description: What the model is, in one sentence.
        source: Where the model or its ranges come from.
        frame: "strain", or "whitened" where the shape is defined after whitening and is
            coloured by the amplitude spectral density it is injected into.
        lowest_rate: Lowest sample rate in Hz at which an image still shows the class.
        draw_shape: Draws the parameters, given a generator.
        shape: Turns parameters and a sample rate into a waveform of arbitrary scale.
    """

    label: str
    description: str
    source: str
    frame: Literal["strain", "whitened"]
    lowest_rate: float = 1024.0
    draw_shape: Callable[[np.random.Generator], Parameters]
    shape: Callable[[Parameters, float], Waveform]

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw the parameters of one event, with `snr` of its loudest tile."""
        return self.draw_shape(rng)

    def waveform(self, parameters: Parameters, sample_rate: float) -> Waveform:
        """Sample times relative to the event and the unscaled waveform in this family's frame."""
        return self.shape(parameters, sample_rate)


def clock(reach: float, sample_rate: float) -> NDArray[np.float64]:
    """Sample times from -reach to reach seconds, with one sample at exactly zero."""
    half = round(min(reach, REACH) * sample_rate)
    return np.arange(-half, half + 1) / sample_rate


def oscillation(
    times: NDArray[np.float64],
    frequency: NDArray[np.float64] | float,
    amplitude: NDArray[np.float64],
    phase: float = 0.0,
    origin: float = 0.0,
) -> NDArray[np.float64]:
    """An oscillation: amplitude * cos(2 pi * integral of frequency from `origin` on + phase).

    It is silent where the frequency is above 0.45 of the sample rate.

    Args:
        times: (T,) s, evenly spaced.
        frequency: (T,) or scalar, Hz.
        amplitude: (T,).
        phase: Radians at the time `origin`.
        origin: Seconds.
    """
    step = times[1] - times[0]
    track = np.broadcast_to(np.asarray(frequency, dtype=float), times.shape)
    cycles = np.concatenate([[0.0], np.cumsum((track[1:] + track[:-1]) / 2) * step])
    cycles -= np.interp(origin, times, cycles)
    audible = _edge(0.45 / step, track)
    return amplitude * audible * np.cos(2 * np.pi * cycles + phase)


def _edge(limit: float, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth step: one well below `limit`, zero above."""
    return np.clip((limit - np.abs(frequency)) / (0.05 * limit), 0.0, 1.0)


def sine_gaussian(
    times: NDArray[np.float64], at: float, frequency: float, width: float, phase: float = 0.0
) -> NDArray[np.float64]:
    """A Gaussian of standard deviation `width` s at time `at`, oscillating at `frequency`."""
    shifted = times - at
    envelope = np.exp(-0.5 * (shifted / width) ** 2)
    return (
        envelope
        * np.cos(2 * np.pi * frequency * shifted + phase)
        * (frequency < 0.45 / (times[1] - times[0]))
    )


def log_normal_pulse(
    times: NDArray[np.float64], f0: float, gbw: float, phase: float, at: float = 0.0
) -> NDArray[np.float64]:
    """A pulse with spectrum exp(-gbw / 2 * ln(f / f0)^2) and constant phase.

    The model of short glitches of Bondarescu et al., arXiv:2309.06594, equation 1, with a
    roll-off below 10 Hz. `times` must be evenly spaced.
    """
    count = fast_length(2 * len(times))
    step = times[1] - times[0]
    frequencies = np.fft.rfftfreq(count, step)
    spectrum = np.zeros(len(frequencies), dtype=complex)
    positive = frequencies[1:]
    spectrum[1:] = np.exp(-0.5 * gbw * np.log(positive / f0) ** 2) / (1 + (LOWEST / positive) ** 8)
    spectrum *= np.exp(1j * (phase - 2 * np.pi * frequencies * (at - times[0])))
    spectrum *= _edge(0.5 / step, frequencies) / step
    return np.fft.irfft(spectrum, count)[: len(times)] * edges(times, 0.1)


def edges(times: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """A window: one, with smooth edges of `width` seconds."""
    inside = np.minimum(times - times[0], times[-1] - times)
    return np.sin(np.pi / 2 * np.clip(inside / width, 0.0, 1.0)) ** 2


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A random number between `low` and `high` with uniform logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def any_phase(rng: np.random.Generator) -> float:
    """A random phase between 0 and 2 pi."""
    return float(rng.uniform(0.0, 2 * np.pi))


def around(rng: np.random.Generator, centre: float, spread: float) -> float:
    """A log-normal random number of median `centre` and relative spread `spread`."""
    return float(centre * np.exp(spread * rng.standard_normal()))
