"""Veto segments: time around a group of glitches, and the effect of its removal.

Efficiency, dead time and use percentage are those of hveto (Smith et al. 2011, "A
hierarchical method for vetoing noise transients in gravitational-wave detectors",
CQG 28, 235005).
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

from glitchvae.errors import InputError, how_to_install
from glitchvae.store import replacing

if TYPE_CHECKING:
    from gwpy.segments import DataQualityDict

PADDING = 0.1
"""Seconds added at both ends of a glitch: the uncertainty of a tile's time."""

_TICK = 1e-3  # edges are whole milliseconds, so that every format holds them exactly
_LIGOLW, _HDF5, _TEXT = (".xml", ".xml.gz"), (".h5", ".hdf5"), (".txt",)


@dataclass(frozen=True, kw_only=True)
class VetoScore:
    """Figures of the veto segments of one detector.

    Attributes:
        ifo: Detector.
        segments: Number of segments.
        seconds: Their length in all.
        dead_time: Share of the live time that they remove, NaN where it is unknown.
        glitches: Glitches that the veto is measured against.
        vetoed: How many of them lie inside a segment.
        use_percentage: Share of the segments (in per cent) that hold at least one of them.
    """

    ifo: str
    segments: int
    seconds: float
    dead_time: float
    glitches: int
    vetoed: int
    use_percentage: float

    @property
    def efficiency(self) -> float:
        """Fraction of the glitches that the veto removes, NaN if there are none."""
        return self.vetoed / self.glitches if self.glitches else math.nan

    @property
    def ratio(self) -> float:
        """Efficiency over dead time: about 1 for segments placed at random."""
        return self.efficiency / self.dead_time if self.dead_time else math.nan


def veto_segments(
    gps: NDArray[np.floating], duration: NDArray[np.floating], *, padding: float = PADDING
) -> segmentlist:
    """Disjoint segments around glitches, in the order of time.

    Args:
        gps: (N,) times of the glitches (s); those that are NaN have no segment.
        duration: (N,) their durations (s), NaN where unknown.
        padding: Seconds added at both ends.
    """
    known = np.isfinite(gps)
    half = np.nan_to_num(np.asarray(duration, dtype=np.float64)[known]) / 2 + padding
    times = np.asarray(gps, dtype=np.float64)[known]
    starts = np.floor(np.round((times - half) / _TICK, 3)) * _TICK
    ends = np.ceil(np.round((times + half) / _TICK, 3)) * _TICK
    pairs = zip(np.round(starts, 3).tolist(), np.round(ends, 3).tolist(), strict=True)
    return segmentlist(segment(start, end) for start, end in pairs).coalesce()


def score_veto(
    ifo: str,
    segments: segmentlist,
    gps: NDArray[np.floating],
    live: segmentlist | None = None,
) -> VetoScore:
    """Efficiency, dead time and use percentage of veto segments.

    Args:
        ifo: Detector.
        segments: Disjoint and in the order of time.
        gps: (N,) times of the glitches of that detector to measure against; NaN are left out.
        live: Stretches that were searched; None where unknown.
    """
    times = np.asarray(gps, dtype=np.float64)
    times = times[np.isfinite(times)]
    edges = np.array([tuple(s) for s in segments], dtype=np.float64).reshape(-1, 2)
    place = np.searchsorted(edges[:, 0], times, side="right") - 1
    inside = (place >= 0) & (times < edges[np.maximum(place, 0), 1]) if len(edges) else place > 0
    used = len(np.unique(place[inside]))
    removed = float(abs(segments & live)) if live else 0.0
    return VetoScore(
        ifo=ifo,
        segments=len(segments),
        seconds=float(abs(segments)),
        dead_time=removed / float(abs(live)) if live and abs(live) > 0 else math.nan,
        glitches=len(times),
        vetoed=int(inside.sum()),
        use_percentage=100.0 * used / len(segments) if len(segments) else math.nan,
    )


def write_segments(
    path: str | Path,
    segments: Mapping[str, segmentlist],
    *,
    name: str,
    known: Mapping[str, segmentlist] | None = None,
) -> None:
    """Write segments in the format of the suffix: LIGO_LW, HDF5, or text of one detector.

    Flags in LIGO_LW and HDF5 say when their state is known. That is `known` and the segments
    themselves: gwpy drops the active time of a flag that is not known. Without it nothing is
    said of the time between the segments.

    Args:
        path: `.xml`, `.xml.gz`, `.h5`, `.hdf5` or `.txt` (segwizard: number, start,
            end and length on each line).
        segments: Of each detector.
        name: Of the flag, which becomes `<ifo>:GLITCHVAE-<NAME>:1`.
        known: Time in which the flag would be active if there were a reason: what was
            searched, by detector.

    Raises:
        InputError: another suffix, or text of several detectors, or an optional
            package is missing.
        StorageError: the disk refused the write.
    """
    suffix = _suffix(path)
    with replacing(path) as temporary:
        if suffix in _TEXT:
            _write_text(temporary, segments, path)
        elif suffix in _HDF5:
            _flags(segments, name, known).write(temporary, format="hdf5", overwrite=True)
        else:
            _write_ligolw(temporary, _flags(segments, name, known), path)


def _suffix(path: str | Path) -> str:
    name = Path(path).name.lower()
    known = (*_LIGOLW, *_HDF5, *_TEXT)
    suffix = next((s for s in known if name.endswith(s)), None)
    if suffix is None:
        raise InputError(
            "the suffix is not that of a format of segments",
            where=path,
            expected=f"one of {', '.join(known)}",
        )
    return suffix


def _flags(
    segments: Mapping[str, segmentlist], name: str, known: Mapping[str, segmentlist] | None
) -> DataQualityDict:
    from gwpy.segments import DataQualityDict, DataQualityFlag

    label = name.upper().replace("-", "_")
    flags = DataQualityDict()
    for ifo, active in sorted(segments.items()):
        flag = f"{ifo}:GLITCHVAE-{label}:1"
        told = active | (known or {}).get(ifo, segmentlist())
        flags[flag] = DataQualityFlag(flag, active=active, known=told, isgood=False)
    return flags


def _write_ligolw(temporary: Path, flags: DataQualityDict, path: str | Path) -> None:
    try:
        import igwn_ligolw  # noqa: F401
    except ImportError as error:
        raise InputError(
            "writing LIGO_LW needs igwn-ligolw",
            where=path,
            remedy=how_to_install("triggers"),
        ) from error
    flags.write(temporary, format="ligolw", overwrite=True)
    if str(path).endswith(".gz"):
        temporary.write_bytes(gzip.compress(temporary.read_bytes(), mtime=0))


def _write_text(temporary: Path, segments: Mapping[str, segmentlist], path: object) -> None:
    from gwpy.segments import SegmentList

    if len(segments) > 1:
        raise InputError(
            "a text file can hold the segments of one detector only",
            where=path,
            found=sorted(segments),
            remedy="Write a file for each of them, or LIGO_LW.",
        )
    (own,) = segments.values() or [segmentlist()]
    SegmentList(own).write(temporary, format="segwizard", coltype=_milliseconds)


def _milliseconds(time: float) -> Decimal:
    """A time rounded to milliseconds."""
    return Decimal(f"{time:.3f}")
