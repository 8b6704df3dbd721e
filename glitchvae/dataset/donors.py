"""Donors: real strain whose noise is used for simulated glitches.

Simulated noise is Gaussian but for a slow drift; that of a detector is not. A donor is the
longest stretch of one file without gaps, with the times at which a picture of four seconds
shows nothing: no trigger, no leap of the noise. A glitch is injected there
into a copy of the strain, and imaged as the strain of a user would be.

A file holds noise up to its own Nyquist frequency alone, and most public stretches are of
1024 Hz. Where a picture reaches further, simulated noise of the detector's measured curve
continues the real one above `BAND` of the donor's rate, at the level the real noise has just
below it: the picture then shows real noise in the lower rows and simulated noise in the upper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray
from scipy import signal

from glitchvae.dataset.assembling import SPLITS
from glitchvae.dataset.splitting import DAY, Fractions
from glitchvae.errors import InputError
from glitchvae.qtransform.whitening import resample
from glitchvae.shapes import VIEWS
from glitchvae.simulate.noise import Asd, Unsteadiness, asd, simulate_noise
from glitchvae.strain import Strain, StrainSource, open_strain
from glitchvae.triggers import find_triggers

QUIET_SNR = 5.0
"""Least SNR of triggers around which a time is not quiet."""

MARGIN = 0.1
"""Seconds left between a picture and the nearest trigger."""

BAND = (0.36, 0.44)
"""Frequencies, as shares of a donor's rate, between which its noise fades to simulated noise."""

EDGE = 1.0
"""Seconds unused at both ends of a stretch, because of filter transients."""

LEAST = 18.0
"""Shortest stretch (s) of a donor: the shortest block of `gravity-spy`."""

STEADY = 2.0
"""Largest factor between the noise of a second and the median of its stretch."""

STEADY_BAND = (30.0, 300.0)
"""Band (Hz) in which this factor is measured."""

_FRACTIONS: Fractions = (0.7, 0.15, 0.15)
_STOP = 120.0  # dB by which the filter that parts the bands suppresses
_POINTS = 1 << 15  # of its response


@dataclass(frozen=True, kw_only=True)
class Donor:
    """A stretch of real strain and its quiet times.

    Attributes:
        name: Of its file.
        strain: Without gaps.
        centres: GPS times at which a picture of the longest view shows nothing.
    """

    name: str
    strain: Strain
    centres: segmentlist

    @property
    def seconds(self) -> float:
        """Quiet time."""
        return float(abs(self.centres))

    @property
    def split(self) -> str:
        """Split of all noise of this detector and GPS day, whichever file it is in.

        It follows from the two alone, in the shares 70, 15 and 15 %, so that the sets of
        every seed agree on it.
        """
        key = f"{self.strain.ifo}-{int(self.strain.start // DAY)}"
        share = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32
        limits = np.cumsum(_FRACTIONS)[:-1]
        return SPLITS[int(np.searchsorted(limits, share, side="right"))]

    @property
    def weight(self) -> float:
        """Weight in the choice of donors: quiet time times octaves of the band above 256 Hz.

        Noise up to 1.6 kHz is rarer among public files than noise up to 400 Hz, and shows more.
        """
        return self.seconds * max(float(np.log2(self.strain.sample_rate / 512)), 0.5)


def find_donor(path: str | Path, *, snr: float = QUIET_SNR) -> Donor | None:
    """The longest stretch of a strain file as a donor; None if nothing in it is quiet.

    Args:
        path: One file of one detector.
        snr: Least SNR of a trigger that makes a time unfit.

    Raises:
        InputError: the file cannot be read.
    """
    return donor_in(open_strain(path), Path(path).name, snr=snr)


def donor_in(source: StrainSource, name: str, *, snr: float = QUIET_SNR) -> Donor | None:
    """The longest stretch of strain of one detector as a donor; None if nothing is quiet.

    Args:
        source: Strain; all of it is read.
        name: Of the donor.
        snr: Least SNR of a trigger that makes a time unfit.

    Raises:
        InputError: a file cannot be read.
    """
    whole = [source.read(float(start), float(end)) for start, end in source.segments]
    stretches = [one.crop(*span) for one in whole for span in _steady_spans(one)]
    if not stretches:
        return None
    strain = max(stretches, key=lambda one: one.duration)
    if strain.duration < LEAST + 2 * EDGE:
        return None
    centres = quiet_centres(strain, snr=snr)
    return Donor(name=name, strain=strain, centres=centres) if centres else None


def find_donors(paths: Iterable[str | Path], *, snr: float = QUIET_SNR) -> list[Donor]:
    """The donors among some files, in the order of their names.

    Raises:
        InputError: a file cannot be read, or nothing in any of them is quiet.
    """
    ordered = sorted(map(Path, paths), key=lambda path: path.name)
    found = [find_donor(path, snr=snr) for path in ordered]
    donors = [donor for donor in found if donor is not None]
    if not donors:
        raise InputError(
            "no strain is suitable as a donor of noise",
            where=f"{len(ordered)} files",
            expected=f"stretches of {LEAST + 2 * EDGE:g} s without gaps, quiet for "
            f"{max(VIEWS):g} s somewhere",
        )
    return donors


def quiet_centres(strain: Strain, *, snr: float = QUIET_SNR) -> segmentlist:
    """GPS times at which the longest view shows no trigger of at least some SNR.

    Args:
        strain: Without gaps.
        snr: Least SNR of a trigger.
    """
    triggers = find_triggers(strain, snr=snr)
    loud = segmentlist(
        segment(gps - lasts - MARGIN, gps + lasts + MARGIN)
        for gps, lasts in zip(triggers.gps, triggers.duration.astype(float), strict=True)
    ).coalesce()
    searched = segmentlist([segment(strain.start + EDGE, strain.end - EDGE)])
    half = max(VIEWS) / 2
    return segmentlist(
        segment(start + half, end - half)
        for start, end in searched - loud
        if end - start > 2 * half
    )


