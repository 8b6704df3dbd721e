"""GPS times as people read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unix_milliseconds(gps: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) milliseconds since 1970 (UTC), as a browser counts; NaN where times are unknown."""
    found = np.full(len(gps), np.nan)
    known = np.isfinite(gps)
    if known.any():
        found[known] = np.round(_time(np.asarray(gps, dtype=np.float64)[known]).unix * 1e3)
    return found


def utc(gps: NDArray[np.floating]) -> NDArray[np.object_]:
    """(N,) times such as "2019-04-01 15:00:00 UTC"; "time unknown" where they are."""
    found = np.full(len(gps), "time unknown", dtype=object)
    known = np.isfinite(gps)
    if known.any():
        texts = _time(np.asarray(gps, dtype=np.float64)[known]).utc.strftime("%Y-%m-%d %H:%M:%S")
        found[known] = [f"{text} UTC" for text in np.atleast_1d(texts)]
    return found


def _time(gps: NDArray[np.float64]) -> Any:
    from astropy.time import Time

    return Time(gps, format="gps")
