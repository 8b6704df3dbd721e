"""Live time: what was searched, which rates and changes of a rate are relative to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray
from scipy import stats

from glitchvae.archive import Archive
from glitchvae.archive.layout import parse_part, part_files
from glitchvae.embedding import Embeddings

Live = Mapping[str, segmentlist]
"""Stretches that were searched, by detector."""

DAYS_OF_A_MONTH = 30.0


def live_segments(archive: Archive) -> dict[str, segmentlist]:
    """What the names of an archive's parts say was searched, by detector.

    A part's name says where its job began and ended; gaps of the strain in between count
    as searched.
    """
    found: dict[str, segmentlist] = {}
    for path in part_files(archive.path):
        name = parse_part(path.name)
        if name is not None and name.gps > 0 and name.duration > 0:
            stretch = segment(float(name.gps), float(name.gps + name.duration))
            found.setdefault(name.ifo, segmentlist()).append(stretch)
    return {ifo: segmentlist(stretches).coalesce() for ifo, stretches in sorted(found.items())}


def spans(embeddings: Embeddings) -> dict[str, segmentlist]:
    """From each detector's first event to its last: live time for want of a better one."""
    found = {}
    for ifo in sorted(set(embeddings.ifo)):
        times = embeddings.gps[(embeddings.ifo == ifo) & np.isfinite(embeddings.gps)]
        if len(times) > 1:
            found[ifo] = segmentlist([segment(float(times.min()), float(times.max()))])
    return found


def hours(live: Live, ifo: str) -> float:
    """Live hours of a detector, NaN where unknown."""
    return float(abs(live[ifo])) / 3600.0 if ifo in live else float("nan")


def months(live: Live) -> float:
    """Live months, times of several detectors at once counted once; NaN where unknown."""
    together = segmentlist([s for stretches in live.values() for s in stretches]).coalesce()
    return float(abs(together)) / 86400.0 / DAYS_OF_A_MONTH or float("nan")


def drift(gps: NDArray[np.float64], ifo: NDArray[np.object_], live: Live) -> float:
    """p-value of a rate that is the same over live time; NaN with fewer than five events.

    Each event's time becomes the share of its detector's live time that had passed, which
    a constant rate makes uniform (Kolmogorov-Smirnov). Events that come in bursts count
    as change.
    """
    passed = np.concatenate(
        [[], *(_passed(gps[ifo == name], live[name]) for name in set(ifo) if name in live)]
    )
    return float(stats.kstest(passed, "uniform").pvalue) if len(passed) >= 5 else float("nan")


def _passed(gps: NDArray[np.float64], stretches: segmentlist) -> NDArray[np.float64]:
    """Share of the live time before each event; events outside of it are left out."""
    edges = np.array([(float(a), float(b)) for a, b in stretches]).reshape(-1, 2)
    before = np.concatenate([[0.0], np.cumsum(edges[:, 1] - edges[:, 0])])
    place = np.searchsorted(edges[:, 0], gps, side="right") - 1
    inside = (place >= 0) & (gps <= edges[np.maximum(place, 0), 1])
    place = place[inside]
    return (before[place] + gps[inside] - edges[place, 0]) / before[-1]
