"""From loud tiles to events: which tiles belong to one glitch.

The rule, in three steps:

1. Join, as Omicron does: tiles nearer to each other in time than 0.1 s form a cluster.
2. Split: the envelope of a cluster is the loudest tile at each instant. A maximum of
   the envelope is an event of its own if the envelope falls below half of it on both
   sides before it rises above it; an instant without a loud tile counts as lying at the
   threshold. A train of arches becomes one event per arch, while the ringing of one
   glitch stays with it.
3. Measure: the event's time, frequency, Q and SNR are those of its loudest tile; its
   duration and bandwidth span the tiles between the lowest points on either side.

Step 1: F. Robinet et al. (2020), SoftwareX 12, 100620, section 2.4. Step 2 is ours:
joined tiles of scattered light last for minutes, and one trigger would have to stand
for dozens of glitches.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, peak_prominences

JOIN = 0.1
"""Seconds of quiet that part two clusters."""

FALL = 1.5
"""Factor in SNR by which the envelope falls between two events of one cluster."""

REACH = 20.0
"""Seconds on either side of a maximum within which the envelope is followed."""

STEP = 1 / 512
"""Seconds between two points of the envelope."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Tiles of the time-frequency plane, one entry each.

    Attributes:
        time: (N,) GPS seconds of the middle.
        frequency: (N,) Hz.
        q: (N,) quality factor.
        snr: (N,) signal-to-noise ratio.
        step: (N,) seconds to the next tile of the same row.
    """

    time: NDArray[np.float64]
    frequency: NDArray[np.float64]
    q: NDArray[np.float64]
    snr: NDArray[np.float64]
    step: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time)

    @property
    def bandwidth(self) -> NDArray[np.float64]:
        """Hz: 2 sqrt(pi) f / Q, as gwpy's `QTile.bandwidth`."""
        return 2 * np.sqrt(np.pi) * self.frequency / self.q

    @property
    def duration(self) -> NDArray[np.float64]:
        """Seconds: one over the bandwidth, a tile has area one."""
        return 1 / self.bandwidth

    def take(self, rows: Any) -> Self:
        """Some of the tiles: an index array, a slice or a boolean mask."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Tiles of several searches, in the order of time."""
        values = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts] or [np.empty(0)])
            for f in fields(cls)
        }
        return cls(**values).take(np.argsort(values["time"], kind="stable"))


def cluster_tiles(tiles: Tiles, *, threshold: float) -> dict[str, NDArray[np.float64]]:
    """Events among `tiles` by the rule of this module.

    Args:
        tiles: Tiles louder than `threshold`, in the order of time.
        threshold: SNR taken for instants without a tile.

    Returns:
        Columns of `Triggers` but for identifier and detector, in the order of time.
    """
    events = [
        _measure(part)
        for cluster in _joined(tiles)
        for part in _split(cluster, threshold=threshold)
    ]
    names = ("gps", "snr", "peak_frequency", "central_frequency", "q", "duration", "bandwidth")
    table = np.array(events, dtype=np.float64).reshape(len(events), len(names))
    table = table[np.argsort(table[:, 0], kind="stable")]
    return {name: table[:, i] for i, name in enumerate(names)}


def _joined(tiles: Tiles) -> list[Tiles]:
    """Clusters: groups of tiles with at least `JOIN` seconds of quiet between them."""
    if not len(tiles):
        return []
    start, end = tiles.time - tiles.duration / 2, tiles.time + tiles.duration / 2
    order = np.argsort(start, kind="stable")
    reached = np.maximum.accumulate(end[order])
    breaks = np.flatnonzero(start[order][1:] > reached[:-1] + JOIN) + 1
    return [tiles.take(rows) for rows in np.split(order, breaks)]


def _split(cluster: Tiles, *, threshold: float) -> list[Tiles]:
    """The tiles of each event of a cluster."""
    origin, envelope = _envelope(cluster, threshold=threshold)
    peaks, valleys = _events(envelope)
    if len(peaks) < 2:
        return [cluster]
    position = np.floor((cluster.time - origin) / STEP).astype(int)
    owner = np.searchsorted(valleys, position, side="right")
    return [cluster.take(owner == event) for event in np.unique(owner)]


def _envelope(cluster: Tiles, *, threshold: float) -> tuple[float, NDArray[np.float64]]:
    """The loudest tile at each instant, and the GPS time of the first instant.

    A tile stands for the instants that are nearest to it in its row. They are written
    as two overlapping ranges whose length is a power of two, and the levels of such
    ranges are resolved from long to short.
    """
    start = cluster.time - cluster.step / 2
    origin = float(np.floor(start.min() / STEP) * STEP)
    first = np.floor((start - origin) / STEP).astype(int)
    last = np.floor((start + cluster.step - origin) / STEP).astype(int) + 1
    level = np.floor(np.log2(last - first)).astype(int)
    table = np.full((level.max() + 1, last.max()), threshold)
    np.maximum.at(table, (level, first), cluster.snr)
    np.maximum.at(table, (level, last - 2**level), cluster.snr)
    for k in range(level.max(), 0, -1):
        half = 2 ** (k - 1)
        np.maximum(table[k - 1], table[k], out=table[k - 1])
        np.maximum(table[k - 1][half:], table[k][:-half], out=table[k - 1][half:])
    return origin, table[0]


def _events(envelope: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Maxima that are events, and the lowest point between each two of them."""
    padded = np.log(np.pad(envelope, 1, constant_values=envelope.min()))
    peaks, _ = find_peaks(padded)
    reach = 2 * int(REACH / STEP) + 1
    prominence, _, _ = peak_prominences(padded, peaks, wlen=reach)
    peaks = peaks[prominence >= np.log(FALL)] - 1
    valleys = [a + int(np.argmin(envelope[a:b])) for a, b in zip(peaks[:-1], peaks[1:])]
    return peaks, np.array(valleys, dtype=np.intp)


def _measure(event: Tiles) -> tuple[float, ...]:
    peak = int(np.argmax(event.snr))
    start, end = event.time - event.duration / 2, event.time + event.duration / 2
    low, high = event.frequency - event.bandwidth / 2, event.frequency + event.bandwidth / 2
    return (
        event.time[peak],
        event.snr[peak],
        event.frequency[peak],
        (low.min() + high.max()) / 2,
        event.q[peak],
        end.max() - start.min(),
        high.max() - low.min(),
    )