def lend_noise(donor: Donor, sample_rate: float, rng: np.random.Generator) -> Strain:
    """The strain of a donor without its edges, at any sample rate.

    Args:
        donor: Whose noise it is.
        sample_rate: Hz; above the donor's own, simulated noise continues the real one.
        rng: Draws that noise.

    Raises:
        InputError: the rate is no whole multiple of the donor's.
    """
    own = donor.strain
    if sample_rate <= own.sample_rate:
        values = resample(own.values, own.sample_rate, sample_rate)
    else:
        values = _continued(own, sample_rate, rng)
    whole = replace(own, values=values, sample_rate=sample_rate)
    return whole.crop(own.start + EDGE, own.end - EDGE)


def choose_donor(donors: Sequence[Donor], split: str, rng: np.random.Generator) -> Donor | None:
    """Choose a donor of a split at random by weight; None if there is none."""
    own = [donor for donor in donors if donor.split == split]
    if not own:
        return None
    weights = np.array([donor.weight for donor in own])
    return own[int(rng.choice(len(own), p=weights / weights.sum()))]


def draw_centre(donor: Donor, rng: np.random.Generator) -> float:
    """Draw a quiet GPS time uniformly."""
    lengths = np.array([float(abs(span)) for span in donor.centres])
    span = donor.centres[int(rng.choice(len(lengths), p=lengths / lengths.sum()))]
    return float(rng.uniform(*span))


def cut_around(strain: Strain, gps: float, block: float) -> Strain:
    """A copy of `block` seconds around a time, moved to lie inside the strain."""
    seconds = min(block, np.floor(strain.duration + 1e-6))
    start = float(np.clip(round(gps - seconds / 2), strain.start, strain.end - seconds))
    cut = strain.crop(start, start + seconds)
    return replace(cut, values=cut.values.copy())


def _steady_spans(strain: Strain) -> list[tuple[float, float]]:
    """Spans of whole seconds without gaps in which the noise level is typical."""
    rate = round(strain.sample_rate)
    seconds = strain.values[: len(strain) // rate * rate].reshape(-1, rate)
    finite = np.isfinite(seconds).all(axis=1)
    if not finite.any():
        return []
    levels = np.full(len(seconds), np.nan)
    levels[finite] = [_level(second, rate) for second in seconds[finite]]
    steady = finite & (np.abs(np.log(levels / np.nanmedian(levels))) < np.log(STEADY))
    ends = np.flatnonzero(np.diff(np.concatenate([[0], steady.view(np.int8), [0]])))
    return [(strain.start + a, strain.start + b) for a, b in ends.reshape(-1, 2)]


def _level(second: NDArray[np.float64], rate: int) -> float:
    """Noise amplitude of one second, robust against lines and glitches."""
    power = np.abs(np.fft.rfft(second * np.hanning(rate))) ** 2
    return float(np.sqrt(np.median(power[slice(*map(int, STEADY_BAND))])) + np.finfo(float).tiny)


def _continued(own: Strain, sample_rate: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Real noise below `BAND` and simulated noise above it (T,)."""
    factor = sample_rate / own.sample_rate
    if not float(factor).is_integer():
        raise InputError(
            "noise of a donor is available only at whole multiples of its sample rate",
            where=own.ifo,
            expected=f"a multiple of {own.sample_rate:g} Hz",
            found=f"{sample_rate:g} Hz",
        )
    taps = _parting_filter(own.sample_rate, sample_rate)
    low = signal.resample_poly(own.values, int(factor), 1, window=taps)
    frequencies = np.fft.rfftfreq(_POINTS, 1 / sample_rate).astype(np.float64)
    beyond = np.sqrt(np.clip(1 - np.abs(np.fft.rfft(taps, _POINTS)) ** 2, 1e-12, 1.0))
    curve = asd(own.ifo)
    known = frequencies > curve.frequencies[0]
    values = curve(frequencies) * beyond * _level_ratio(own, curve)
    above = Asd(name=f"{curve.name}-above", frequencies=frequencies[known], values=values[known])
    high = simulate_noise(own.duration, sample_rate, above, rng, Unsteadiness())
    return low + high[: len(low)]


def _parting_filter(own_rate: float, sample_rate: float) -> NDArray[np.float64]:
    """Low-pass FIR filter at `sample_rate`, one below `BAND` of the donor's rate."""
    low, high = (share * own_rate for share in BAND)
    count, beta = signal.kaiserord(_STOP, (high - low) / (sample_rate / 2))
    half = int(count) // 2
    cycles = (low + high) / sample_rate  # twice the middle of the transition, in cycles a sample
    taps = np.sinc(cycles * np.arange(-half, half + 1)) * np.kaiser(2 * half + 1, float(beta))
    return taps / taps.sum()


def _level_ratio(own: Strain, curve: Asd) -> float:
    """Ratio of real noise to a noise curve just below `BAND`, without lines."""
    frequencies, power = signal.welch(
        own.values, own.sample_rate, nperseg=round(2 * own.sample_rate), average="median"
    )
    near = (frequencies > 0.3 * own.sample_rate) & (frequencies < BAND[0] * own.sample_rate)
    return float(np.median(np.sqrt(power[near]) / curve(frequencies[near])))
