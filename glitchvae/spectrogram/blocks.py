"""The block of strain around one trigger, or the status if there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.shapes import VIEWS
from glitchvae.spectrogram.settings import ImagingSettings
from glitchvae.status import Status, join_flags
from glitchvae.strain import Strain, StrainSource
from glitchvae.strain.quality import remarks, without_dead

Span = tuple[float, float]


@dataclass(frozen=True)
class Block:
    """Strain from which one trigger is imaged.

    Attributes:
        status: `OK`, or what makes the trigger unusable.
        strain: Finite samples with room for the longest view; None if unusable.
        flags: Remarks of it, as `join_flags` writes them.
    """

    status: Status
    strain: Strain | None = None
    flags: str = ""


def cut_block(source: StrainSource, gps: float, imaging: ImagingSettings) -> Block:
    """Cut the block around `gps` that `imaging` asks for, as nearly as the data allow.

    The block starts at the whole second nearest to `gps - block / 2`, as Gravity Spy's
    does. Where this leaves contiguous good data (finite, and not dead as
    `glitchvae.strain.quality` has it) it is moved into them, and where they are shorter
    than a block it is the whole seconds they have, not below `min_block`.

    Args:
        source: Strain of one detector.
        gps: Time of the trigger (s).
        imaging: Settings of the image.
    """
    step = 1 / source.sample_rate
    covered = _span_with(source, gps)
    if covered is None:
        return Block(Status.OUTSIDE_DATA)
    if _whole_seconds(covered, step) < imaging.min_block:
        return Block(Status.GAP)
    strain = source.read(*_place(gps, imaging.block, covered, step))
    if not np.isfinite(without_dead(strain).values).all():
        missing = not np.isfinite(strain.values).all()
        covered = _finite_span(source, gps, covered, imaging.block)
        if covered is None or _whole_seconds(covered, step) < imaging.min_block:
            return Block(Status.NAN_IN_BLOCK if missing else Status.ZERO_PSD)
        strain = source.read(*_place(gps, imaging.block, covered, step))
    if not _holds_views(covered, gps, step):
        return Block(Status.EDGE_OF_SEGMENT)
    return _judge(strain, imaging)


def _judge(strain: Strain, imaging: ImagingSettings) -> Block:
    short = strain.duration < imaging.block - 0.5 / strain.sample_rate
    flags = join_flags([*remarks(strain), *(["short_block"] if short else [])])
    return Block(Status.OK, strain, flags)


def _span_with(source: StrainSource, gps: float) -> Span | None:
    for start, end in source.segments:
        if start <= gps < end:
            return float(start), float(end)
    return None


def _whole_seconds(span: Span, step: float) -> int:
    return int(np.floor(span[1] - span[0] + step / 2))


def _place(gps: float, block: float, span: Span, step: float) -> Span:
    duration = min(block, _whole_seconds(span, step))
    start = float(round(gps - duration / 2))
    start = max(min(start, span[1] - duration), span[0])
    return start, start + duration


def _finite_span(source: StrainSource, gps: float, covered: Span, block: float) -> Span | None:
    """The stretch of finite samples around `gps`, within the reach of a block."""
    strain = without_dead(source.read(max(gps - block, covered[0]), min(gps + block, covered[1])))
    rate = strain.sample_rate
    run = _run_with(np.isfinite(strain.values), int((gps - strain.start) * rate))
    return None if run is None else (strain.start + run[0] / rate, strain.start + run[1] / rate)


def _run_with(good: NDArray[np.bool_], place: int) -> tuple[int, int] | None:
    place = min(max(place, 0), len(good) - 1)
    if not good[place]:
        return None
    bad = np.flatnonzero(~good)
    after = int(np.searchsorted(bad, place))
    first = int(bad[after - 1]) + 1 if after > 0 else 0
    last = int(bad[after]) if after < len(bad) else len(good)
    return first, last


def _holds_views(span: Span, gps: float, step: float) -> bool:
    reach = max(VIEWS) / 2
    return span[0] - step / 2 <= gps - reach and gps + reach <= span[1] + step / 2
