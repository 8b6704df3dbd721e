"""Bursts at fixed frequencies, and tracks of varying frequency.

Power_Line, 1080Lines, 1400Ripples, Violin_Mode, Low_Frequency_Lines, Air_Compressor,
Whistle, Wandering_Line. All are defined after whitening: what is known of these classes
is what they look like in whitened spectrograms.
"""

from __future__ import annotations

import numpy as np

from glitchvae.simulate.distributions import distribution
from glitchvae.simulate.family import (
    Family,
    Parameters,
    Waveform,
    any_phase,
    around,
    clock,
    edges,
    log_uniform,
    oscillation,
    sine_gaussian,
)

_TRIGGERS = "Gravity Spy training set v1.1, Zenodo 1476156; Zevin et al., arXiv:1611.04596"


def _dashes(parameters: Parameters, sample_rate: float) -> Waveform:
    """A sum of sine-Gaussians, each with its own time, frequency, width and amplitude."""
    times = clock(3.0, sample_rate)
    rows = zip(
        parameters["times"],
        parameters["frequencies"],
        parameters["widths"],
        parameters["amplitudes"],
        parameters["phases"],
        strict=True,
    )
    waves = [a * sine_gaussian(times, t, f, w, phase) for t, f, w, a, phase in rows]
    return times, np.sum(waves, axis=0) * edges(times, 0.2)


def _bundle(rng: np.random.Generator, rows: list[tuple[float, float, float, float]]) -> Parameters:
    """(time, frequency, width, amplitude) rows as parameters, with random phases."""
    times, frequencies, widths, amplitudes = (list(map(float, c)) for c in zip(*rows, strict=True))
    return {
        "times": times,
        "frequencies": frequencies,
        "widths": widths,
        "amplitudes": amplitudes,
        "phases": [any_phase(rng) for _ in rows],
    }


def _draw_power_line(rng: np.random.Generator) -> Parameters:
    trigger = distribution("triggers", "Power_Line").draw(rng)
    frequency = float(rng.normal(60.0, 0.3))
    rows = [(0.0, frequency, log_uniform(rng, 0.1, 0.3), 1.0)]
    return {"snr": trigger["snr"], **_bundle(rng, rows)}


def _draw_1080(rng: np.random.Generator) -> Parameters:
    """Short bursts around 1080 Hz over about a second."""
    trigger = distribution("triggers", "1080Lines").draw(rng)
    reach = log_uniform(rng, 0.1, 0.6)
    rows = [(0.0, around(rng, 1084.0, 0.006), log_uniform(rng, 0.01, 0.03), 1.0)]
    rows += [
        (
            rng.normal(0.0, reach),
            around(rng, 1084.0, 0.012),
            log_uniform(rng, 0.006, 0.025),
            rng.uniform(0.4, 0.9),
        )
        for _ in range(int(rng.integers(3, 14)))
    ]
    return {"snr": trigger["snr"], **_bundle(rng, rows)}


def _draw_1400(rng: np.random.Generator) -> Parameters:
    """One or a few bursts between 1.4 and 1.7 kHz."""
    trigger = distribution("triggers", "1400Ripples").draw(rng)
    centre = around(rng, 1545.0, 0.04)
    rows = [(0.0, centre, log_uniform(rng, 0.012, 0.035), 1.0)]
    rows += [
        (rng.uniform(-2, 2), around(rng, centre, 0.02), 0.02, rng.uniform(0.3, 0.9))
        for _ in range(int(rng.integers(0, 4)))
    ]
    return {"snr": trigger["snr"], **_bundle(rng, rows)}


def _draw_violin(rng: np.random.Generator) -> Parameters:
    """Repeated bursts at the violin modes near 500 Hz and their harmonics."""
    trigger = distribution("triggers", "Violin_Mode").draw(rng)
    loudest = int(np.clip(round(trigger["peak_frequency"] / 508.0), 1, 4))
    rows = []
    for time in (0.0, *rng.uniform(-2.5, 2.5, int(rng.integers(1, 8)))):
        loudness = 1.0 if time == 0.0 else rng.uniform(0.3, 0.9)
        for harmonic in (1, 2, 3, 4):
            strength = loudness * (1.0 if harmonic == loudest else rng.uniform(0.2, 0.8))
            frequency = around(rng, 508.0 * harmonic, 0.015)
            rows.append((time, frequency, log_uniform(rng, 0.008, 0.02), strength))
    return {"snr": trigger["snr"], **_bundle(rng, rows)}


def _draw_low_lines(rng: np.random.Generator) -> Parameters:
    """A steady line below 20 Hz for a second or two."""
    trigger = distribution("triggers", "Low_Frequency_Lines").draw(rng)
    frequency = around(rng, trigger["peak_frequency"], 0.02)
    rows = [(0.0, max(frequency, 10.5), log_uniform(rng, 0.35, 1.0), 1.0)]
    if rng.random() < 0.4:
        rows.append((rng.normal(0, 0.5), log_uniform(rng, 11.0, 25.0), 0.6, rng.uniform(0.2, 0.6)))
    return {"snr": trigger["snr"], **_bundle(rng, rows)}


def _draw_compressor(rng: np.random.Generator) -> Parameters:
    trigger = distribution("triggers", "Air_Compressor").draw(rng)
    return {
        "snr": trigger["snr"],
        "start_frequency": around(rng, 48.0, 0.03),
        "slope": float(rng.normal(8.0, 8.0)),
        "width": log_uniform(rng, 0.06, 0.14),
        "phase": any_phase(rng),
    }


