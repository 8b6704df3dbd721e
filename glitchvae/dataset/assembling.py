"""Assembly of official pictures, view by view, into one `SpectrogramSet`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.shapes import AXIS_FREQUENCIES, IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.status import Status

_LOG = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
"""Names of the splits of the published sets."""

Pixels = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class PictureEvent:
    """One event of a set of pictures.

    Attributes:
        event_id: Identifier.
        label: Class, as the source spells it.
        views: Pictures (140, 170) by duration, row 0 the highest frequency; None where
            a picture is there but cannot be used.
        split: Published split, empty where there is none.
        known: Columns of `SpectrogramSet` that the source tells of this event.
    """

    event_id: str
    label: str
    views: Mapping[float, Pixels | None]
    split: str = ""
    known: Mapping[str, Any] = field(default_factory=dict)


def assemble(
    events: Iterable[PictureEvent], size: int, *, where: object, sources: dict[str, str]
) -> Iterator[SpectrogramSet]:
    """Sets of at most `size` events in the energy domain; repeated identifiers are left out.

    An event that lacks a view, or has one of another size or with values that are no
    grey values, keeps its row: its images are NaN and its status tells. What was left
    out or marked is counted in the `left_out` of each part, and logged at the end.

    Args:
        events: Events in order; at least one.
        size: Events of a part.
        where: What to name in the log.
        sources: Digest of each file read.
    """
    seen: set[str] = set()
    total: Counter[str] = Counter()
    left = iter(events)
    while batch := list(islice(left, size)):
        part = _assemble_part(batch, seen, sources)
        total.update(part.left_out)
        yield part
    if total:
        _LOG.warning("%s: %s", where, ", ".join(f"{k} {n}" for k, n in total.items()))


def join_parts(parts: Iterable[SpectrogramSet]) -> SpectrogramSet:
    """Join the parts of a stream; counts of left-out events are added up.

    Raises:
        InputError: there is no part.
    """
    kept = list(parts)
    left_out = Counter[str]()
    for part in kept:
        left_out.update(part.left_out)
    whole = kept[0] if len(kept) == 1 else SpectrogramSet.join(kept)
    return replace(whole, left_out=dict(left_out))


def _assemble_part(
    events: Sequence[PictureEvent], seen: set[str], sources: dict[str, str]
) -> SpectrogramSet:
    """Assemble one part; its identifiers are added to `seen`."""
    problems: Counter[str] = Counter()
    rows: list[PictureEvent] = []
    for event in events:
        if event.event_id in seen:
            problems["duplicate_id"] += 1
            continue
        seen.add(event.event_id)
        rows.append(event)
    images = np.full((len(rows), len(VIEWS), *IMAGE_SHAPE), np.nan, dtype=np.float16)
    statuses = [_status(event) for event in rows]
    for row, (event, status) in enumerate(zip(rows, statuses, strict=True)):
        if status.usable:
            images[row] = _energies(event)
        else:
            problems[status.value] += 1
        if event.split and event.split not in SPLITS:
            problems["unknown_split"] += 1
    return _as_set(rows, statuses, images, dict(problems), sources)


def _status(event: PictureEvent) -> Status:
    if any(view not in event.views for view in VIEWS):
        return Status.MISSING_VIEW
    if not all(_is_picture(event.views[view]) for view in VIEWS):
        return Status.BAD_PIXELS
    return Status.OK


def _is_picture(pixels: Pixels | None) -> bool:
    if pixels is None or pixels.shape != IMAGE_SHAPE:
        return False
    return bool(((pixels >= 0) & (pixels <= 1)).all())  # False for NaN, too


def _energies(event: PictureEvent) -> NDArray[np.float32]:
    from glitchvae.spectrogram import pixel_to_energy, row_frequencies  # these import torch

    pictures = np.stack([np.asarray(event.views[view], dtype=np.float32) for view in VIEWS])
    energies = pixel_to_energy(pictures)[..., ::-1, :].copy()
    energies[..., row_frequencies() > _f_max(event), :] = np.nan
    return energies


def _f_max(event: PictureEvent) -> float:
    return float(event.known.get("f_max", AXIS_FREQUENCIES[1]))


def _as_set(
    events: list[PictureEvent],
    statuses: list[Status],
    images: NDArray[np.float16],
    problems: dict[str, int],
    sources: dict[str, str],
) -> SpectrogramSet:
    def known(name: str, missing: Any = np.nan) -> list[Any]:
        return [event.known.get(name, missing) for event in events]

    return SpectrogramSet(
        images=images,
        event_id=np.array([event.event_id for event in events], dtype=object),
        gps=np.array(known("gps"), dtype=np.float64),
        ifo=np.array(known("ifo", ""), dtype=object),
        snr=np.array(known("snr"), dtype=np.float32),
        peak_frequency=np.array(known("peak_frequency"), dtype=np.float32),
        q=np.array(known("q"), dtype=np.float32),
        duration=np.array(known("duration"), dtype=np.float32),
        bandwidth=np.array(known("bandwidth"), dtype=np.float32),
        f_max=np.array([_f_max(event) for event in events], dtype=np.float32),
        block_duration=np.array(known("block_duration"), dtype=np.float32),
        status=np.array(statuses, dtype=object),
        label=np.array([event.label for event in events], dtype=object),
        split=np.array([event.split for event in events], dtype=object),
        sources=sources,
        left_out=problems,
    )
