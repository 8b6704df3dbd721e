"""Bursts of several parts: Low_Frequency_Burst, Light_Modulation, Scratchy, Paired_Doves,
None_of_the_Above, and No_Glitch, which has none.
"""  # noqa: D205

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
    log_uniform,
    oscillation,
    sine_gaussian,
)

_TRIGGERS = "Gravity Spy training set v1.1, Zenodo 1476156; Zevin et al., arXiv:1611.04596"

Sweep = tuple[float, float, float, float, float]
"""Time (s), start and end frequency (Hz), duration (s), relative SNR of one sweep."""


def _sweeps(rng: np.random.Generator, rows: list[Sweep]) -> Parameters:
    names = ("times", "starts", "ends", "durations", "amplitudes")
    columns = zip(*rows, strict=True)
    parameters = {n: [float(v) for v in c] for n, c in zip(names, columns, strict=True)}
    return {**parameters, "phases": [any_phase(rng) for _ in rows]}


def _swept(parameters: Parameters, sample_rate: float) -> Waveform:
    """Sum of smooth-edged parts whose frequency changes geometrically from start to end."""
    times = clock(3.0, sample_rate)
    rows = zip(
        parameters["times"],
        parameters["starts"],
        parameters["ends"],
        parameters["durations"],
        parameters["amplitudes"],
        parameters["phases"],
        strict=True,
    )
    pieces = [_piece(times, *row) for row in rows]
    return times, np.sum(pieces, axis=0) * edges(times, 0.2)


def _piece(
    times: NDArray[np.float64],
    at: float,
    start: float,
    end: float,
    duration: float,
    amplitude: float,
    phase: float,
) -> NDArray[np.float64]:
    """One part of a burst, computed only where it is not zero."""
    wave = np.zeros(len(times))
    near = np.abs(times - at) < duration
    if near.sum() > 1:
        x = (times[near] - at) / duration
        frequency = start * (end / start) ** _progress(x, rising=end > start)
        envelope = amplitude / np.sqrt(duration) * np.exp(-0.5 * (2.2 * x) ** 4)
        wave[near] = oscillation(times[near], frequency, envelope, phase, origin=at)
    return wave


def _progress(x: NDArray[np.float64], *, rising: bool) -> NDArray[np.float64]:
    """Position along a part from 0 to 1, faster at high frequency."""
    part = np.clip(x + 0.5, 0.0, 1.0)
    return 1 - np.sqrt(1 - part) if rising else np.sqrt(part)


def _draw_low_burst(rng: np.random.Generator) -> Parameters:
    """One to three humps that fall from about 20 Hz towards 10 Hz."""
    trigger = distribution("triggers", "Low_Frequency_Burst").draw(rng)
    peak = max(trigger["peak_frequency"], 10.5)
    rows: list[Sweep] = []
    for time in (0.0, *rng.uniform(-1.5, 1.5, int(rng.integers(0, 3)))):
        top = peak * rng.uniform(1.2, 2.2)
        loudness = 1.0 if time == 0.0 else rng.uniform(0.2, 0.9)
        rows.append((time, top, 0.8 * peak, log_uniform(rng, 0.3, 1.0), loudness))
    return {"snr": trigger["snr"], **_sweeps(rng, rows)}


def _draw_light_modulation(rng: np.random.Generator) -> Parameters:
    """Spikes up to some hundred Hz above rumble at 10 to 25 Hz, over seconds.

    Few spikes are as loud as the one that triggered: most are fainter by far.
    """
    trigger = distribution("triggers", "Light_Modulation").draw(rng)
    rows: list[Sweep] = []
    for time in (0.0, *rng.uniform(-2.4, 2.4, int(rng.integers(1, 5)))):
        spike = log_uniform(rng, 50.0, 200.0)
        loudness = 1.0 if time == 0.0 else log_uniform(rng, 0.15, 0.9)
        rows.append((time, spike, spike, 1.4 / spike, loudness))
        tail = log_uniform(rng, 0.1, 0.25)
        rows.append((time + tail / 2, 0.6 * spike, 13.0, tail, rng.uniform(0.3, 1.0) * loudness))
    for _ in range(int(rng.integers(2, 7))):
        low = log_uniform(rng, 10.5, 20.0)
        loudness = log_uniform(rng, 0.1, 0.9)
        rows.append((rng.normal(0, 1.2), 1.5 * low, low, log_uniform(rng, 0.1, 0.4), loudness))
    return {"snr": trigger["snr"], **_sweeps(rng, rows)}


