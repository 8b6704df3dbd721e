"""Rendering of known classes in the noise of an archive.

Simulated glitches of a class are added to noise of the archive's own strain, at its detectors
and sample rates and at the SNR of the events that are asked about. Then they are searched for,
imaged and encoded as `embed` does it: a picture is centred on the time that a search finds,
which is not the time zero of a waveform, and a long glitch can be several triggers.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

from glitchvae.checkpoint import Checkpoint
from glitchvae.classes.catalog import read_catalog
from glitchvae.dataset.donors import Donor
from glitchvae.dataset.simulated import SPACING
from glitchvae.discovery.noise import LONGEST, Noise, Place, shipped_noise
from glitchvae.embedding import Embeddings, encode_spectrograms
from glitchvae.errors import GlitchvaeError
from glitchvae.progress import Progress
from glitchvae.qtransform import usable_band
from glitchvae.simulate import FAMILIES, UNCATALOGUED, Family, strain_of
from glitchvae.simulate.injection import add_at
from glitchvae.simulate.measures import extents
from glitchvae.simulate.noise import Asd, measured_asd
from glitchvae.spectrogram import ImagingSettings, make_spectrograms
from glitchvae.store import digest
from glitchvae.strain import Strain, StrainSource
from glitchvae.triggers import find_triggers

FOLDER = "rendered"
"""Folder of an archive with rendered events."""

COUNT = 100
"""Number of rendered glitches of each class."""

AT_ONCE = 6
"""Largest number of glitches in one copy of the noise."""

_VERSION = 1
_BAND = math.sqrt(2.0)  # upper over lower end of a band of SNR
_LEAST = 0.04  # share of the events from which a place and a band are rendered by themselves
_RATES = (512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0)
_FEWEST_SNR = 5.0  # threshold of the search where the events do not tell theirs


class Cell(NamedTuple):
    """A place, and the range of SNR of glitches there."""

    place: Place
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.place.ifo}-{self.place.sample_rate:g}-{self.low:.4g}-{self.high:.4g}"


class Wanted(NamedTuple):
    """Glitches of a class in a cell."""

    label: str
    cell: Cell


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """Triggers of rendered glitches.

    Attributes:
        events: M rows; their labels are the classes.
        glitch: (M,) number of the glitch that each is a trigger of.
        glitches: How many were added to noise, found or not.
        shipped: Places whose own strain is gone or not quiet: simulated noise stood in.
    """

    events: Embeddings
    glitch: NDArray[np.int64]
    glitches: int
    shipped: tuple[Place, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Renderer:
    """Renderer of known classes in an archive's noise, with a store of its results.

    Attributes:
        checkpoint: The model of the codes.
        imaging: That of the archive's images.
        noise: Strain that lends its noise.
        kept: Folder for what was made; None keeps it in memory.
        seed: Of every random number.
        count: Glitches of each class.
        device: Where images and codes are computed.
        shown: Given a number of glitches, shows how far the work is.
        families: Of labels; by default all classes that are simulated, and shapes of no catalogue.
    """

    checkpoint: Checkpoint
    imaging: ImagingSettings
    noise: Noise = lambda _: ()
    kept: Path | None = None
    seed: int = 0
    count: int = COUNT
    device: str = "cpu"
    shown: Callable[[int], AbstractContextManager[Progress]] = lambda _: nullcontext(_silent)
    families: Mapping[str, Family] = field(default_factory=lambda: {**FAMILIES, **UNCATALOGUED})
    _memory: dict[tuple[Wanted, float], _Made] = field(default_factory=dict, repr=False)

    def render(
        self, labels: Iterable[str], cells: Mapping[Cell, int], snr: float
    ) -> Rendered | None:
        """Render glitches of some classes.

        Args:
            labels: Classes; those without a simulation, or that a rate cannot show, are left out.
            cells: Where, and in which proportions.
            snr: Threshold of the archive's search.

        Returns:
            None where nothing can be rendered, or nothing that was rendered is found.
        """
        families = {label: self.families[label] for label in labels if label in self.families}
        plan = plan_glitches(families, cells, self.count)
        parts, total, shipped = [], 0, []
        with self.shown(sum(plan.values())) as report:
            for wanted, number in plan.items():
                donors, stand_in = self._donors(wanted.cell.place)
                if not donors:
                    report(number)
                    continue
                shipped += [wanted.cell.place] * stand_in
                made = self._glitches(wanted, number, donors, snr, report)
                parts += made.events
                total += sum(made.attempts)
        if not parts:
            return None
        events = Embeddings.join(parts)
        names = np.array([str(name).rpartition("#")[0] for name in events.event_id])
        return Rendered(
            events=events,
            glitch=np.unique(names, return_inverse=True)[1],
            glitches=total,
            shipped=tuple(sorted(set(shipped))),
        )

    def _donors(self, place: Place) -> tuple[Sequence[Donor], bool]:
        """Donors of noise for a place, and whether they are simulated."""
        own = self.noise(place)
        if own:
            return own, False
        stand_in = shipped_noise(place, self.seed)
        return ([] if stand_in is None else [stand_in]), True

    def _glitches(
        self, wanted: Wanted, number: int, donors: Sequence[Donor], snr: float, report: Progress
    ) -> _Made:
        """Triggers from copy after copy of the noise, starting with stored ones."""
        path = self._path(wanted, donors, snr)
        kept = self._memory.get((wanted, snr)) if path is None else _read(path)
        made = _Made((), ()) if kept is None else kept
        there = len(made.attempts)
        while sum(made.attempts) < number:
            copy = len(made.attempts)
            left = number - sum(made.attempts)
            made = made.with_copy(*self._copy(wanted, copy, donors[copy % len(donors)], snr))
            report(min(made.attempts[-1], left))
        if path is None:
            self._memory[wanted, snr] = made
        elif len(made.attempts) > there:
            _keep(path, made)
        return made.first(number)

    def _copy(
        self, wanted: Wanted, copy: int, donor: Donor, snr: float
    ) -> tuple[int, Embeddings | None]:
        """Render one copy of a donor's strain; returns the number of glitches and the triggers."""
        name = f"{wanted.label}/{wanted.cell}"
        rng = np.random.default_rng((self.seed, zlib.crc32(name.encode()), copy))
        strain, times = _noise_and_times(donor, rng)
        curve = measured_asd(strain.values, strain.sample_rate)
        full = dataclasses.replace(strain, values=strain.values.copy())
        family = self.families[wanted.label]
        reach = np.array([_add(full, time, family, wanted.cell, curve, rng) for time in times])
        triggers = find_triggers(full, snr=snr, device=self.device)
        # Nothing else is near: the noise is quiet where glitches were added.
        apart = np.abs(triggers.gps[:, None] - np.array(times))
        owner = apart.argmin(axis=1)
        own = np.flatnonzero(apart.min(axis=1) <= reach[owner])
        rows = [
            encode_spectrograms(images, self.checkpoint, device=self.device)
            for images in make_spectrograms(
                StrainSource.of(full), triggers.take(own), self.imaging, device=self.device
            )
        ]
        if not rows:
            return len(times), None
        ids = [f"{name}/{copy}/{slot}#{k}" for k, slot in enumerate(owner[own])]
        return len(times), dataclasses.replace(
            Embeddings.join(rows),
            event_id=np.array(ids, dtype=object),
            label=np.full(len(ids), wanted.label, dtype=object),
        )

    def _path(self, wanted: Wanted, donors: Sequence[Donor], snr: float) -> Path | None:
        if self.kept is None:
            return None
        lent = [[d.name, d.strain.start, d.strain.duration] for d in donors]
        model = {"model": self.checkpoint.digest, "imaging": self.imaging.model_dump(mode="json")}
        key = digest({**model, "noise": lent, "snr": snr, "seed": self.seed, "version": _VERSION})
        return self.kept / f"{wanted.label}-{wanted.cell}-{key[:16]}.h5"


