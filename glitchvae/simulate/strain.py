"""Simulation of strain with glitches, and the truth about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.simulate.balance import draw_labels
from glitchvae.simulate.injection import Glitch, add_at, optimal_snr, strain_of
from glitchvae.simulate.measures import extents
from glitchvae.simulate.noise import Asd, Unsteadiness, asd, simulate_noise
from glitchvae.simulate.truth import Truth, truth_of
from glitchvae.simulate.uncatalogued import family_of
from glitchvae.strain import Strain

START = 1238166018.0
"""Default GPS time of the first sample: the beginning of O3."""

SPACING = 12.0
"""Default mean time (s) between glitches."""


def simulate_strain(
    duration: float,
    ifo: str = "H1",
    seed: int = 0,
    *,
    sample_rate: float = 4096.0,
    glitches: int | None = None,
    balance: str = "official",
    also: Mapping[str, int] | None = None,
    start: float = START,
    curve: Asd | None = None,
    unsteadiness: Unsteadiness | None = None,
) -> tuple[Strain, Truth]:
    """Simulate noise of a detector with glitches of all classes.

    Args:
        duration: Seconds.
        ifo: Detector; it selects the measured noise curve.
        seed: The same seed gives the same samples.
        sample_rate: Hz.
        glitches: How many; one in 12 s where None.
        balance: How often each class is drawn (`balance.weights`).
        also: Glitches of single families beside those, by label; also of families that are in
            no catalogue (`uncatalogued.UNCATALOGUED`), and of the user's own (`family_of`).
        start: GPS time of the first sample.
        curve: Another noise curve than the detector's own.
        unsteadiness: Another behaviour of the noise than the default one.

    Returns:
        The strain, and what was injected, in order of time.

    Raises:
        InputError: no noise curve for `ifo`, no such balance or family, or more glitches than
            one a second.
    """
    rng = np.random.default_rng(seed)
    count = round(duration / SPACING) if glitches is None else glitches
    for name in also or {}:
        family_of(name)
    others = [name for name, number in (also or {}).items() for _ in range(number)]
    if min([0, *(also or {}).values()]) < 0:
        raise InputError("the number of glitches is negative", where="also", found=also)
    times = draw_times(duration, count + len(others), rng)
    labels = draw_labels(balance, count, rng)
    if others:
        labels = [str(label) for label in rng.permutation([*labels, *others])]
    return inject(
        times,
        labels,
        duration=duration,
        ifo=ifo,
        sample_rate=sample_rate,
        start=start,
        rng=rng,
        curve=curve or asd(ifo),
        unsteadiness=unsteadiness or Unsteadiness(),
        simulation={
            "seed": seed,
            "balance": balance,
            "sample_rate": sample_rate,
            **({"also": dict(also)} if also else {}),
        },
    )


def inject(
    times: NDArray[np.float64],
    labels: Sequence[str],
    *,
    duration: float,
    ifo: str,
    sample_rate: float,
    start: float,
    rng: np.random.Generator,
    curve: Asd,
    unsteadiness: Unsteadiness,
    simulation: dict[str, Any],
) -> tuple[Strain, Truth]:
    """Simulate noise and inject glitches at times (s from `start`, rounded to samples)."""
    values = simulate_noise(duration, sample_rate, curve, rng, unsteadiness)
    rows = []
    for time, label in zip(times, labels, strict=True):
        sample = round(time * sample_rate)
        row = add_glitch(values, sample, label, sample_rate, curve, rng)
        rows.append({"gps": start + sample / sample_rate, **row})
    strain = Strain(values=values, start=start, sample_rate=sample_rate, ifo=ifo)
    return strain, truth_of(ifo, rows, {**simulation, "curve": curve.name})


def add_glitch(
    values: NDArray[np.float64],
    sample: int,
    label: str,
    sample_rate: float,
    curve: Asd,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Draw a glitch of a class and add it to strain (T,) in place, its time zero at `sample`.

    Args:
        values: Strain; what sticks out is cut.
        sample: Index of the event.
        label: Its class, or another name that `family_of` knows.
        sample_rate: Hz.
        curve: Density of the noise, in which the glitch has the SNR of its parameters.
        rng: Draws the parameters.

    Returns:
        Label, parameters and measures of the glitch, as `truth_of` wants them beside a time.
    """
    family = family_of(label)
    parameters = family.draw(rng)
    glitch = strain_of(family, parameters, sample_rate, curve)
    add_at(values, sample, glitch)
    measures = _measures(glitch, sample_rate, curve)
    return {"label": family.label, "parameters": parameters, **measures}


def _measures(glitch: Glitch, sample_rate: float, curve: Asd) -> dict[str, float]:
    duration, bandwidth = extents(glitch.strain, sample_rate, curve)
    return {
        "snr": glitch.tile.snr,
        "optimal_snr": optimal_snr(glitch.strain, sample_rate, curve),
        "peak_frequency": glitch.tile.frequency,
        "q": glitch.tile.q,
        "duration": duration,
        "bandwidth": bandwidth,
    }


def draw_times(duration: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count,) ascending seconds, one in the middle half of each of `count` equal slots.

    Raises:
        InputError: more than one glitch a second, or fewer than none.
    """
    if not 0 <= count <= duration:
        raise InputError(
            "the glitches are too many to be separate",
            expected=f"0 to {int(duration)} glitches",
            found=count,
            remedy="Ask for fewer or for more seconds.",
        )
    slot = duration / max(count, 1)
    return (np.arange(count) + rng.uniform(0.25, 0.75, count)) * slot
