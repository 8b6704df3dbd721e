"""Loud tiles of the Q-transform of whitened strain.

torch is imported when a block is searched: telling what is left to search needs none of it.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

from glitchvae.strain import Strain
from glitchvae.strain.masks import runs
from glitchvae.strain.quality import NOTHING, is_implausible, without_dead

if TYPE_CHECKING:
    import torch

    from glitchvae.qtransform import Plane

OVERLAP = 2.0
"""Seconds by which tiles are computed beyond the time asked for."""

EDGE = 1.0
"""Seconds at both ends of a block that the whitening filter spoils (half its length)."""

MIN_BLOCK = 8.0
"""Shortest contiguous strain (s) that is searched."""


MARK = (8, 0.25)
"""Seconds between two checksums of strain, and length (s) of the samples of each."""

_ON_GRID = 0.01  # samples by which a time may be off its sample: rounding of GPS times
_ROUNDING = 1e-6  # seconds, the same
_log = logging.getLogger(__name__)


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
        """Bandwidth in Hz: 2 sqrt(pi) f / Q, as gwpy's `QTile.bandwidth`."""
        return 2 * np.sqrt(np.pi) * self.frequency / self.q

    @property
    def duration(self) -> NDArray[np.float64]:
        """Duration in seconds: one over the bandwidth, since a tile has area one."""
        return 1 / self.bandwidth

    def take(self, rows: Any) -> Self:
        """Select tiles: by an index array, a slice or a boolean mask."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Join the tiles of several searches, in the order of time."""
        values = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts] or [np.empty(0)])
            for f in fields(cls)
        }
        return cls(**values).take(np.argsort(values["time"], kind="stable"))


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Selection of tiles: SNR, frequency and Q.

    Attributes:
        snr: Least SNR.
        frange: Frequencies in Hz, cut to what the sample rate allows.
        qrange: Quality factors.
        device: Where to compute.
    """

    snr: float
    frange: tuple[float, float]
    qrange: tuple[float, float]
    device: str

    @property
    def energy(self) -> float:
        """Median-normalised energy of a tile of this SNR."""
        return (self.snr**2 + 2) / (2 * np.log(2))


@dataclass(frozen=True, kw_only=True)
class Examined:
    """Result of the search of one span of strain.

    Attributes:
        tiles: Loud tiles whose middle lies in the span, of all planes in the order of time.
        covered: Good samples of the span: there, not NaN, not constant.
        searched: The part of them in which tiles were looked for.
        marks: Checksum of the samples from some whole GPS seconds on (see `mark_of`).
        implausible: Whether its samples are too large for strain.
    """

    tiles: Tiles
    covered: segmentlist
    searched: segmentlist
    marks: Mapping[int, int]
    implausible: bool


def searchable(covered: segmentlist) -> segmentlist:
    """Searched part of good samples: without the ends of a stretch and short stretches.

    Args:
        covered: Good samples, in disjoint stretches in the order of time.
    """
    return segmentlist(
        segment(start + EDGE, end - EDGE)
        for start, end in covered
        if end - start >= MIN_BLOCK - _ROUNDING
    )


def too_short(covered: segmentlist) -> str:
    """The reason why no good sample is searched; "" if some are, or there are none.

    Args:
        covered: Good samples, in disjoint stretches in the order of time.
    """
    longest = max((float(abs(each)) for each in covered), default=0.0)
    if not longest or searchable(covered):
        return ""
    return (
        f"nothing searched: no stretch is longer than {longest:.1f} s, {MIN_BLOCK:g} s are needed"
    )


def examine(
    read: Callable[[float, float], Strain], span: segment, threshold: Threshold
) -> Examined:
    """Find the loud tiles of a span, its good samples and its searched time.

    They depend on the strain within the span and about its length on either side of it.

    Args:
        read: Returns the strain between two GPS times, as far as there is any.
        span: GPS segment.
        threshold: What counts as loud.
    """
    strain, blocks = _blocks(read, span)
    tiles, searched = [], segmentlist()
    for block, keep in blocks:
        found = _of_block(block, keep, threshold)
        if found is not None:
            tiles.append(found)
            searched.append(keep)
    return Examined(
        tiles=Tiles.join(tiles),
        covered=strain.finite_segments() & segmentlist([span]),
        searched=searched,
        marks=_marks(strain, span),
        implausible=is_implausible(strain),
    )


def mark_of(strain: Strain, second: int) -> int | None:
    """Checksum of the samples from a GPS second on, None if one of them is missing.

    Files cut in different ways from the same data have the same marks.
    """
    rate = strain.sample_rate
    first = math.ceil((second - strain.start) * rate - _ON_GRID)
    last = first + round(MARK[1] * rate)
    if first < 0 or last > len(strain):
        return None
    samples = strain.values[first:last]
    if not np.isfinite(samples).all():
        return None
    return zlib.crc32(np.ascontiguousarray(samples, dtype="<f8").tobytes())


def _marks(strain: Strain, span: segment) -> dict[int, int]:
    every = MARK[0]
    seconds = range(math.ceil(span[0] / every) * every, math.ceil(span[1]), every)
    marks = {second: mark_of(strain, second) for second in seconds}
    return {second: mark for second, mark in marks.items() if mark is not None}


def _blocks(
    read: Callable[[float, float], Strain], span: segment
) -> tuple[Strain, list[tuple[Strain, segment]]]:
    """Strain around the span, and blocks of it, each with the part whose tiles count.

    A block is the span, its overlaps and its edges, moved to lie inside contiguous
    strain and shortened where the strain is shorter.
    """
    first, last = span[0] - OVERLAP - EDGE, span[1] + OVERLAP + EDGE
    length = last - first
    strain = without_dead(read(first, last))
    if len(strain) == round(length * strain.sample_rate) and np.isfinite(strain.values).all():
        return strain, [(strain, span)]
    given = read(first - length, last + length)
    strain = without_dead(given)
    _tell_dead(given, strain, span)
    return strain, list(_cut(strain, span, first, length))


def _cut(
    strain: Strain, span: segment, first: float, length: float
) -> Iterator[tuple[Strain, segment]]:
    """A block of each stretch without gaps that overlaps the span."""
    for start, end in strain.finite_segments():
        low, high = max(span[0], start + EDGE), min(span[1], end - EDGE)
        if low < high and end - start < MIN_BLOCK - _ROUNDING:
            _log.info(
                "%s: %.1f s from GPS %.1f on are too short to search",
                strain.ifo,
                end - start,
                start,
            )
        elif low < high:
            begin = max(min(first, end - length), start)
            yield strain.crop(begin, min(begin + length, end)), segment(low, high)


def _tell_dead(strain: Strain, alive: Strain, span: segment) -> None:
    """Warn about dead stretches in the span, which files declare good."""
    dead = np.isfinite(strain.values) & ~np.isfinite(alive.values)
    if dead.any():
        for start, end in runs(dead, start=strain.start, step=1 / strain.sample_rate):
            if start in span:
                _log.warning(
                    "%s: no data from GPS %.1f on for %.1f s or more, not searched"
                    " (one value, or below %g)",
                    strain.ifo,
                    start,
                    end - start,
                    NOTHING,
                )


def _of_block(block: Strain, keep: segment, threshold: Threshold) -> Tiles | None:
    """The loud tiles of a block, None if it cannot be whitened."""
    import torch

    from glitchvae.qtransform import Tiling, tile_energies
    from glitchvae.qtransform.whitening import whiten

    rate, edge = block.sample_rate, round(EDGE * block.sample_rate)
    values = torch.from_numpy(block.values)[None].to(threshold.device)
    whitened = whiten(values, rate, fduration=2 * EDGE)[:, edge:-edge]
    if not torch.isfinite(whitened).all():
        _log.warning(
            "%s: %.1f s from GPS %.1f on cannot be whitened and are not searched",
            block.ifo,
            block.duration,
            block.start,
        )
        return None
    start, duration = block.start + EDGE, whitened.shape[-1] / rate
    tiling = Tiling(
        duration=duration, sample_rate=rate, qrange=threshold.qrange, frange=threshold.frange
    )
    tiles = Tiles.join(
        [
            _of_plane(plane, tile_energies(whitened, tiling, plane=index), start, threshold.energy)
            for index, plane in enumerate(tiling.planes)
        ]
    )
    # The transform is periodic: next to an end of the block it shows what is at the other.
    inside = np.minimum(tiles.time - start, start + duration - tiles.time) >= tiles.duration
    return tiles.take(inside & (tiles.time >= keep[0]) & (tiles.time < keep[1]))


def _of_plane(plane: Plane, rows: list[torch.Tensor], start: float, least: float) -> Tiles:
    """Loud tiles in a plane, from median-normalised energies (1, tiles) of one block.

    All rows are looked at together: on a GPU each look waits for what was asked of it before.
    """
    import torch

    energies = torch.cat(rows, dim=1)[0]
    loud = torch.nonzero((energies > least) & torch.isfinite(energies)).ravel()
    place, energy = loud.cpu().numpy(), energies[loud].double().cpu().numpy()
    ends = np.cumsum(plane.tiles)
    row = np.searchsorted(ends, place, side="right")
    step = plane.duration / plane.tiles[row]
    return Tiles(
        time=start + (place - (ends - plane.tiles)[row]) * step,
        frequency=plane.frequencies[row],
        q=np.full(len(row), plane.q),
        snr=np.sqrt(2 * np.log(2) * energy - 2),
        step=step,
    )
