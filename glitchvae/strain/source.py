"""`StrainSource`: several files of one detector, read as one."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

from glitchvae.errors import GlitchvaeError, InputError, reading
from glitchvae.strain.series import Strain, require_gps

LOWEST_RATE = 512.0
"""Lowest sample rate (Hz) with a useful frequency range of images."""

HIGHEST_RATE = 2.0**20
"""Largest sample rate (Hz); a damaged file may state more and ask for terabytes."""

_LOG = logging.getLogger(__name__)
_SAME = 1e-6  # of the largest sample: what writing as float32 changes
_GRID_TOLERANCE = 0.05
"""Largest offset of adjoining files from a common grid, in samples (float64 GPS: 0.004)."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Evenly sampled strain in one file, not yet read.

    Attributes:
        path: The file.
        start: GPS time of the first sample in seconds.
        samples: Number of samples.
        sample_rate: Hz.
        ifo: Detector.
        channel: Name of the channel, where the file tells it.
        load: Returns samples [first, last) of the file, counted from `skip` = 0.
        skip: Samples of the file that come before `start`.
        flags: Data quality and injection masks, by name.
    """

    path: Path
    start: float
    samples: int
    sample_rate: float
    ifo: str
    channel: str | None
    load: Callable[[int, int], NDArray[np.float64]]
    skip: int = 0
    flags: Mapping[str, segmentlist] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sample_rate >= LOWEST_RATE:
            raise InputError(
                "sample rate too low",
                where=self.path,
                expected=f"at least {LOWEST_RATE:g} Hz",
                found=f"{self.sample_rate:g} Hz",
            )
        if self.sample_rate > HIGHEST_RATE:
            raise InputError(
                "sample rate too high",
                where=self.path,
                expected=f"at most {HIGHEST_RATE:,.0f} Hz",
                found=f"{self.sample_rate:g} Hz",
            )
        if self.sample_rate % 1:
            raise InputError(
                "the sample rate is not a whole number of Hz",
                where=self.path,
                expected="the same number of samples in every second",
                found=f"{self.sample_rate:.10g} Hz",
                remedy="Resample the strain.",
            )
        if self.samples < 1:
            raise InputError("no samples", where=self.path)
        require_gps(self.path, self.start, self.end)

    @property
    def end(self) -> float:
        """GPS time one step after the last sample."""
        return self.start + self.samples / self.sample_rate

    def read(self, first: int, last: int) -> NDArray[np.float64]:
        """Samples [first, last) of this stretch.

        Raises:
            InputError: the file is damaged, is gone, or changed since it was opened.
        """
        with reading(self.path):
            samples = self.load(self.skip + first, self.skip + last)
        if len(samples) != last - first:
            raise InputError(
                "changed since it was opened",
                where=self.path,
                expected=f"{last - first} samples from number {self.skip + first} on",
                found=len(samples),
            )
        return samples

    def crop(self, start: float, end: float) -> Stretch | None:
        """The part in GPS [start, end), with ends at the nearest samples, or None."""
        first = max(round((start - self.start) * self.sample_rate), 0)
        last = min(round((end - self.start) * self.sample_rate), self.samples)
        if last <= first:
            return None
        return dataclasses.replace(
            self,
            start=self.start + first / self.sample_rate,
            samples=last - first,
            skip=self.skip + first,
        )


@dataclass(frozen=True, kw_only=True)
class StrainSource:
    """Strain of one detector at one sample rate, read in slices with constant memory.

    Attributes:
        stretches: What the files hold, in order of time.
        segments: Time covered, adjoining files joined, within the limits. Samples in it may
            be NaN.
        flags: Data quality and injection masks, by name, where the files have them.
        limits: Names of what limits the time, such as "mask DATA".
        allowed: Time that the limits leave, None without limits.
        told: Files that were found to differ from others where they overlap.
    """

    stretches: tuple[Stretch, ...]
    segments: segmentlist
    flags: Mapping[str, segmentlist]
    limits: tuple[str, ...] = ()
    allowed: segmentlist | None = None
    told: set[Path] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def join(cls, stretches: Sequence[Stretch]) -> StrainSource:
        """Join stretches, in any order and possibly overlapping, to a source.

        Raises:
            InputError: two detectors, two sample rates, or adjoining files whose samples
                fall between each other's; both files are named.
        """
        if not stretches:
            raise InputError("no strain to join")
        ordered = tuple(sorted(stretches, key=lambda s: (s.start, -s.samples)))
        _require_one(ordered, "detectors", lambda s: s.ifo)
        _require_one(ordered, "sample rates", lambda s: f"{s.sample_rate:g} Hz")
        return cls(stretches=ordered, segments=_covered(ordered), flags=_flags(ordered))

    @classmethod
    def of(cls, strain: Strain) -> StrainSource:
        """A source of samples in memory.

        Raises:
            InputError: no samples, or a sample rate that leaves no band worth imaging.
        """
        return cls.join(
            [
                Stretch(
                    path=Path(strain.channel or f"{strain.ifo}:STRAIN"),
                    start=strain.start,
                    samples=len(strain),
                    sample_rate=strain.sample_rate,
                    ifo=strain.ifo,
                    channel=strain.channel,
                    load=lambda first, last: strain.values[first:last],
                )
            ]
        )

    @property
    def ifo(self) -> str:
        """Detector."""
        return self.stretches[0].ifo

    @property
    def sample_rate(self) -> float:
        """Sample rate in Hz."""
        return self.stretches[0].sample_rate

    @property
    def channel(self) -> str | None:
        """Name of the channel, if all files have the same."""
        names = {stretch.channel for stretch in self.stretches}
        return names.pop() if len(names) == 1 else None

    @property
    def whole(self) -> StrainSource:
        """The source without limits."""
        if not self.limits:
            return self
        return dataclasses.replace(self, segments=_covered(self.stretches), limits=(), allowed=None)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files in the order of time."""
        return tuple(dict.fromkeys(stretch.path for stretch in self.stretches))

    def read(self, start: float, end: float) -> Strain:
        """Read round((end - start) * sample_rate) samples from GPS `start` on.

        `start` is moved to the nearest sample. Samples that no file has are NaN; where
        files overlap, the earliest that has a sample gives it, and a later one that has
        another there is warned of, once. Files apart from each
        other need no common grid: the first one in the slice sets it, and samples of
        the others go to the nearest place. Samples outside of the limits are NaN; an end
        of a limit is moved to the nearest sample.

        Raises:
            InputError: a file is damaged, is gone, or changed since it was opened.
        """
        rate = self.sample_rate
        values = np.full(max(round((end - start) * rate), 0), np.nan)
        inside = [s for s in self.stretches if s.start < end and s.end > start]
        origin = (inside or self.stretches)[0].start
        first = round((start - origin) * rate)
        for stretch in inside:
            others = _fill(values, stretch, round((stretch.start - origin) * rate) - first)
            if others is not None and stretch.path not in self.told:
                self.told.add(stretch.path)
                _LOG.warning(
                    "%s: other samples than in another file of the same time, from GPS %.4f on;"
                    " those of the file that starts first are used",
                    stretch.path,
                    origin + (first + others) / rate,
                )
        begin = origin + first / rate
        if self.allowed is not None:
            values[~_inside(self.allowed, begin, len(values), rate)] = np.nan
        return Strain(
            values=values,
            start=begin,
            sample_rate=rate,
            ifo=self.ifo,
            channel=self.channel,
        )

    def crop(self, start: float, end: float) -> StrainSource:
        """Limit the source to GPS [start, end).

        Raises:
            InputError: it has no samples there; what it covers is named.
        """
        kept = [part for s in self.stretches if (part := s.crop(start, end)) is not None]
        if not kept:
            raise InputError(
                "no strain at the time asked for",
                where=", ".join(map(str, self.files)),
                expected=f"GPS {start} to {end}",
                found=f"GPS {_spell(self.segments)}",
            )
        source = StrainSource.join(kept)
        if self.allowed is None:
            return source
        return dataclasses.replace(
            source,
            segments=source.segments & self.allowed,
            limits=self.limits,
            allowed=self.allowed,
        )

    def limited_to(self, segments: segmentlist, name: str) -> StrainSource:
        """Limit the source to segments; samples outside of `segments` read as NaN.

        Limits add up: what is left lies in all of them. It may be no time at all.

        Args:
            segments: GPS segments, in any order.
            name: What they are, for `limits`.
        """
        within = _plain(segments)
        return dataclasses.replace(
            self,
            segments=self.segments & within,
            limits=(*self.limits, name),
            allowed=within if self.allowed is None else self.allowed & within,
        )

    def with_gaps(self, report: Callable[[GlitchvaeError], None]) -> StrainSource:
        """Replace a file that cannot be read by a gap, with one report.

        What was read of the file before stays read; from then on its samples are NaN.

        Args:
            report: Told what is wrong with a file.
        """
        bad: set[Path] = set()

        def spared(stretch: Stretch) -> Stretch:
            def load(first: int, last: int) -> NDArray[np.float64]:
                if stretch.path not in bad:
                    try:
                        return stretch.read(first - stretch.skip, last - stretch.skip)
                    except GlitchvaeError as error:
                        bad.add(stretch.path)
                        report(error)
                return np.full(last - first, np.nan)

            return dataclasses.replace(stretch, load=load)

        return dataclasses.replace(self, stretches=tuple(map(spared, self.stretches)))