def _compressor(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(1.5, sample_rate)
    frequency = parameters["start_frequency"] + parameters["slope"] * times
    envelope = np.exp(-0.5 * (times / parameters["width"]) ** 4)
    return times, oscillation(times, frequency, envelope, parameters["phase"])


def _draw_whistle(rng: np.random.Generator) -> Parameters:
    """Offset and curvature of a beat note: U shapes, V shapes and inner arches.

    The reported SNR is of a search that goes on above 2 kHz, where the beat does too: the
    loudest tile of a picture has a part of it, and the whole arc is faint.
    """
    trigger = distribution("triggers", "Whistle").draw(rng)
    offset = trigger["peak_frequency"] * float(rng.choice([1.0, -1.0, 0.05], p=[0.3, 0.25, 0.45]))
    return {
        "snr": max(trigger["snr"] * float(rng.uniform(0.55, 0.85)), 6.0),
        "offset": offset,
        "slope": float(rng.normal(0.0, 1000.0))
        if abs(offset) > 100
        else log_uniform(rng, 8e3, 6e4),
        "curvature": log_uniform(rng, 5e3, 3e5),
        "corner": log_uniform(rng, 100.0, 300.0),
        "repeat": float(rng.uniform(0.4, 2.5)) if rng.random() < 0.4 else 0.0,
        "repeat_amplitude": float(rng.uniform(0.4, 1.0)),
        "phase": any_phase(rng),
    }


def beat_frequency(parameters: Parameters, times: np.ndarray) -> np.ndarray:
    """|offset + slope t + curvature t^2| in Hz: the beat frequency of two oscillators."""
    return np.abs(
        parameters["offset"] + parameters["slope"] * times + parameters["curvature"] * times**2
    )


def _whistle(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(3.0, sample_rate)
    wave = _beat(parameters, times)
    if parameters["repeat"]:
        later = _beat(parameters, times - parameters["repeat"])
        wave = wave + parameters["repeat_amplitude"] * later
    return times, wave * edges(times, 0.2)


def _beat(parameters: Parameters, times: np.ndarray) -> np.ndarray:
    """A beat note that is silent below `corner`, where it does not couple, and above 3 kHz."""
    frequency = beat_frequency(parameters, times)
    low = frequency**2 / (frequency**2 + parameters["corner"] ** 2)
    amplitude = low / (1 + (frequency / 3000.0) ** 8)
    return oscillation(times, frequency, amplitude, parameters["phase"])


def _draw_wandering(rng: np.random.Generator) -> Parameters:
    """A line whose frequency varies by some per cent, switched on and off."""
    trigger = distribution("triggers", "Wandering_Line").draw(rng)
    knots = np.linspace(-3.0, 3.0, 61)
    walk = np.cumsum(rng.normal(0.0, log_uniform(rng, 0.004, 0.04), len(knots)))
    on = rng.random(len(knots)) < rng.uniform(0.4, 0.8)
    on &= np.abs(knots) < max(trigger["duration"] / 2, 0.2)
    on[29:32] = True
    return {
        "snr": trigger["snr"],
        "frequency": trigger["peak_frequency"],
        "walk": [float(w) for w in walk - walk[30]],
        "on": [float(o) for o in on],
        "phase": any_phase(rng),
    }


def _wandering(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(3.0, sample_rate)
    knots = np.linspace(times[0], times[-1], len(parameters["walk"]))
    frequency = parameters["frequency"] * np.exp(np.interp(times, knots, parameters["walk"]))
    amplitude = np.interp(times, knots, parameters["on"])
    return times, oscillation(times, frequency, amplitude, parameters["phase"]) * edges(times, 0.2)


POWER_LINE = Family(
    label="Power_Line",
    description="A fraction of a second of 60 Hz.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_power_line,
    shape=_dashes,
)
LINES_1080 = Family(
    label="1080Lines",
    description="Dashes flickering around 1080 Hz.",
    source=_TRIGGERS,
    lowest_rate=4096.0,
    frame="whitened",
    draw_shape=_draw_1080,
    shape=_dashes,
)
RIPPLES_1400 = Family(
    label="1400Ripples",
    description="A few dashes of some tens of milliseconds between 1.4 and 1.7 kHz.",
    source=_TRIGGERS,
    lowest_rate=8192.0,
    frame="whitened",
    draw_shape=_draw_1400,
    shape=_dashes,
)
VIOLIN_MODE = Family(
    label="Violin_Mode",
    description="Short dashes at the suspension's violin modes and their harmonics.",
    source=_TRIGGERS,
    lowest_rate=4096.0,
    frame="whitened",
    draw_shape=_draw_violin,
    shape=_dashes,
)
LOW_FREQUENCY_LINES = Family(
    label="Low_Frequency_Lines",
    description="A steady line below 25 Hz for about two seconds.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_low_lines,
    shape=_dashes,
)
AIR_COMPRESSOR = Family(
    label="Air_Compressor",
    description="A third of a second near 50 Hz, slowly changing frequency.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_compressor,
    shape=_compressor,
)
WHISTLE = Family(
    label="Whistle",
    description="The beat note of two radio-frequency oscillators that pass each other.",
    source="Nuttall et al., arXiv:1508.07316; Zevin et al., arXiv:1611.04596",
    lowest_rate=8192.0,
    frame="whitened",
    draw_shape=_draw_whistle,
    shape=_whistle,
)
WANDERING_LINE = Family(
    label="Wandering_Line",
    description="A line that wanders and is switched on and off.",
    source=_TRIGGERS,
    lowest_rate=4096.0,
    frame="whitened",
    draw_shape=_draw_wandering,
    shape=_wandering,
)
