"""Clustering of loud tiles to events.

The rule, in four steps:

1. Join, as Omicron does: tiles nearer to each other in time than 0.1 s form a cluster.
2. Split: the envelope of a cluster is the loudest tile at each instant, 5 where there
   is none. A maximum of the envelope is an event of its own if on both sides the
   envelope falls by a factor of 1.5 before it rises above it, and if no louder one is
   nearer than 0.1 s. A train of arches becomes one event per arch. The factor is the
   least that parts two events of SNR 7.5 by a lull without any tile.
3. Measure: the event's time, frequency, Q and SNR are those of its loudest tile, the
   time refined by a parabola through that tile and its two neighbours, and rounded to
   a millisecond so that it is the same on every machine; its duration and bandwidth
   span all its tiles.
4. Drop echoes: an event within a second of one more than 30 times louder is a side lobe
   of the tiles or the ringing of the whitening filter, which is as long as that.

Step 1 is that of F. Robinet et al. (2020), SoftwareX 12, 100620. Without the others one
trigger would stand for minutes of scattered light, and a dozen for one loud burst.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from glitchvae.triggers.tiles import Tiles

TILE_SNR = 5.0
"""Least SNR of tiles that are joined, as Omicron's; an event needs the SNR asked for."""

JOIN = 0.1
"""Seconds of quiet between two clusters, and the least time between two events of one."""

FALL = 1.5
"""Factor in SNR by which the envelope falls between two events of one cluster."""

ECHO = (1.0, 30.0)
"""Time (s) and factor in SNR that make an event the echo of another."""

REACH = 20.0
"""Seconds before and after a maximum within which the envelope is followed."""

STEP = 1 / 512
"""Seconds between two points of the envelope."""


def cluster_tiles(tiles: Tiles, *, floor: float) -> dict[str, NDArray[np.float64]]:
    """Cluster tiles to events by the rule of this module.

    Args:
        tiles: Tiles louder than `floor`, in the order of time.
        floor: SNR taken for instants without a tile.

    Returns:
        Columns of `Triggers` but for identifier and detector, in the order of time.
    """
    events = [_measure(part) for cluster in _joined(tiles) for part in _split(cluster, floor=floor)]
    names = ("gps", "snr", "peak_frequency", "central_frequency", "q", "duration", "bandwidth")
    table = np.array(events, dtype=np.float64).reshape(len(events), len(names))
    table = table[np.argsort(table[:, 0], kind="stable")]
    table = table[~_echoes(table[:, 0], table[:, 1])]
    return {name: table[:, i] for i, name in enumerate(names)}


def _joined(tiles: Tiles) -> list[Tiles]:
    """Clusters: groups of tiles separated by at least `JOIN` seconds of quiet."""
    if not len(tiles):
        return []
    start, end = tiles.time - tiles.duration / 2, tiles.time + tiles.duration / 2
    order = np.argsort(start, kind="stable")
    reached = np.maximum.accumulate(end[order])
    breaks = np.flatnonzero(start[order][1:] > reached[:-1] + JOIN) + 1
    return [tiles.take(rows) for rows in np.split(order, breaks)]


def _split(cluster: Tiles, *, floor: float) -> list[Tiles]:
    """Split a cluster into the tiles of each event."""
    origin, envelope = _envelope(cluster, floor=floor)
    peaks, valleys = _events(envelope)
    if len(peaks) < 2:
        return [cluster]
    position = np.floor((cluster.time - origin) / STEP).astype(int)
    owner = np.searchsorted(valleys, position, side="right")
    return [cluster.take(owner == event) for event in np.unique(owner)]


def _envelope(cluster: Tiles, *, floor: float) -> tuple[float, NDArray[np.float64]]:
    """SNR of the loudest tile at each instant, and the GPS time of the first instant.

    A tile stands for the instants that are nearest to it in its row. They are written
    as two overlapping ranges whose length is a power of two, and the levels of such
    ranges are resolved from long to short.
    """
    start = cluster.time - cluster.step / 2
    origin = float(np.floor(start.min() / STEP) * STEP)
    first = np.floor((start - origin) / STEP).astype(int)
    last = np.floor((start + cluster.step - origin) / STEP).astype(int) + 1
    level = np.floor(np.log2(last - first)).astype(int)
    table = np.full((level.max() + 1, last.max()), floor)
    np.maximum.at(table, (level, first), cluster.snr)
    np.maximum.at(table, (level, last - 2**level), cluster.snr)
    for k in range(level.max(), 0, -1):
        half = 2 ** (k - 1)
        np.maximum(table[k - 1], table[k], out=table[k - 1])
        np.maximum(table[k - 1][half:], table[k][:-half], out=table[k - 1][half:])
    return origin, table[0]


def _events(envelope: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Maxima that are events, and the lowest point between each two of them."""
    from scipy.signal import find_peaks, peak_prominences  # slow, and only a search needs it

    padded = np.log(np.pad(envelope, 1, constant_values=envelope.min()))
    peaks, _ = find_peaks(padded)
    reach = 2 * int(REACH / STEP) + 1
    prominence, _, _ = peak_prominences(padded, peaks, wlen=reach)
    peaks = _apart(peaks[prominence >= np.log(FALL)] - 1, envelope)
    valleys = [a + int(np.argmin(envelope[a:b])) for a, b in pairwise(peaks)]
    return peaks, np.array(valleys, dtype=np.intp)


def _apart(peaks: NDArray[np.intp], envelope: NDArray[np.float64]) -> NDArray[np.intp]:
    """Peaks (P,) without those nearer than `JOIN` to a higher peak that is kept."""
    kept: list[int] = []
    for peak in peaks[np.argsort(-envelope[peaks], kind="stable")]:
        if all(abs(peak - other) * STEP >= JOIN for other in kept):
            kept.append(int(peak))
    return np.array(sorted(kept), dtype=np.intp)


def _measure(event: Tiles) -> tuple[float, ...]:
    peak = int(np.argmax(event.snr))
    start, end = event.time - event.duration / 2, event.time + event.duration / 2
    low, high = event.frequency - event.bandwidth / 2, event.frequency + event.bandwidth / 2
    return (
        round(_refined_time(event, peak), 3),
        event.snr[peak],
        event.frequency[peak],
        (low.min() + high.max()) / 2,
        event.q[peak],
        end.max() - start.min(),
        high.max() - low.min(),
    )


def _refined_time(event: Tiles, peak: int) -> float:
    """Time of the maximum of a parabola through log SNR of a tile and its neighbours.

    Exact for a burst of Gaussian envelope. Without both neighbours, the tile's middle.
    """
    row = (event.q == event.q[peak]) & (event.frequency == event.frequency[peak])
    offset = (event.time - event.time[peak]) / event.step[peak]
    level = [np.log(event.snr[row & (np.abs(offset - k) < 0.1)]) for k in (-1, 0, 1)]
    if min(map(len, level)) == 0:
        return float(event.time[peak])
    before, at, after = (values[0] for values in level)
    curvature = before - 2 * at + after
    shift = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(event.time[peak] + shift * event.step[peak])


def _echoes(gps: NDArray[np.float64], snr: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether an event is an echo of a louder one nearby; events in the order of time."""
    reach, factor = ECHO
    first = np.searchsorted(gps, gps - reach)
    last = np.searchsorted(gps, gps + reach, side="right")
    loudest = [snr[a:b].max() for a, b in zip(first, last, strict=True)]
    return np.array(loudest).reshape(len(gps)) > factor * snr
