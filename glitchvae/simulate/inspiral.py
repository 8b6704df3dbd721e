"""Chirp: the inspiral and ringdown of two black holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glitchvae.simulate.distributions import distribution
from glitchvae.simulate.family import (
    Family,
    Parameters,
    Waveform,
    any_phase,
    clock,
    log_uniform,
    oscillation,
)

SUN = 4.925491e-6
"""Mass of the Sun in seconds, G M / c^3."""


def chirp_mass(mass_1: float, mass_2: float) -> float:
    """(m1 m2)^(3/5) / (m1 + m2)^(1/5), in the unit of the masses."""
    return (mass_1 * mass_2) ** 0.6 / (mass_1 + mass_2) ** 0.2


def newtonian_frequency(to_coalescence: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    """Gravitational-wave frequency in Hz, `to_coalescence` > 0 s before coalescence.

    f = (5 / (256 tau))^(3/8) (G Mc / c^3)^(-5/8) / pi (Blanchet, arXiv:1310.1528, leading
    order), with the chirp mass `mass` in solar masses.
    """
    return (5 / (256 * to_coalescence)) ** 0.375 * (mass * SUN) ** -0.625 / np.pi


def ringdown(total_mass: float) -> tuple[float, float]:
    """Frequency (Hz) and damping time (s) of the (2, 2, 0) mode of a remnant of spin 0.69.

    Dimensionless frequency 0.527 and decay 0.0811 (Berti et al., arXiv:0905.2975), with 95 %
    of the total mass left.
    """
    mass = 0.95 * total_mass * SUN
    return 0.527 / (2 * np.pi * mass), mass / 0.0811


def _draw(rng: np.random.Generator) -> Parameters:
    snr = distribution("triggers", "Chirp").draw(rng)["snr"]
    mass_1 = log_uniform(rng, 24.0, 56.0)
    return {
        "snr": snr,
        "mass_1": mass_1,
        "mass_2": mass_1 * float(rng.uniform(0.5, 1.0)),
        "phase": any_phase(rng),
    }


def _inspiral(parameters: Parameters, sample_rate: float) -> Waveform:
    """Newtonian inspiral up to the frequency of the ringdown at time zero, then a damped sinusoid.

    Leading order in phase and amplitude (h ~ f^(2/3)): a shape for images, not a template.
    """
    times = clock(3.0, sample_rate)
    mass = chirp_mass(parameters["mass_1"], parameters["mass_2"])
    highest, damping = ringdown(parameters["mass_1"] + parameters["mass_2"])
    remaining = (5 / 256) * (mass * SUN) ** (-5 / 3) * (np.pi * highest) ** (-8 / 3)
    frequency = newtonian_frequency(remaining + np.maximum(-times, 0.0), mass)
    amplitude = (frequency / highest) ** (2 / 3) * np.exp(-np.maximum(times, 0.0) / damping)
    fade_in = np.clip((times - times[0]) / 0.5, 0.0, 1.0)
    return times, oscillation(times, frequency, amplitude * fade_in, parameters["phase"])


CHIRP = Family(
    label="Chirp",
    description="A Newtonian inspiral of two black holes with the ringdown of the remnant.",
    source="Blanchet, arXiv:1310.1528; Berti et al., arXiv:0905.2975",
    frame="strain",
    draw_shape=_draw,
    shape=_inspiral,
)
