"""Live time: the time that was searched, to which rates and changes of rates refer.

The ledger of an archive tells it (`glitchvae.archive.ledger`). Archives of earlier versions
have none, and of files of embeddings nobody can tell: live time is unknown there, unless
somebody who knows it says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from igwn_segments import segmentlist
from numpy.typing import NDArray

Live = Mapping[str, segmentlist]
"""Stretches that were searched, by detector."""

DAYS_OF_A_MONTH = 30.0


class LiveTime(dict[str, segmentlist]):
    """Searched stretches by detector, and the threshold that holds for all of them.

    Attributes:
        snr: Everything above this SNR was found there, NaN where unknown. Rates count events
            of this SNR or more, as quieter ones were looked for in a part of the time alone.
    """

    def __init__(self, stretches: Live | None = None, *, snr: float = float("nan")) -> None:
        super().__init__(stretches or {})
        self.snr = snr

    def joined(self, other: LiveTime) -> LiveTime:
        """Union with another live time, at the larger of the two thresholds."""
        ifos = sorted({*self, *other})
        return LiveTime(
            {ifo: self.get(ifo, segmentlist()) | other.get(ifo, segmentlist()) for ifo in ifos},
            snr=float(np.fmax(self.snr, other.snr)),
        )


def spell(seconds: float) -> str:
    """A duration as text: in seconds under an hour, else in hours."""
    return f"{seconds:,.1f} s" if seconds < 3600 else f"{seconds / 3600:,.2f} h"


def hours(live: Live, ifo: str) -> float:
    """Live hours of a detector, NaN where unknown."""
    return float(abs(live[ifo])) / 3600.0 if ifo in live else float("nan")


def months(live: Live, ifos: Collection[str]) -> float:
    """Live months of a set of detectors; time shared by several detectors counts once.

    NaN where that of any of them is unknown.
    """
    if not ifos or any(ifo not in live for ifo in ifos):
        return float("nan")
    together = segmentlist([s for ifo in ifos for s in live[ifo]]).coalesce()
    return float(abs(together)) / 86400.0 / DAYS_OF_A_MONTH or float("nan")


def in_live_time(
    gps: NDArray[np.float64], ifo: NDArray[np.object_], live: Live
) -> NDArray[np.bool_]:
    """(N,) events that lie in the live time of their detector."""
    inside = np.zeros(len(gps), dtype=bool)
    for name in set(ifo) & {name for name, stretches in live.items() if stretches}:
        own = ifo == name
        inside[own] = _stretch(gps[own], _edges(live[name]))[1]
    return inside


def drift(gps: NDArray[np.float64], ifo: NDArray[np.object_], live: Live) -> float:
    """p-value of a constant rate over live time; NaN with fewer than five events.

    Each event's time becomes the share of its detector's live time that had passed, which
    a constant rate makes uniform (Kolmogorov-Smirnov). Events that come in bursts count
    as change.
    """
    from scipy import stats  # slow, and live time alone needs none of it

    passed = np.concatenate(
        [[], *(_passed(gps[ifo == name], live[name]) for name in set(ifo) if name in live)]
    )
    return float(stats.kstest(passed, "uniform").pvalue) if len(passed) >= 5 else float("nan")


def _passed(gps: NDArray[np.float64], stretches: segmentlist) -> NDArray[np.float64]:
    """Share of the live time before each event; events outside of it are left out."""
    edges = _edges(stretches)
    before = np.concatenate([[0.0], np.cumsum(edges[:, 1] - edges[:, 0])])
    place, inside = _stretch(gps, edges)
    place = place[inside]
    return (before[place] + gps[inside] - edges[place, 0]) / before[-1]


def _edges(stretches: segmentlist) -> NDArray[np.float64]:
    """(S, 2) starts and ends of disjoint stretches in the order of time."""
    return np.array([(float(a), float(b)) for a, b in stretches]).reshape(-1, 2)


def _stretch(
    gps: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The last stretch that begins before each event, and whether the event lies in it."""
    place = np.searchsorted(edges[:, 0], gps, side="right") - 1
    return place, (place >= 0) & (gps <= edges[np.maximum(place, 0), 1])