def _fill(values: NDArray[np.float64], stretch: Stretch, offset: int) -> int | None:
    """Fill NaN in `values` with samples of `stretch`, whose first has index `offset`.

    Returns:
        The first index at which it has another sample than `values`, or None.
    """
    lower, upper = max(offset, 0), min(offset + stretch.samples, len(values))
    if lower >= upper:
        return None
    part = values[lower:upper]
    there = np.isfinite(part)
    read = stretch.read(lower - offset, upper - offset)
    part[~there] = read[~there]
    if not there.any():
        return None
    apart = np.abs(read - part) > _SAME * np.abs(part[there]).max()  # NaN is not apart
    return lower + int(apart.argmax()) if apart.any() else None


def _inside(allowed: segmentlist, begin: float, samples: int, rate: float) -> NDArray[np.bool_]:
    """Whether each of a number of samples from `begin` on lies in `allowed`."""
    inside = np.zeros(samples, dtype=bool)
    for start, end in allowed & segmentlist([segment(begin - 1, begin + samples / rate + 1)]):
        inside[max(round((start - begin) * rate), 0) : max(round((end - begin) * rate), 0)] = True
    return inside


def _plain(segments: segmentlist) -> segmentlist:
    """Coalesced segments with floating-point ends."""
    return segmentlist(segment(float(start), float(end)) for start, end in segments).coalesce()