def _draw_scratchy(rng: np.random.Generator) -> Parameters:
    """A chain of short pieces around 100 to 250 Hz, 15 to 35 a second."""
    trigger = distribution("triggers", "Scratchy").draw(rng)
    centre = around(rng, trigger["peak_frequency"], 0.1)
    reach = float(np.clip(trigger["duration"], 0.6, 4.0)) / 1.5
    rows: list[Sweep] = [(0.0, centre, centre, 0.018, 1.0)]
    spacing = log_uniform(rng, 0.035, 0.065)
    for side in (-1, 1):
        time = 0.0
        while (time := time + around(rng, spacing, 0.3)) < reach:
            frequency = around(rng, centre, 0.15)
            loudness = rng.uniform(0.25, 0.85) * np.exp(-((time / reach) ** 4))
            rows.append(
                (side * time, frequency, frequency, log_uniform(rng, 0.012, 0.026), loudness)
            )
    return {"snr": trigger["snr"], **_sweeps(rng, rows)}


def _draw_doves(rng: np.random.Generator) -> Parameters:
    """Chirps that alternate between rising and falling, about 0.8 to 1.4 s apart.

    The trains of real ones last longer than an image's block and raise the level that
    energies are divided by: the SNR that is left is a part of the one reported.
    """
    trigger = distribution("triggers", "Paired_Doves").draw(rng)
    low, high = log_uniform(rng, 14.0, 28.0), log_uniform(rng, 70.0, 120.0)
    spacing = log_uniform(rng, 0.8, 1.4)
    falling = bool(rng.random() < 0.5)
    rows: list[Sweep] = []
    for i in range(-2, 3):
        start, end = (high, low) if falling == (i % 2 == 0) else (low, high)
        loudness = 1.0 if i == 0 else rng.uniform(0.4, 0.9)
        time = i * around(rng, spacing, 0.05)
        rows.append((time, start, end, log_uniform(rng, 0.22, 0.4), loudness))
    snr = max(trigger["snr"] * float(rng.uniform(0.1, 0.3)), 5.5)
    return {"snr": snr, **_sweeps(rng, [r for r in rows if abs(r[0]) < 2.5])}


def _draw_none_of_the_above(rng: np.random.Generator) -> Parameters:
    """Two to five sweeps without common order."""
    trigger = distribution("triggers", "None_of_the_Above").draw(rng)
    rows: list[Sweep] = []
    reach = log_uniform(rng, 0.05, 0.8)
    for i in range(int(rng.integers(2, 6))):
        start = log_uniform(rng, 25.0, 400.0)
        end = start * log_uniform(rng, 0.5, 2.0)
        time = 0.0 if i == 0 else rng.normal(0.0, reach)
        rows.append((time, start, end, log_uniform(rng, 1.5, 8.0) / start, rng.uniform(0.3, 1.0)))
    return {"snr": trigger["snr"], **_sweeps(rng, rows)}


def _draw_nothing(rng: np.random.Generator) -> Parameters:
    """A trigger of noise alone, with at most a faint transient."""
    return {
        "snr": float(rng.uniform(0.0, 4.5)),
        "frequency": log_uniform(rng, 12.0, 150.0),
        "width": log_uniform(rng, 0.01, 0.2),
        "phase": any_phase(rng),
    }


def _trace(parameters: Parameters, sample_rate: float) -> Waveform:
    times = clock(1.5, sample_rate)
    frequency, width, phase = parameters["frequency"], parameters["width"], parameters["phase"]
    return times, sine_gaussian(times, 0.0, frequency, width, phase)


LOW_FREQUENCY_BURST = Family(
    label="Low_Frequency_Burst",
    description="One to three humps that sink from 20 towards 10 Hz.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_low_burst,
    shape=_swept,
)
LIGHT_MODULATION = Family(
    label="Light_Modulation",
    description="Spikes to some hundred Hz on top of rumble at 10 to 25 Hz.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_light_modulation,
    shape=_swept,
)
SCRATCHY = Family(
    label="Scratchy",
    description="A chain of short pieces around 100 to 250 Hz.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_scratchy,
    shape=_swept,
)
PAIRED_DOVES = Family(
    label="Paired_Doves",
    description="Chirps between 20 and 100 Hz, rising and falling in turn.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_doves,
    shape=_swept,
)
NONE_OF_THE_ABOVE = Family(
    label="None_of_the_Above",
    description="Two to five sweeps of no common order.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_none_of_the_above,
    shape=_swept,
)
NO_GLITCH = Family(
    label="No_Glitch",
    description="Noise with at most a trace of something, SNR below 4.5.",
    source=_TRIGGERS,
    frame="whitened",
    draw_shape=_draw_nothing,
    shape=_trace,
)
