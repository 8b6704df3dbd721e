"""A user's files, recognised by content: strain by detector and rate, or images."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from igwn_segments import segmentlist

from glitchvae.dataset import is_image_set
from glitchvae.errors import GlitchvaeError, InputError, reading
from glitchvae.strain import StrainSource, Stretch, open_strain
from glitchvae.strain.segments import (
    DEFAULT_MASKS,
    detector_of_flag,
    masked,
    query_flag,
    read_segments,
)
from glitchvae.triggers import Triggers, at_times, read_triggers

_LOG = logging.getLogger(__name__)
_SUFFIXES = (".hdf5", ".h5", ".hdf", ".gwf")  # of files that are looked for in a folder


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Content of the user's files.

    Attributes:
        sources: Strain, joined in time for each detector and sample rate.
        image_sets: Files and folders of images.
        problems: Errors of the files that cannot be used.
    """

    sources: tuple[StrainSource, ...]
    image_sets: tuple[Path, ...]
    problems: tuple[GlitchvaeError, ...]


def open_inputs(
    paths: Iterable[str | Path], *, ifo: str | None = None, channel: str | None = None
) -> Inputs:
    """Open every file; files that cannot be used are collected as errors.

    Args:
        paths: Strain files, folders of them at any depth, image sets.
        ifo: Detector of strain that does not say it.
        channel: Channel of strain files that hold several.
    """
    groups: dict[tuple[str, float], list[Stretch]] = {}
    image_sets: list[Path] = []
    problems: list[GlitchvaeError] = []
    for path in (file for given in paths for file in _files_in(Path(given))):
        try:
            with reading(path):
                if is_image_set(path):
                    image_sets.append(path)
                    continue
                source = open_strain(path, ifo=ifo, channel=channel)
            groups.setdefault((source.ifo, source.sample_rate), []).extend(source.stretches)
        except GlitchvaeError as error:
            problems.append(error)
    sources = [source for group in groups.values() for source in _join(group)]
    _warn_of_two_rates(sources)
    return Inputs(sources=tuple(sources), image_sets=tuple(image_sets), problems=tuple(problems))


def _files_in(path: Path) -> list[Path]:
    """Files of a folder by suffix; the path itself if it is a file or holds pictures."""
    if not path.is_dir() or is_image_set(path):
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    return found or [path]


def limit_sources(
    sources: Sequence[StrainSource],
    *,
    segments: Sequence[str | Path] | Mapping[str, segmentlist] = (),
    flags: Sequence[str] = (),
    masks: Sequence[str] = DEFAULT_MASKS,
    ifo: str | None = None,
) -> list[StrainSource]:
    """Limit the sources to segments, flags of the segment database and masks of the files.

    Limits add up; segment files of one detector are joined. A detector that none of the
    segments or flags is of is not limited by them, with a warning. So are limits that
    leave no strain: that source has no segments.

    Args:
        sources: Strain of one or several detectors.
        segments: Files of segments, each as a path or as "IFO=path", or GPS segments by
            detector.
        flags: Names of flags, `IFO:NAME:VERSION`.
        masks: Names of masks; see `glitchvae.strain.segments.masked`.
        ifo: Detector of segment files that do not tell it; by default the only one of the strain.

    Raises:
        InputError: a file of segments, a flag or a mask cannot be used, or none of the
            segments or flags is of a detector of the strain.
    """
    detectors = list(dict.fromkeys(source.ifo for source in sources))
    sole = detectors[0] if len(detectors) == 1 else None
    if isinstance(segments, Mapping):
        chosen, names = dict(segments), dict.fromkeys(segments, "segments")
    else:
        chosen, names = _read_all(segments, ifo or sole)
    owners = [detector_of_flag(flag) for flag in flags]
    _require_detectors(detectors, list(chosen), "segments")
    _require_detectors(detectors, owners, "flag")
    limited = []
    for source in sources:
        part = masked(source, masks)
        if source.ifo in chosen:
            part = part.limited_to(chosen[source.ifo], names[source.ifo])
        for owner, flag in zip(owners, flags, strict=True):
            if owner == source.ifo:
                part = _flagged(part, flag)
        if not part.segments:
            seconds, why = float(abs(source.segments)), ", ".join(part.limits)
            _LOG.warning("%s: none of %g s of strain is left by %s", source.ifo, seconds, why)
        limited.append(part)
    return limited


def _read_all(
    options: Sequence[str | Path], ifo: str | None
) -> tuple[dict[str, segmentlist], dict[str, str]]:
    """Segments by detector, joined over files, and the names of these files."""
    found: dict[str, segmentlist] = {}
    files: dict[str, list[str]] = {}
    for option in map(str, options):
        told, equals, path = option.partition("=")
        if not equals or Path(option).exists():
            told, path = ifo, option
        for detector, read in read_segments(path, ifo=told or None).items():
            found[detector] = found.get(detector, segmentlist()) | read
            files.setdefault(detector, []).append(Path(path).name)
    return found, {detector: f"segments {', '.join(f)}" for detector, f in files.items()}


