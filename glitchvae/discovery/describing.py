"""Properties of a group of events: rates, hours of the day, frequencies, times."""

from __future__ import annotations

from typing import TypedDict

import erfa
import numpy as np
from numpy.typing import NDArray

from glitchvae.archive.live import Live, drift, hours, in_live_time
from glitchvae.discovery.record import PROPERTIES, PropertyRanges, Rate
from glitchvae.embedding import Embeddings
from glitchvae.statistics import poisson_interval

_QUANTILES = (0.05, 0.5, 0.95)
_GPS_EPOCH = np.datetime64("1980-01-06T00:00:00")
_TAI_UTC_AT_EPOCH = 19.0


class Description(TypedDict):
    """Fields that candidates and known classes share; see `Candidate`."""

    episodes: int
    rates: tuple[Rate, ...]
    daily_profile: NDArray[np.int64]
    properties: PropertyRanges
    first_gps: float
    last_gps: float
    drift: float


def describe(
    embeddings: Embeddings,
    members: NDArray[np.int64],
    episode: NDArray[np.int64],
    live: Live,
) -> Description:
    """Describe the events in the rows `members`.

    Args:
        embeddings: N events.
        members: Which of them.
        episode: (N,) number of each event's episode. What is counted over time is episodes.
        live: Stretches that were searched, by detector.
    """
    gps, ifo, number = embeddings.gps[members], embeddings.ifo[members], episode[members]
    known = np.isfinite(gps)
    first = first_of_episodes(gps, number, known)
    counted = first_of_episodes(gps, number, in_live_time(gps, ifo, live))
    return Description(
        episodes=len(np.unique(number)),
        rates=tuple(
            _rate_of(name, gps[ifo == name], number[ifo == name], live)
            for name in sorted({*live, *ifo})
        ),
        daily_profile=daily_profile(gps[first]),
        properties={name: _box(getattr(embeddings, name)[members]) for name in PROPERTIES},
        first_gps=float(gps[known].min()) if known.any() else float("nan"),
        last_gps=float(gps[known].max()) if known.any() else float("nan"),
        drift=drift(gps[counted], ifo[counted], live),
    )


def first_of_episodes(
    gps: NDArray[np.float64], episode: NDArray[np.int64], taken: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Rows of the first event of each episode, among the given rows.

    Args:
        gps: (N,) times.
        episode: (N,) number of each event's episode.
        taken: (N,) which events may stand for theirs.
    """
    rows = np.flatnonzero(taken)
    rows = rows[np.argsort(gps[rows], kind="stable")]
    return rows[np.unique(episode[rows], return_index=True)[1]]


def _rate_of(ifo: str, gps: NDArray[np.float64], episode: NDArray[np.int64], live: Live) -> Rate:
    """Rate of the episodes of one detector; unknown if the time of any event is."""
    inside = in_live_time(gps, np.full(len(gps), ifo, dtype=object), live)
    time = hours(live, ifo) if np.isfinite(gps).all() else float("nan")
    counts = len(gps), len(np.unique(episode)), len(np.unique(episode[inside]))
    return rate(ifo, *counts, time)


def rate(ifo: str, count: int, episodes: int, inside: int, live_hours: float) -> Rate:
    """Episodes per live hour with exact interval; NaN if there is no live time.

    Args:
        ifo: Detector.
        count: Events.
        episodes: Episodes that hold any of them.
        inside: Those of the episodes with an event in live time.
        live_hours: Live time.
    """
    time = live_hours if live_hours > 0 else float("nan")
    low, high = poisson_interval(inside)
    return Rate(
        ifo=ifo,
        count=count,
        episodes=episodes,
        live_hours=live_hours,
        per_hour=inside / time,
        low=low / time,
        high=high / time,
    )


def daily_profile(gps: NDArray[np.float64]) -> NDArray[np.int64]:
    """(24,) events by hour of the day (UTC)."""
    # The table of leap seconds that comes with the package; asking astropy's Time could
    # make it look for a newer one on the network.
    table = erfa.leap_seconds.get()
    months = [f"{row['year']:04d}-{row['month']:02d}-01" for row in table]
    begins = (np.array(months, "datetime64[s]") - _GPS_EPOCH).astype(float)
    leaps = table["tai_utc"] - _TAI_UTC_AT_EPOCH
    offset = leaps[np.searchsorted(begins + leaps, gps, side="right") - 1]
    return np.bincount((gps - offset).astype(np.int64) // 3600 % 24, minlength=24)


def _box(values: NDArray[np.floating]) -> tuple[float, float, float]:
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return float("nan"), float("nan"), float("nan")
    low, median, high = np.quantile(known.astype(np.float64), _QUANTILES)
    return float(low), float(median), float(high)