def _require_one(stretches: Sequence[Stretch], what: str, key: Callable[[Stretch], str]) -> None:
    first = stretches[0]
    for other in stretches[1:]:
        if key(other) != key(first):
            raise InputError(
                f"two {what} mixed",
                where=f"{first.path} and {other.path}",
                found=f"{key(first)} and {key(other)}",
                remedy="Give them in separate calls.",
            )


def _covered(ordered: Sequence[Stretch]) -> segmentlist:
    """Time covered by stretches in order; adjacent ones must share one sample grid."""
    covered = segmentlist()
    last = ordered[0]  # the stretch that reaches furthest so far
    for stretch in ordered:
        if covered and stretch.start < last.end + 0.5 / last.sample_rate:
            _require_one_grid(last, stretch)
            covered[-1] = segment(covered[-1][0], max(covered[-1][1], stretch.end))
        else:
            covered.append(segment(stretch.start, stretch.end))
        last = max(last, stretch, key=lambda s: s.end)
    return covered


def _require_one_grid(one: Stretch, other: Stretch) -> None:
    shift = (other.start - one.start) * one.sample_rate
    if abs(shift - round(shift)) > _GRID_TOLERANCE:
        raise InputError(
            "samples of adjoining files are not on one grid",
            where=f"{one.path} and {other.path}",
            expected="starts a whole number of samples apart",
            found=f"{shift:.3f} samples",
            remedy="Give them in separate calls.",
        )


def _flags(stretches: Sequence[Stretch]) -> dict[str, segmentlist]:
    """Masks of all stretches by name, restricted to the samples they describe."""
    flags: dict[str, segmentlist] = {}
    for stretch in stretches:
        extent = segmentlist([segment(stretch.start, stretch.end)])
        for name, active in stretch.flags.items():
            flags[name] = (flags.get(name, segmentlist()) | (active & extent)).coalesce()
    return flags


def _spell(covered: segmentlist) -> str:
    return ", ".join(f"{a} to {b}" for a, b in covered)
