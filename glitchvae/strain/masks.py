"""Bit masks of data quality and injections, as GWOSC defines them, and segments.

The names and their order are those of the GWOSC data releases
(https://gwosc.org/archive/dataset): bit 0 is the first name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

DQ_BITS: tuple[str, ...] = (
    "DATA",
    "CBC_CAT1",
    "CBC_CAT2",
    "CBC_CAT3",
    "BURST_CAT1",
    "BURST_CAT2",
    "BURST_CAT3",
)
INJECTION_BITS: tuple[str, ...] = (
    "NO_CBC_HW_INJ",
    "NO_BURST_HW_INJ",
    "NO_DETCHAR_HW_INJ",
    "NO_CW_HW_INJ",
    "NO_STOCH_HW_INJ",
)

_ROUNDING = 1e-6  # seconds, above what float64 loses at GPS times


def bits_as_segments(
    mask: NDArray[np.integer], names: Sequence[str], *, start: float, step: float = 1.0
) -> dict[str, segmentlist]:
    """Segments in which each bit of a mask is set.

    Args:
        mask: (T,) integers; bit i belongs to `names[i]`.
        names: Names of the lowest bits.
        start: GPS time of the first entry in seconds.
        step: Seconds per entry.
    """
    return {
        name: runs((mask.astype(np.int64) >> bit) & 1, start=start, step=step)
        for bit, name in enumerate(names)
    }


def runs(
    active: NDArray[np.integer] | NDArray[np.bool_], *, start: float, step: float
) -> segmentlist:
    """Segments over which `active` (T,) of zeros and ones is one."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    times = (start + edges * step).reshape(-1, 2)
    return segmentlist(segment(float(a), float(b)) for a, b in times)


def segments_as_bits(
    flags: Mapping[str, segmentlist], *, start: float, seconds: int
) -> NDArray[np.uint32]:
    """One mask entry per second; bit i is set if flag i covers the whole second."""
    mask = np.zeros(seconds, dtype=np.uint32)
    for bit, active in enumerate(flags.values()):
        whole = [
            segment(start + k + _ROUNDING, start + k + 1 - _ROUNDING) in active
            for k in range(seconds)
        ]
        mask |= np.asarray(whole, dtype=np.uint32) << np.uint32(bit)
    return mask
