"""Detector noise: measured amplitude spectral densities and strain simulated from them.

Noise is Gaussian and coloured by a measured curve. Two departures make it behave like
a detector: its level drifts slowly, band by band, and short stretches are a little
louder than their surroundings. Both are options of `Unsteadiness`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal
from scipy.fft import next_fast_len

from glitchvae import resources
from glitchvae.errors import InputError

CURVES: dict[str, str] = {"H1": "O3-H1", "L1": "O3-L1", "V1": "O3-V1", "K1": "O4-design"}
"""Name of the curve of each detector. K1 uses another one, since no KAGRA curve is shipped."""

SEISMIC_SLOPE = -8.0
"""Logarithmic slope below a curve's first sample (10 Hz), where only seismic noise is left."""

SEISMIC_CORNER = 7.0
"""Frequency (Hz) below which a curve is flat: strain is high-passed before use."""

LOWEST_MEASURED = 10.0
"""Frequency (Hz) from which the noise of given strain is measured."""

BLOCK = 16.0
"""Seconds drawn at once; neighbours overlap by half and are cross-faded."""


@dataclass(frozen=True, kw_only=True)
class Asd:
    """An amplitude spectral density, interpolated in logarithms.

    Attributes:
        name: Name of the curve.
        frequencies: (F,) Hz, ascending.
        values: (F,) 1/sqrt(Hz).
    """

    name: str
    frequencies: NDArray[np.float64]
    values: NDArray[np.float64]

    def __call__(self, frequencies: NDArray[np.floating]) -> NDArray[np.float64]:
        """The density at any `frequencies` >= 0 (Hz), same shape, 1/sqrt(Hz)."""
        known = np.log(self.frequencies)
        lowest = self.frequencies[0]
        wanted = np.log(np.maximum(frequencies, SEISMIC_CORNER))
        inside = np.interp(wanted, known, np.log(self.values))
        below = np.minimum(wanted - np.log(lowest), 0.0)
        return np.exp(inside + SEISMIC_SLOPE * below)

    @cached_property
    def background(self) -> Asd:
        """The curve without its lines: a running median over a third of an octave."""
        grid = np.geomspace(self.frequencies[0], self.frequencies[-1], 1000)
        points = int(len(grid) / np.log2(grid[-1] / grid[0]) / 3) | 1
        values = ndimage.median_filter(np.log(self(grid)), points, mode="nearest")
        smooth = ndimage.gaussian_filter1d(values, points / 4, mode="nearest")
        return Asd(name=f"{self.name}-background", frequencies=grid, values=np.exp(smooth))


@dataclass(frozen=True, kw_only=True)
class Unsteadiness:
    """Parameters of non-stationary noise.

    Attributes:
        drift: Standard deviation of the logarithm of the level from block to block, in
            each of `bands` logarithmic bands; it wanders with a memory of `memory` blocks.
        bands: Number of bands that drift on their own.
        memory: Blocks after which the drift has forgotten itself.
        flicker: Standard deviation of the logarithm of the level within a block, on a
            time scale of `flicker_time` seconds, over all frequencies.
        flicker_time: Seconds.
    """

    drift: float = 0.06
    bands: int = 6
    memory: float = 8.0
    flicker: float = 0.03
    flicker_time: float = 2.0


STEADY = Unsteadiness(drift=0.0, flicker=0.0)
"""Strictly stationary noise."""


@cache
def asd(name: str) -> Asd:
    """The curve of a detector ("H1") or of a named curve ("O3-H1").

    Raises:
        InputError: no such curve; the known ones are listed.
    """
    folder = resources.data("noise")
    path = folder / f"{CURVES.get(name, name)}.csv"
    if not path.exists():
        known = [*CURVES, *sorted(p.stem for p in folder.glob("*.csv"))]
        raise InputError("the noise curve is unknown", where=name, expected=", ".join(known))
    frequencies, values = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
    return Asd(name=path.stem, frequencies=frequencies, values=values)


