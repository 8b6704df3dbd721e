"""The user's segments: from a file, the segment database, or masks of strain files."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from igwn_segments import segment, segmentlist

from glitchvae.errors import InputError, reading
from glitchvae.guard import needs, read_apart, require_file
from glitchvae.store import opened
from glitchvae.strain.discovery import network_errors
from glitchvae.strain.naming import DETECTORS
from glitchvae.strain.source import StrainSource, Stretch

DEFAULT_MASKS: tuple[str, ...] = ("DATA",)
"""Masks that limit a search by default."""

_LOG = logging.getLogger(__name__)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NOT_TEXT = (b"<", b"\x1f\x8b")  # LIGO_LW is XML, often compressed


def read_segments(path: str | Path, *, ifo: str | None = None) -> dict[str, segmentlist]:
    """Read segments by detector from LIGO_LW, HDF5 or text, recognised by content.

    Segments that overlap are joined, with a warning.

    Args:
        path: A file of flags (LIGO_LW or gwpy's HDF5), else text with two GPS times on
            each line, or number, start, end and duration, as segment databases give them.
        ifo: Detector, which text does not tell.

    Raises:
        InputError: the file cannot be read, holds no segment, or does not tell the detector;
            an unknown detector; a package for LIGO_LW is missing.
    """
    if ifo is not None:
        _require_detector(ifo, path)
    path = Path(path)
    kind = _kind(path)
    if kind == "segwizard":
        return {_told(ifo, path): _read_text(path)}
    flags = read_apart(_read_flags, path, kind)
    found: dict[str, segmentlist] = {}
    for label, owner, active in flags:
        detector = _told(owner or ifo, f"{path}: {label}")
        found[detector] = found.get(detector, segmentlist()) | _joined(active, path)
    if ifo is not None:
        found = {name: found[name] for name in found if name == ifo}
    if not any(map(len, found.values())):
        raise InputError(
            "the file holds no segments",
            where=path,
            found=sorted(label for label, _, _ in flags),
            expected=ifo,
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A flag of the segment database.

    Attributes:
        name: Such as "H1:DMT-ANALYSIS_READY:1".
        known: GPS segments in which its state is known.
        active: GPS segments in which it is on.
    """

    name: str
    known: segmentlist
    active: segmentlist


def query_flag(name: str, start: float, end: float, *, host: str | None = None) -> Flag:
    """Query a flag of the segment database (DQSegDB) between two GPS times.

    Args:
        name: `IFO:NAME:VERSION`; without a version, all versions joined.
        start: GPS seconds.
        end: GPS seconds.
        host: The server; by default that of the environment (DEFAULT_SEGMENT_SERVER).

    Raises:
        InputError: no such flag, an unknown detector, no answer, or the server asks for a token.
    """
    ifo, rest = detector_of_flag(name), name.partition(":")[2]
    from dqsegdb2.query import query_segments, query_versions
    from dqsegdb2.utils import get_default_host

    host = host or get_default_host()
    where = f"flag {name} at {host}"
    rest, versioned = rest.removesuffix(":*"), rest.rpartition(":")[2].isdigit()
    with network_errors(where, remedy="Give the segments as a file with --segments."):
        if not versioned and not query_versions(f"{ifo}:{rest}", host=host):
            raise InputError("the flag has no version", where=where)
        found: Any = query_segments(f"{ifo}:{rest}", math.floor(start), math.ceil(end), host=host)
    return Flag(name=name, known=_plain(found["known"]), active=_plain(found["active"]))


def detector_of_flag(name: str) -> str:
    """The detector that the name of a flag begins with.

    Raises:
        InputError: it is no name of a flag, or of an unknown detector.
    """
    ifo, _, rest = name.partition(":")
    if not rest:
        raise InputError(
            f"{name!r} is not the name of a flag", expected="such as H1:DMT-ANALYSIS_READY:1"
        )
    _require_detector(ifo, f"flag {name}")
    return ifo


def masked(source: StrainSource, names: Sequence[str] = DEFAULT_MASKS) -> StrainSource:
    """Limit a source to times at which masks of its files are set.

    A file without the mask "DATA" is not limited by it; any other mask must be there.

    Args:
        source: Strain.
        names: Masks, such as "CBC_CAT2"; "DATA" is where the detector gave data.

    Raises:
        InputError: a file has no such mask; those it has are listed.
    """
    for name in names:
        without = [s for s in source.stretches if name not in s.flags]
        if without and name not in DEFAULT_MASKS:
            raise InputError(
                f"no mask {name!r}",
                where=without[0].path,
                found=", ".join(without[0].flags) or "no mask at all",
            )
        if len(without) == len(source.stretches):
            continue
        set_then = [_set_in(stretch, name) for stretch in source.stretches]
        joined = segmentlist(part for each in set_then for part in each).coalesce()
        source = source.limited_to(joined, f"mask {name}")
    return source


def _set_in(stretch: Stretch, name: str) -> segmentlist:
    extent = segmentlist([segment(stretch.start, stretch.end)])
    return stretch.flags[name] & extent if name in stretch.flags else extent


def _require_detector(ifo: str, where: object) -> None:
    if ifo not in DETECTORS:
        raise InputError(
            "unknown detector", where=where, expected=f"one of {', '.join(DETECTORS)}", found=ifo
        )


def _told(ifo: str | None, where: object) -> str:
    if ifo is None:
        raise InputError(
            "no detector is named",
            where=where,
            expected="such as H1",
            remedy="Give it as IFO=FILE.",
        )
    return ifo


def _kind(path: Path) -> str:
    """Name of the file's format in gwpy."""
    with reading(path, "cannot be read as segments", remedy=None):
        require_file(path)
        with path.open("rb") as stream:
            head = stream.read(512)
        if head.startswith(_HDF5):
            return "hdf5"
        head = head.lstrip()
        return "ligolw" if head.startswith(_NOT_TEXT) else "segwizard"


def _read_text(path: Path) -> segmentlist:
    from gwpy.segments import SegmentList

    try:
        found = SegmentList.read(str(path), format="segwizard", gpstype=float, strict=False)
    except (OSError, ValueError) as error:
        raise InputError(
            "cannot be read as segments",
            where=path,
            found=error,
            expected="GPS start and end on each line",
        ) from error
    if not found:
        raise InputError(
            "the file holds no segments", where=path, expected="start and end on each line"
        )
    return _joined(found, path)


@needs("gwpy.segments")
def _read_flags(path: Path, kind: str) -> list[tuple[str, str | None, segmentlist]]:
    """Name, detector and active segments of each flag."""
    from gwpy.segments import DataQualityDict

    with reading(path, "cannot be read as segments", remedy=None):
        if kind == "hdf5":
            with opened(path):  # which looks at its links
                pass
        flags = DataQualityDict.read(path, format=kind)
        return [(str(name), flag.ifo, _plain(flag.active)) for name, flag in flags.items()]


def _joined(segments: segmentlist, path: Path) -> segmentlist:
    """Disjoint segments in the order of time, with a warning if they overlapped."""
    joined, total = _plain(segments), sum(float(abs(part)) for part in segments)
    if total > float(abs(joined)) + 1e-6:
        _LOG.warning(
            "%s: segments overlap; joined, %g s are left of %g s", path, abs(joined), total
        )
    return joined


def _plain(segments: segmentlist) -> segmentlist:
    """Coalesced segments with floating-point ends."""
    return segmentlist(segment(float(start), float(end)) for start, end in segments).coalesce()
