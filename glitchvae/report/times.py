"""Conversion of GPS times to dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import erfa
import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError

DAYS = ("today", "yesterday")
"""Names of days accepted instead of a date."""


def unix_milliseconds(gps: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) milliseconds since 1970 (UTC), as a browser counts; NaN where times are unknown."""
    found = np.full(len(gps), np.nan)
    known = np.isfinite(gps)
    if known.any():
        found[known] = np.round(_time(np.asarray(gps, dtype=np.float64)[known]).unix * 1e3)
    return found


def utc(gps: NDArray[np.floating]) -> NDArray[np.object_]:
    """(N,) times such as "2019-04-01 15:00:00 UTC"; "time unknown" for unknown ones."""
    found = np.full(len(gps), "time unknown", dtype=object)
    known = np.isfinite(gps)
    if known.any():
        texts = _time(np.asarray(gps, dtype=np.float64)[known]).utc.strftime("%Y-%m-%d %H:%M:%S")
        found[known] = [f"{text} UTC" for text in np.atleast_1d(texts)]
    return found


def utc_date(gps: float) -> str:
    """The date of a time, such as "20190401"; "" if it is unknown."""
    return str(utc(np.array([gps]))[0])[:10].replace("-", "") if np.isfinite(gps) else ""


def day_of(text: str, *, now: datetime | None = None) -> tuple[float, float]:
    """GPS times of the beginning and end of a UTC day.

    Args:
        text: A date such as "2019-04-01", or one of `DAYS`.
        now: The present; by default that of the clock.

    Raises:
        InputError: it is no day, or one before GPS time began.
    """
    try:
        if text in DAYS:
            day = (now or datetime.now(UTC)).date() - timedelta(days=DAYS.index(text))
        else:
            day = date.fromisoformat(text)
        after = day + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise InputError(
            "the day is not valid", expected=f"YYYY-MM-DD, {', '.join(DAYS)}", found=text
        ) from error
    first, last = (_gps(one) for one in (day, after))
    if first < 0:
        raise InputError(
            "the day is before the start of GPS time", expected="1980-01-06 or later", found=text
        )
    return first, last


def leaps() -> list[tuple[int, int]]:
    """GPS times of the leap seconds, and GPS minus UTC from then on (s)."""
    # The table that comes with the package; asking astropy's Time could make it look for a
    # newer one on the network.
    found = []
    for row in erfa.leap_seconds.get():
        ahead = int(row["tai_utc"]) - _TAI_UTC_AT_EPOCH
        since = date(int(row["year"]), int(row["month"]), 1) - _EPOCH
        if since.days * 86400 + ahead > 0:
            found.append((since.days * 86400 + ahead, ahead))
    return found


_EPOCH = date(1980, 1, 6)
_TAI_UTC_AT_EPOCH = 19


def _gps(day: date) -> float:
    seconds = (day - _EPOCH).days * 86400
    return float(seconds + max((a for since, a in leaps() if seconds + a >= since), default=0))


def _time(gps: NDArray[np.float64]) -> Any:
    from astropy.time import Time

    return Time(gps, format="gps")