class _Made(NamedTuple):
    """Rendered copies of noise: numbers of glitches, and the triggers."""

    attempts: tuple[int, ...]
    events: tuple[Embeddings, ...]

    def with_copy(self, attempts: int, events: Embeddings | None) -> _Made:
        """Add one copy."""
        return _Made(
            (*self.attempts, attempts), self.events + (() if events is None else (events,))
        )

    def first(self, number: int) -> _Made:
        """The first copies that together hold a number of glitches."""
        count = int(np.searchsorted(np.cumsum(self.attempts), number)) + 1
        if count >= len(self.attempts):
            return self
        parts = [part.take(_copies(part) < count) for part in self.events]
        return _Made(self.attempts[:count], tuple(part for part in parts if len(part)))


def cells_of(events: Embeddings, imaging: ImagingSettings) -> dict[Cell, int]:
    """Places and ranges of SNR of some events with their numbers, without rare ones.

    Args:
        events: N events.
        imaging: Of their images.
    """
    cells = Counter(
        Cell(place, *_band(float(snr)))
        for place, snr in zip(places_of(events, imaging), events.snr, strict=True)
        if place.ifo
    )
    large = {cell: n for cell, n in sorted(cells.items()) if n >= _LEAST * len(events)}
    return large or dict(sorted(cells.items()))


def places_of(events: Embeddings, imaging: ImagingSettings) -> list[Place]:
    """Detector and sample rate of each of N events."""
    return [
        Place(str(ifo), rate_of(float(f_max), imaging))
        for ifo, f_max in zip(events.ifo, events.f_max, strict=True)
    ]