def measured_asd(values: NDArray[np.float64], sample_rate: float) -> Asd:
    """The median spectrum of strain (T,): Hann windows of two seconds, half overlapping."""
    frequencies, power = signal.welch(
        values, sample_rate, nperseg=round(2 * sample_rate), average="median"
    )
    known = (frequencies >= LOWEST_MEASURED) & (frequencies < 0.49 * sample_rate)
    return Asd(name="measured", frequencies=frequencies[known], values=np.sqrt(power[known]))


def fast_length(samples: int) -> int:
    """The smallest length of at least `samples` with a fast Fourier transform."""
    length: int = next_fast_len(samples, real=True)  # type: ignore[assignment]
    return length


def simulate_noise(
    duration: float,
    sample_rate: float,
    curve: Asd,
    rng: np.random.Generator,
    unsteadiness: Unsteadiness = STEADY,
) -> NDArray[np.float64]:
    """Coloured Gaussian noise.

    Args:
        duration: Seconds.
        sample_rate: Hz.
        curve: Its amplitude spectral density (one-sided).
        rng: Source of randomness; the same state gives the same samples.
        unsteadiness: Drift and flicker of the level.

    Returns:
        (T,) strain, T = duration * sample_rate rounded.

    Raises:
        InputError: a duration or sample rate that is not positive.
    """
    samples = round(duration * sample_rate)
    if samples < 1 or sample_rate <= 0:
        raise InputError(
            "no samples to simulate",
            expected="a positive duration and sample rate",
            found=f"{duration} s at {sample_rate} Hz",
        )
    half = round(BLOCK / 2 * sample_rate)
    steps = -(-samples // half)
    out = np.zeros((steps + 2) * half)
    for i, block in enumerate(_blocks(steps + 1, half, sample_rate, curve, rng, unsteadiness)):
        out[i * half : (i + 2) * half] += block
    return out[half : half + samples]


def _blocks(
    count: int,
    half: int,
    sample_rate: float,
    curve: Asd,
    rng: np.random.Generator,
    unsteadiness: Unsteadiness,
) -> Iterator[NDArray[np.float64]]:
    """Blocks of 2 * half samples with windows whose overlapping squares add up to one.

    The window is smooth at its ends (the Vorbis power-complementary one), so that the
    loud seismic end of the curve does not leak into the quiet middle.
    """
    frequencies = np.fft.rfftfreq(2 * half, 1 / sample_rate)
    amplitude = curve(frequencies) * np.sqrt(sample_rate / 2)
    phase = np.pi * (np.arange(2 * half) + 0.5) / (2 * half)
    window = np.sin(np.pi / 2 * np.sin(phase) ** 2)
    level = unsteadiness.drift * rng.standard_normal(unsteadiness.bands)
    for _ in range(count):
        shape = amplitude * _band_levels(frequencies, level) if unsteadiness.drift else amplitude
        white = np.fft.rfft(rng.standard_normal(2 * half))
        block = np.fft.irfft(white * shape, 2 * half) * window
        yield block * _flicker(2 * half, sample_rate, rng, unsteadiness)
        level = _wander(level, rng, unsteadiness)


def _wander(
    level: NDArray[np.float64], rng: np.random.Generator, unsteadiness: Unsteadiness
) -> NDArray[np.float64]:
    """The next step of a first-order autoregression with standard deviation `drift`."""
    keep = np.exp(-1 / unsteadiness.memory)
    step = unsteadiness.drift * np.sqrt(1 - keep**2)
    return keep * level + step * rng.standard_normal(len(level))


def _band_levels(
    frequencies: NDArray[np.floating], level: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Factor at each frequency: exp(level), interpolated between the centres of bands."""
    centres = np.linspace(np.log(10.0), np.log(4096.0), len(level))
    return np.exp(np.interp(np.log(np.maximum(frequencies, 1.0)), centres, level))


def _flicker(
    samples: int, sample_rate: float, rng: np.random.Generator, unsteadiness: Unsteadiness
) -> NDArray[np.float64] | float:
    """Factor at each sample: a smooth random function around one."""
    if not unsteadiness.flicker:
        return 1.0
    knots = max(int(samples / sample_rate / unsteadiness.flicker_time), 1) + 1
    logarithm = unsteadiness.flicker * rng.standard_normal(knots)
    return np.exp(np.interp(np.linspace(0, knots - 1, samples), np.arange(knots), logarithm))