def _require_detectors(detectors: Sequence[str], given: Sequence[str], what: str) -> None:
    """Check that limits are for detectors of the strain; warn if some are not."""
    if not given or not detectors:
        return
    if not set(given) & set(detectors):
        raise InputError(
            f"no {what} of a detector of the strain",
            expected=" or ".join(detectors),
            found=", ".join(given),
        )
    for ifo in detectors:
        if ifo not in given:
            _LOG.warning("%s: no %s given, all of its strain is searched", ifo, what)
    for ifo in dict.fromkeys(given):
        if ifo not in detectors:
            _LOG.warning("%s: %s given, but no strain", ifo, what)


def _flagged(source: StrainSource, name: str) -> StrainSource:
    """Limit a source to the active time of a flag; warn about time of unknown state."""
    covered = source.whole.segments
    flag = query_flag(name, *map(float, covered.extent()))
    if unknown := float(abs(covered - flag.known)):
        _LOG.warning("flag %s is not known for %g s of strain, not searched", name, unknown)
    return source.limited_to(flag.active, f"flag {name}")


def read_triggers_for(
    path: str | Path, sources: Sequence[StrainSource], *, ifo: str | None = None
) -> Triggers:
    """Read triggers; a table without detector belongs to the only detector of the strain.

    Raises:
        InputError: the table cannot be read, or no detector can be told.
    """
    detectors = {source.ifo for source in sources}
    try:
        return read_triggers(path, ifo=ifo)
    except InputError:
        if ifo is not None or len(detectors) != 1:
            raise
        return read_triggers(path, ifo=detectors.pop())


def triggers_at(
    gps: Sequence[float], sources: Sequence[StrainSource]
) -> tuple[Triggers, list[GlitchvaeError]]:
    """Triggers at the user's times, for every detector that has strain then.

    Args:
        gps: Times (s).
        sources: Strain of one or several detectors.

    Returns:
        The triggers, and an error for each time that no strain covers.
    """
    covered = {
        ifo: [
            time for time in gps if any(time in s.whole.segments for s in sources if s.ifo == ifo)
        ]
        for ifo in sorted({source.ifo for source in sources})
    }
    problems: list[GlitchvaeError] = []
    for time in gps:
        without = [ifo for ifo, times in covered.items() if time not in times]
        if len(without) == len(covered):
            problems.append(_outside(time, sources))
        elif without:
            _LOG.warning("GPS %s: no strain of %s", time, ", ".join(without))
    return Triggers.join([at_times(times, ifo) for ifo, times in covered.items()]), problems


def _outside(gps: float, sources: Sequence[StrainSource]) -> InputError:
    """Error for a time without strain, which names the nearest strain."""
    stretches = [(float(a), float(b), s.ifo) for s in sources for a, b in s.whole.segments]
    start, end, ifo = min(stretches, key=lambda s: max(s[0] - gps, gps - s[1]))
    return InputError(
        "no strain at this time, which is left out",
        where=f"GPS {gps}",
        found=f"the nearest strain, of {ifo}, GPS {start} to {end}",
    )


def assign_triggers(
    triggers: Triggers, sources: Sequence[StrainSource]
) -> list[tuple[StrainSource, Triggers]]:
    """Assign each trigger to the first source of its detector that covers its time.

    One that no source covers goes to the first source of its detector, so that it gets
    its row and status. Triggers of detectors without strain are left out with a warning.

    Raises:
        InputError: none of the triggers is of a detector that there is strain of.
    """
    detectors = sorted({source.ifo for source in sources})
    others = {ifo: count for ifo, count in triggers.ifos.items() if ifo not in detectors}
    if sum(others.values()) == len(triggers):
        raise InputError(
            "no trigger is of a detector of the strain",
            expected=" or ".join(detectors),
            found=", ".join(others) or "no trigger",
            remedy="Give the strain and the triggers of the same detector.",
        )
    for ifo, count in others.items():
        _LOG.warning("%d triggers of %s left out: the strain is of %s", count, ifo, detectors)
    owners = np.array(
        [_owner(*row, sources) for row in zip(triggers.gps, triggers.ifo, strict=True)]
    )
    return [
        (source, triggers.take(owners == number))
        for number, source in enumerate(sources)
        if (owners == number).any()
    ]


def _owner(gps: float, ifo: str, sources: Sequence[StrainSource]) -> int:
    """Number of the source of a trigger, -1 if there is none."""
    mine = [number for number, source in enumerate(sources) if source.ifo == ifo]
    covering = [number for number in mine if gps in sources[number].whole.segments]
    return (covering or mine or [-1])[0]


def _warn_of_two_rates(sources: Sequence[StrainSource]) -> None:
    """Warn of time that one detector has at two sample rates, such as GWOSC's 4 and 16 kHz."""
    for first, second in combinations(sources, 2):
        shared = float(abs(first.segments & second.segments))
        if first.ifo == second.ifo and first.sample_rate != second.sample_rate and shared:
            _LOG.warning(
                "%s: %g s at both %g and %g Hz; each is searched, and a glitch there counts twice."
                " Give one sample rate.",
                first.ifo,
                shared,
                first.sample_rate,
                second.sample_rate,
            )


def _join(stretches: list[Stretch]) -> list[StrainSource]:
    """Join stretches to one source; if their samples are on different grids, one for each file."""
    try:
        return [StrainSource.join(stretches)]
    except InputError as error:
        _LOG.warning("taken one by one: %s", error)
        return [StrainSource.join([stretch]) for stretch in stretches]
