"""Stray light from moving surfaces: Scattered_Light and Fast_Scattering.

Light scattered by a surface at x(t) returns with phase 4 pi x(t) / lambda and adds strain
h = A sin(4 pi x / lambda), so that the fringe frequency is 2 |v(t)| / lambda
(Accadia et al., CQG 27, 194011 (2010), equations 3 and 4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glitchvae.simulate.distributions import distribution
from glitchvae.simulate.family import (
    Family,
    Parameters,
    Waveform,
    around,
    clock,
    edges,
    log_uniform,
)

WAVELENGTH = 1.064e-6
"""Metres: the laser of LIGO, Virgo and KAGRA."""


def fringes(displacement: NDArray[np.float64], bounces: int = 1) -> NDArray[np.float64]:
    """Unit strain of light that met the surface `bounces` times; displacement in metres."""
    return np.sin(4 * np.pi * bounces * displacement / WAVELENGTH)


def surface(parameters: Parameters, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Displacement in metres: a slow and a fast sinusoid, both fastest at time zero.

    Each has its peak fringe frequency (Hz) as parameter, from which follows its
    amplitude: peak velocity = 2 pi f x0 = lambda * peak / 2.
    """
    slow = _sinusoid(parameters["slow_motion"], parameters["slow_peak"], times)
    return slow + _sinusoid(parameters["fast_motion"], parameters["fast_peak"], times)


def _sinusoid(motion: float, peak: float, times: NDArray[np.float64]) -> NDArray[np.float64]:
    amplitude = WAVELENGTH * peak / (4 * np.pi * motion)
    return amplitude * np.sin(2 * np.pi * motion * times)


def _draw_scattered(rng: np.random.Generator) -> Parameters:
    """Parameters with a trigger on the first to fourth bounce and up to two higher arches.

    Each bounce loses a part of the light, while the noise falls steeply towards higher
    frequencies: an arch above, of a tenth of the strain, may be as bright. The motion is
    that of the microseism; its slow end is that of earthquakes.
    """
    trigger = distribution("triggers", "Scattered_Light").draw(rng)
    best = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.35, 0.25, 0.1]))
    more = int(rng.integers(0, 3))
    kept = log_uniform(rng, 0.05, 0.4)
    amplitudes = [around(rng, kept ** (i + 1 - best), 0.4) for i in range(best + more)]
    return {
        "snr": around(rng, 1.7 * trigger["snr"], 0.4),
        "slow_motion": log_uniform(rng, 0.08, 0.22),
        "slow_peak": trigger["peak_frequency"] / best,
        "fast_motion": 1.0,
        "fast_peak": 0.0,
        "amplitudes": amplitudes,
    }


def _scattered(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(3.0, sample_rate)
    displacement = surface(parameters, times)
    arches = [
        a * fringes(displacement, bounce + 1) for bounce, a in enumerate(parameters["amplitudes"])
    ]
    return times, np.sum(arches, axis=0) * edges(times, 0.5)


def _draw_fast(rng: np.random.Generator) -> Parameters:
    """Parameters with arches twice per period of an anthropogenic motion, of varying strength.

    They come in groups, half a period of the microseism apart: what is shaken is fastest then.
    """
    motion = around(rng, float(rng.choice([1.2, 1.6, 2.0])), 0.08)
    arches = 2 * int(2.5 * 2 * motion) + 1
    centre = arches // 2
    group, wide = log_uniform(rng, 1.5, 4.0), log_uniform(rng, 0.25, 0.8)
    strengths = []
    for i in range(arches):
        time = (i - centre) / (2 * motion)
        to_group = time - group * round(time / group)
        strength = log_uniform(rng, 0.4, 1.2) * np.exp(-0.5 * (to_group / wide) ** 2)
        strengths.append(float(strength))
    strengths[centre] = 1.0
    return {
        "snr": around(rng, 20.0, 0.5),
        "slow_motion": log_uniform(rng, 0.1, 0.2),
        "slow_peak": log_uniform(rng, 1.0, 6.0),
        "fast_motion": motion,
        "fast_peak": log_uniform(rng, 20.0, 50.0),
        "amplitudes": [1.0],
        "strengths": strengths,
    }


def _fast(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(3.0, sample_rate)
    strengths = np.array(parameters["strengths"])
    arch = (np.arange(len(strengths)) - len(strengths) // 2) / (2 * parameters["fast_motion"])
    amplitude = np.interp(times, arch, strengths)
    return times, amplitude * fringes(surface(parameters, times)) * edges(times, 0.5)


SCATTERED_LIGHT = Family(
    label="Scattered_Light",
    description="Fringes of a surface swinging with the microseism, with multiple bounces.",
    source="Accadia et al., CQG 27, 194011 (2010); Soni et al., arXiv:2007.14876",
    frame="strain",
    draw_shape=_draw_scattered,
    shape=_scattered,
)
FAST_SCATTERING = Family(
    label="Fast_Scattering",
    description="Fringes of a surface shaken at 1 to 2 Hz on top of the microseism: short arches.",
    source="Soni et al., arXiv:2103.12104; Soni et al., arXiv:2007.14876",
    frame="strain",
    draw_shape=_draw_fast,
    shape=_fast,
)
