"""Plan of a census: its shards and an estimate of time and memory."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from igwn_segments import segment, segmentlist

from glitchvae.archive import StrainTask
from glitchvae.archive.ledger import SLIVER
from glitchvae.census.census import Census, How, Times, write_census
from glitchvae.census.shards import Shard, StrainFile, cut
from glitchvae.census.state import read_state
from glitchvae.embedding import Job, limit_sources, open_inputs
from glitchvae.errors import GlitchvaeError, InputError, reading
from glitchvae.strain import StrainSource, find_strain
from glitchvae.strain.segments import DEFAULT_MASKS

BYTES_OF_AN_EVENT = 30_000
"""Approximate size of a row and its pictures in an archive, for estimates."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimated cost of a census: counts are exact, times are scaled from a trial.

    Attributes:
        shards: How many are left.
        seconds: Strain in them.
        read: Bytes of their files.
        core_hours: Estimated.
        events: Estimated.
        written: Bytes of the parts and the archive, estimated.
        memory: Peak of a worker in bytes, as the trial had it.
    """

    shards: int
    seconds: float
    read: int
    core_hours: float
    events: float
    written: float
    memory: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """Strain for a census.

    Attributes:
        sources: Of one or several detectors, with their limits.
        channels: Of files that hold several, by detector.
        problems: Errors of files that cannot be used.
    """

    sources: tuple[StrainSource, ...]
    channels: dict[str, str]
    problems: tuple[GlitchvaeError, ...]


def find_sources(
    inputs: Sequence[Path],
    *,
    lists: Sequence[Path] = (),
    frames: Sequence[tuple[str, str, str]] = (),
    ifo: str | None = None,
    channel: str | None = None,
    start: float | None = None,
    end: float | None = None,
    segments: Sequence[str] = (),
    flags: Sequence[str] = (),
    masks: Sequence[str] = DEFAULT_MASKS,
) -> Found:
    """Find strain in files, folders, lists of files, and frames known to a server.

    Args:
        inputs: Files of strain, and folders of them.
        lists: Text files with the path of a file on each line.
        frames: Detector, frame type and channel.
        ifo: Detector of strain that does not say it.
        channel: Channel of files that hold several.
        start: GPS time, for frames.
        end: GPS time, for frames.
        segments: As `limit_sources` takes them.
        flags: The same.
        masks: The same.

    Raises:
        InputError: a list, the server, segments or a flag cannot be used.
    """
    opened = open_inputs((*inputs, *_listed(lists)), ifo=ifo, channel=channel)
    problems = list(opened.problems)
    problems += [
        InputError("the file holds images, but strain is expected", where=path)
        for path in opened.image_sets
    ]
    sources, channels = list(opened.sources), {}
    if channel is not None:
        channels = {source.ifo: channel for source in sources}
    for name, kind, of in frames:
        if start is None or end is None:
            raise InputError("frames need a start and an end", expected="--start and --end")
        sources.append(find_strain(name, kind, of, start, end))
        channels[name] = of
    limited = limit_sources(sources, segments=segments, flags=flags, masks=masks, ifo=ifo)
    return Found(sources=tuple(limited), channels=channels, problems=tuple(problems))


def _listed(lists: Sequence[Path]) -> list[Path]:
    paths: list[Path] = []
    for path in lists:
        with reading(path, "the list of files cannot be read"):
            lines = path.read_text(encoding="utf-8").splitlines()
        paths += [Path(line.strip()) for line in lines if line.strip()]
    return paths


def plan_census(
    folder: Path,
    sources: Sequence[StrainSource],
    how: How,
    *,
    archive: Path,
    length: float,
    attempts: int = 3,
    backoff: float = 60.0,
    span: tuple[float, float] | None = None,
    channels: dict[str, str] | None = None,
    problems: Sequence[GlitchvaeError] = (),
) -> Census:
    """Divide strain into shards and write them down; finished shards stay finished.

    Args:
        folder: Where the census is kept.
        sources: Strain of one or several detectors, with their limits.
        how: How every shard is worked on.
        archive: Where the result is to be.
        length: Seconds of a shard, a multiple of 60.
        attempts: Times that a shard is tried.
        backoff: Seconds from the first attempt to the second.
        span: GPS times that the census is of; None: from the first sample to the last one of
            any detector.
        channels: Of files that hold several, by detector.
        problems: Files that could not be used.

    Raises:
        InputError: no strain at all, or a length that is none.
        StorageError: the disk refused the write; an earlier plan is untouched.
    """
    shards: dict[str, Shard] = {}
    for source in sources:
        files = {path: StrainFile.of(path) for path in source.files}
        channel = (channels or {}).get(source.ifo)
        for shard in cut(source, length, files, how.digest, channel=channel, span=span):
            shards[shard.name] = shard
    if not shards:
        raise InputError("no strain to search", found="; ".join(map(str, problems)) or None)
    return write_census(
        folder,
        list(shards.values()),
        how=how,
        archive=str(archive.absolute()),
        attempts=attempts,
        backoff=backoff,
        missing=_missing(sources, span),
        overlaps=_overlaps(sources, span),
        problems=tuple(str(problem) for problem in problems),
    )


def estimate(census: Census, sources: Sequence[StrainSource], job: Job, *, cores: int) -> Estimate:
    """Estimate the remaining work from a trial on a few minutes of each detector.

    Args:
        census: The census.
        sources: Its strain.
        job: How it is worked on.
        cores: That the trial may use.
    """
    left = [s for s in census.shards if not read_state(census, s).kind.finished]
    seconds = sum(shard.seconds for shard in left)
    files = {file.path: file.size for shard in left for file in shard.files}
    if not left:
        return Estimate(
            shards=0, seconds=0.0, read=0, core_hours=0.0, events=0.0, written=0.0, memory=0
        )
    trials = [StrainTask(source=source).plan(job) for source in sources if source.segments]
    trial = functools.reduce(operator.add, trials)
    share = seconds / trial.seconds
    return Estimate(
        shards=len(left),
        seconds=seconds,
        read=sum(files.values()),
        core_hours=share * trial.estimated_seconds * cores / 3600,
        events=share * trial.expected,
        written=2 * share * trial.expected * BYTES_OF_AN_EVENT,
        memory=trial.memory,
    )


def _missing(sources: Sequence[StrainSource], span: tuple[float, float] | None) -> dict[str, Times]:
    """Time that no file of a detector covers."""
    covered: dict[str, segmentlist] = {}
    for source in sources:
        mine = covered.get(source.ifo, segmentlist())
        covered[source.ifo] = mine | source.whole.segments
    every = segmentlist([s for own in covered.values() for s in own])
    ends = segmentlist([segment(*(span or every.extent()))])
    return {ifo: _times(ends - own) for ifo, own in covered.items() if ends - own}


def _overlaps(
    sources: Sequence[StrainSource], span: tuple[float, float] | None
) -> dict[str, Times]:
    """Time of which several files have samples; those of the first file are used."""
    found: dict[str, segmentlist] = {}
    limits = segmentlist([segment(*(span or (-math.inf, math.inf)))])
    for source in sources:
        reached = float("-inf")
        twice = segmentlist()
        for earlier, later in pairwise(source.stretches):
            reached = max(reached, earlier.end)
            if reached - later.start > SLIVER:
                twice.append(segment(later.start, min(reached, later.end)))
        if twice.coalesce() & limits:
            found[source.ifo] = found.get(source.ifo, segmentlist()) | (twice & limits)
    return {ifo: _times(times) for ifo, times in found.items()}


def _times(segments: segmentlist) -> Times:
    return tuple((float(a), float(b)) for a, b in segments if abs(b - a) > SLIVER)
