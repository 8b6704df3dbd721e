"""Noise of an archive's strain, in which glitches are rendered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from igwn_segments import segment, segmentlist

from glitchvae.archive import Archive
from glitchvae.archive.ledger import FileContent
from glitchvae.dataset.donors import EDGE, Donor, donor_in
from glitchvae.errors import GlitchvaeError
from glitchvae.simulate.noise import Unsteadiness, asd, simulate_noise
from glitchvae.strain import Strain, StrainSource, open_strain

LONGEST = 80.0
"""Longest stretch (s) of a donor: a block of 64 s and its surroundings."""

MOST_DONORS = 4
"""Largest number of donors for one detector and sample rate, far apart in time."""


_LOG = logging.getLogger(__name__)
_START = 1_238_166_018.0  # of simulated noise; nothing depends on it


class Place(NamedTuple):
    """A detector and a sample rate (Hz)."""

    ifo: str
    sample_rate: float


Noise = Callable[[Place], Sequence[Donor]]
"""Function that returns the donors of a place; none if their files are gone."""


def noise_of(archives: Sequence[Archive]) -> Noise:
    """Noise of the files from which archives were filled, as far as they are unchanged."""
    contents = [one for archive in archives for one in archive.ledger().contents()]

    @cache
    def noise(place: Place) -> Sequence[Donor]:
        own = {
            content.path: (content, searched)
            for ifo, rate, content, searched in contents
            if (ifo, rate) == place and _is_same(content) and abs(searched) > 0
        }
        return _donors(
            (f"{Path(content.path).name} {content.digest[:12]}", searched, content.path)
            for content, searched in own.values()
        )

    return noise


def noise_in(sources: Sequence[StrainSource]) -> tuple[Noise, dict[Place, float]]:
    """Noise of some strain, and the seconds of each place."""
    seconds = {Place(one.ifo, one.sample_rate): float(abs(one.segments)) for one in sources}

    @cache
    def noise(place: Place) -> Sequence[Donor]:
        return _donors(
            (f"{one.ifo} {float(span[0]):.3f}", segmentlist([span]), one)
            for one in sources
            if (one.ifo, one.sample_rate) == place
            for span in one.segments
        )

    return noise, seconds


def shipped_noise(place: Place, seed: int = 0) -> Donor | None:
    """Simulated noise with a detector's shipped curve; None for other detectors."""
    try:
        curve = asd(place.ifo)
    except GlitchvaeError:
        return None
    rng = np.random.default_rng((seed, round(place.sample_rate), *place.ifo.encode()))
    values = simulate_noise(LONGEST, place.sample_rate, curve, rng, Unsteadiness())
    strain = Strain(values=values, start=_START, sample_rate=place.sample_rate, ifo=place.ifo)
    edge = EDGE + 2.0
    centres = segmentlist([segment(strain.start + edge, strain.end - edge)])
    return Donor(name=f"simulated {curve.name}", strain=strain, centres=centres)


def _is_same(content: FileContent) -> bool:
    try:
        found = Path(content.path).stat()
    except OSError:
        return False
    return found.st_size == content.size and found.st_mtime_ns == content.modified


def _donors(lenders: Iterable[tuple[str, segmentlist, str | StrainSource]]) -> list[Donor]:
    """A few donors from named stretches of strain or paths."""
    ordered = sorted(lenders, key=lambda lender: float(lender[1][0][0]))
    donors: list[Donor] = []
    # The first, the last, the one in the middle, ...: noise changes over time.
    for number in _spread(len(ordered)):
        donor = _lent(*ordered[number])
        donors += [] if donor is None else [donor]
        if len(donors) == MOST_DONORS:
            break
    return donors


def _lent(name: str, stretches: segmentlist, strain: str | StrainSource) -> Donor | None:
    """A donor in the middle of the longest stretch; None if nothing in it is quiet."""
    start, end = map(float, max(stretches, key=abs))
    middle, half = (start + end) / 2, min(LONGEST, end - start) / 2 + EDGE
    try:
        source = open_strain(strain) if isinstance(strain, str) else strain
        return donor_in(source.crop(middle - half, middle + half), name)
    except GlitchvaeError as error:
        _LOG.warning("lends no noise: %s", error)
        return None


def _spread(count: int) -> list[int]:
    """The numbers 0, ..., count - 1 in an order in which the first few are far apart."""
    order: list[int] = []
    parts = 1
    while len(order) < count:
        ends = np.linspace(0, count - 1, parts + 1).astype(int).tolist()
        order = list(dict.fromkeys([*order, *ends]))
        parts *= 2
    return order
