"""Pulses shorter than the resolution of a Q-transform, alone or in trains.

Blip, Tomte, Blip_Low_Frequency, Koi_Fish, Extremely_Loud, Repeating_Blips, Helix.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glitchvae.simulate.distributions import distribution
from glitchvae.simulate.family import (
    Family,
    Parameters,
    Waveform,
    any_phase,
    around,
    clock,
    edges,
    log_normal_pulse,
    log_uniform,
)
from glitchvae.simulate.noise import fast_length

_FITS = "Fits to O3 glitches: Bondarescu et al., arXiv:2309.06594"
_PULSE_REACH = 0.35  # s on either side: enough for the longest pulse of a train

_TRIGGERS = "Gravity Spy training set v1.1, Zenodo 1476156"


def _draw_short(label: str, rng: np.random.Generator) -> Parameters:
    """Shape and SNR from the fitted tables, in which they are correlated."""
    parameters = distribution("short_glitches", label).draw(rng)
    return {**parameters, "snr": max(parameters["snr"], 7.5)}


def _short(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(1.0, sample_rate)
    return times, log_normal_pulse(times, parameters["f0"], parameters["gbw"], parameters["phase"])


def _draw_blip(rng: np.random.Generator) -> Parameters:
    return _draw_short("Blip", rng)


def _draw_tomte(rng: np.random.Generator) -> Parameters:
    return _draw_short("Tomte", rng)


def _draw_low_frequency_blip(rng: np.random.Generator) -> Parameters:
    return _draw_short("Blip_Low_Frequency", rng)


def _draw_fins(
    rng: np.random.Generator, count: int, reach: float, strongest: float, highest: float
) -> Parameters:
    """Resonances from 14 Hz up to `highest` that echo a loud pulse."""
    return {
        "fin_times": [float(t) for t in rng.normal(0.0, reach, count)],
        "fin_frequencies": [log_uniform(rng, 14.0, highest) for _ in range(count)],
        "fin_bandwidths": [log_uniform(rng, 2.0, 8.0) for _ in range(count)],
        "fin_phases": [any_phase(rng) for _ in range(count)],
        "fin_amplitudes": [log_uniform(rng, 0.05, 1.0) * strongest for _ in range(count)],
    }


def _fins(
    times: NDArray[np.float64], pulse: NDArray[np.float64], parameters: Parameters
) -> NDArray[np.float64]:
    """The pulse filtered by each resonance and shifted by its delay."""
    count = fast_length(2 * len(times))
    frequencies = np.fft.rfftfreq(count, times[1] - times[0])
    response = np.zeros(len(frequencies), dtype=complex)
    for at, centre, width, phase, amplitude in zip(
        parameters["fin_times"],
        parameters["fin_frequencies"],
        parameters["fin_bandwidths"],
        parameters["fin_phases"],
        parameters["fin_amplitudes"],
        strict=True,
    ):
        band = np.exp(-0.5 * ((frequencies - centre) / width) ** 2)
        response += amplitude * band * np.exp(1j * (phase - 2 * np.pi * frequencies * at))
    return np.fft.irfft(np.fft.rfft(pulse, count) * response, count)[: len(times)]


def _draw_koi_fish(rng: np.random.Generator) -> Parameters:
    """A head near 20 Hz, a tail, faint fins, often other pulses nearby.

    Fits with a spectrum narrower than `gbw` = 1 or a centre above 40 Hz describe the loudest
    part of a glitch and have neither head nor tail. The tail of every second real one (O3) goes
    on to the top of the picture, over a wide head: no fit of one narrow spectrum says so.
    """
    snr = distribution("triggers", "Koi_Fish").draw(rng)["snr"]
    shape = distribution("short_glitches", "Koi_Fish").draw(rng)
    others = int(rng.integers(1, 5)) if rng.random() < 0.35 else 0
    f0, gbw = min(shape["f0"], 40.0), min(shape["gbw"], 1.0)
    fins = _draw_fins(rng, int(rng.integers(1, 5)), 0.05, 0.5, 30.0)
    if rng.random() < 0.5:
        f0, gbw = min(f0, 25.0), log_uniform(rng, 0.4, 0.9)
        fins = _draw_fins(rng, int(rng.integers(2, 7)), 0.08, 1.0, 30.0)
    return {
        "f0": f0,
        "gbw": gbw,
        "phase": shape["phase"],
        "snr": snr,
        **fins,
        "times": [0.0, *(float(rng.uniform(-0.9, 0.9)) for _ in range(others))],
        "amplitudes": [1.0, *(log_uniform(rng, 0.03, 0.4) for _ in range(others))],
    }


def _koi_fish(parameters: Parameters, sample_rate: float) -> Waveform:
    """Sum of the pulses, of which the one at time zero has fins."""
    times, fish = _pulse_with_fins(parameters, sample_rate)
    shape = (parameters["f0"], parameters["gbw"], parameters["phase"])
    rows = zip(parameters["times"][1:], parameters["amplitudes"][1:], strict=True)
    others = [amplitude * log_normal_pulse(times, *shape, at) for at, amplitude in rows]
    return times, np.sum([fish, *others], axis=0)


def _pulse_with_fins(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(2.0, sample_rate)
    pulse = log_normal_pulse(times, parameters["f0"], parameters["gbw"], parameters["phase"])
    return times, (pulse + _fins(times, pulse, parameters)) * edges(times, 0.1)


def _draw_extremely_loud(rng: np.random.Generator) -> Parameters:
    """Parameters with SNR as reported; for one in four 100 to 400 with many oscillations.

    Pictures made before 2018 divide by a row's mean, which the glitch itself raises; they
    show the same tree as a glitch of that SNR shows today. Fainter ones with few oscillations
    are in pictures of today Koi_Fish, so that none are made. The spectrum is broader than a
    Koi_Fish's: half of the reported bandwidths exceed 5 kHz, and the trunk of the tree reaches
    the top of the picture.
    """
    snr, fewest = max(distribution("triggers", "Extremely_Loud").draw(rng)["snr"], 400.0), 5
    if rng.random() < 0.25:
        snr, fewest = log_uniform(rng, 100.0, 400.0), 8
    shape = {
        "snr": snr,
        "f0": log_uniform(rng, 15.0, 80.0),
        "gbw": log_uniform(rng, 0.25, 0.7),
        "phase": any_phase(rng),
    }
    return {**shape, **_draw_fins(rng, int(rng.integers(fewest, 16)), 0.12, 1.0, 60.0)}


def _draw_train(
    rng: np.random.Generator, spacing: float, jitter: float, faintest: float
) -> Parameters:
    """Times and amplitudes of pulses up to 2.6 s from the loudest at time zero."""
    before = _steps(rng, spacing, jitter)
    after = _steps(rng, spacing, jitter)
    at = [*(-t for t in reversed(before)), 0.0, *after]
    amplitudes = [1.0 if t == 0.0 else log_uniform(rng, faintest, 0.9) for t in at]
    return {"times": at, "amplitudes": amplitudes}


def _steps(rng: np.random.Generator, spacing: float, jitter: float) -> list[float]:
    gaps = [around(rng, spacing, jitter) for _ in range(int(2.6 / spacing) + 1)]
    return [float(t) for t in np.cumsum(gaps) if t < 2.6]


def _draw_repeating(rng: np.random.Generator) -> Parameters:
    shape = distribution("short_glitches", "Blip").draw(rng)
    snr = distribution("triggers", "Repeating_Blips").draw(rng)["snr"]
    train = _draw_train(rng, log_uniform(rng, 0.25, 0.7), 0.15, 0.15)
    return {**shape, "f0": max(shape["f0"], 40.0), "snr": snr, **train}


def _train(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(3.0, sample_rate)
    shape = (parameters["f0"], parameters["gbw"], parameters["phase"])
    wave = np.zeros(len(times))
    for at, amplitude in zip(parameters["times"], parameters["amplitudes"], strict=True):
        near = np.abs(times - at) < _PULSE_REACH
        wave[near] += amplitude * log_normal_pulse(times[near], *shape, at)
    return times, wave


def _draw_helix(rng: np.random.Generator) -> Parameters:
    snr = distribution("triggers", "Helix").draw(rng)["snr"]
    shape = {
        "f0": log_uniform(rng, 40.0, 140.0),
        "gbw": log_uniform(rng, 0.3, 0.8),
        "phase": any_phase(rng),
        "twist": log_uniform(rng, 0.006, 0.014),
    }
    return {**shape, "snr": snr, **_draw_train(rng, log_uniform(rng, 0.18, 0.45), 0.4, 0.6)}


def _helix(parameters: Parameters, sample_rate: float) -> Waveform:
    """Pairs of pulses `twist` seconds apart, whose spectra interfere."""
    twin = {
        **parameters,
        "times": [t + s for t in parameters["times"] for s in (0.0, parameters["twist"])],
        "amplitudes": [a * s for a in parameters["amplitudes"] for s in (1.0, 0.8)],
    }
    return _train(twin, sample_rate)


BLIP = Family(
    label="Blip",
    description="One pulse with a log-normal spectrum, centred near 100 Hz.",
    source=_FITS,
    frame="strain",
    draw_shape=_draw_blip,
    shape=_short,
)
TOMTE = Family(
    label="Tomte",
    description="One pulse with a log-normal spectrum, centred near 16 Hz and narrow.",
    source=_FITS,
    frame="strain",
    draw_shape=_draw_tomte,
    shape=_short,
)
BLIP_LOW_FREQUENCY = Family(
    label="Blip_Low_Frequency",
    description="One pulse with a log-normal spectrum, centred near 20 Hz.",
    source=_FITS,
    frame="strain",
    draw_shape=_draw_low_frequency_blip,
    shape=_short,
)
KOI_FISH = Family(
    label="Koi_Fish",
    description="A loud, broad pulse with fins below it and fainter pulses within a second.",
    source=f"{_FITS}; Zevin et al., arXiv:1611.04596",
    frame="strain",
    draw_shape=_draw_koi_fish,
    shape=_koi_fish,
)
EXTREMELY_LOUD = Family(
    label="Extremely_Loud",
    description="A pulse up to 2 kHz, mostly of SNR beyond 100, among strong low oscillations.",
    source=_TRIGGERS,
    frame="strain",
    draw_shape=_draw_extremely_loud,
    shape=_pulse_with_fins,
)
REPEATING_BLIPS = Family(
    label="Repeating_Blips",
    description="A train of equal blips at intervals of a quarter to three quarters second.",
    source=f"{_FITS}; {_TRIGGERS}",
    frame="strain",
    draw_shape=_draw_repeating,
    shape=_train,
)
HELIX = Family(
    label="Helix",
    description="A train of twin pulses, whose spectra interfere into beads.",
    source=_TRIGGERS,
    frame="strain",
    draw_shape=_draw_helix,
    shape=_helix,
)