def plan_glitches(
    families: Mapping[str, Family], cells: Mapping[Cell, int], count: int
) -> dict[Wanted, int]:
    """Number of glitches of each class for each cell that can show the class.

    Args:
        families: Of the classes.
        cells: Where, and in which proportions.
        count: Glitches of each class.
    """
    plan = {}
    for label, family in families.items():
        shown = {c: n for c, n in cells.items() if c.place.sample_rate >= family.lowest_rate}
        for cell, n in shown.items():
            plan[Wanted(label, cell)] = math.ceil(count * n / sum(shown.values()))
    return plan


def rate_of(f_max: float, imaging: ImagingSettings) -> float:
    """Sample rate (Hz) of strain whose images end at a frequency (Hz).

    Rates above that of the imaging make the same images as that one.
    """
    tops = _tops(imaging.qrange, imaging.frange, imaging.mismatch)
    for rate, top in zip(_RATES, tops, strict=True):
        if top >= 0.99 * f_max:
            return min(rate, imaging.sample_rate)
    return imaging.sample_rate


@lru_cache(maxsize=16)
def _tops(
    qrange: tuple[float, float], frange: tuple[float, float], mismatch: float
) -> tuple[float, ...]:
    """Highest frequency (Hz) of images for each sample rate."""
    return tuple(
        usable_band(rate, qrange=qrange, frange=frange, mismatch=mismatch)[1] for rate in _RATES
    )


def renderable(names: Iterable[str], sample_rate: float) -> list[str]:
    """Classes of a list that are transients and visible at a sample rate (Hz).

    They are simulated, and neither what fits no class nor what is no glitch.
    """
    shapes = {card.name for card in read_catalog().cards if card.kind in ("glitch", "signal")}
    seen = {name for name in shapes if name in FAMILIES}
    return [n for n in names if n in seen and FAMILIES[n].lowest_rate <= sample_rate]


def _band(snr: float) -> tuple[float, float]:
    """The range of SNR that contains a value."""
    if not snr > 1:
        return _band(_FEWEST_SNR)
    number = math.floor(math.log(snr, _BAND) + 1e-9)
    return _BAND**number, _BAND ** (number + 1)


def _noise_and_times(donor: Donor, rng: np.random.Generator) -> tuple[Strain, list[float]]:
    """Strain of a donor, and quiet times in it that are far enough apart (s)."""
    strain = donor.strain
    if strain.duration > LONGEST:
        span = donor.centres[int(rng.integers(len(donor.centres)))]
        middle = float(rng.uniform(*span))
        start = min(max(middle - LONGEST / 2, strain.start), strain.end - LONGEST)
        strain = strain.crop(start, start + LONGEST)
    times: list[float] = []
    for span in donor.centres & segmentlist([segment(strain.start, strain.end)]):
        first, last = float(span[0]), float(span[1])
        time = max(first, times[-1] + SPACING if times else first)
        time += float(rng.uniform(0.0, max(0.0, min(SPACING, last - time))))
        while time <= last and len(times) < AT_ONCE:
            times.append(time)
            time += SPACING
    return strain, times or [float(rng.uniform(*donor.centres[0]))]


def _add(
    strain: Strain, time: float, family: Family, cell: Cell, curve: Asd, rng: np.random.Generator
) -> float:
    """Add one glitch in place; returns the seconds around it in which triggers belong to it."""
    snr = cell.low * (cell.high / cell.low) ** float(rng.random())
    parameters = {**family.draw(rng), "snr": snr}
    glitch = strain_of(family, parameters, strain.sample_rate, curve)
    add_at(strain.values, round((time - strain.start) * strain.sample_rate), glitch)
    lasts = extents(glitch.strain, strain.sample_rate, curve)[0]
    return min(max(1.0, lasts / 2 + 0.5) if math.isfinite(lasts) else 1.0, SPACING / 2)


def _copies(events: Embeddings) -> NDArray[np.int64]:
    """(M,) number of the copy of each row."""
    return np.array([int(str(name).split("/")[-2]) for name in events.event_id], dtype=np.int64)


def _read(path: Path) -> _Made | None:
    """Read stored results; None if there are none or they are unreadable."""
    if not path.is_file():
        return None
    try:
        events = Embeddings.read(path)
        return _Made(tuple(map(int, events.configuration["attempts"])), (events,))
    except (GlitchvaeError, KeyError, TypeError, ValueError):
        return None  # made again


def _keep(path: Path, made: _Made) -> None:
    if made.events:
        joined = Embeddings.join(made.events)
        configuration = {"attempts": list(made.attempts)}
        path.parent.mkdir(parents=True, exist_ok=True)
        dataclasses.replace(joined, configuration=configuration).write(path)


def _silent(_: int) -> None:
    """A progress function that shows nothing."""
