"""Labelled events with codes, trigger properties and pixels."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding import Embeddings, encode_spectrograms
from glitchvae.errors import InputError
from glitchvae.models import prepare
from glitchvae.progress import Progress
from glitchvae.spectrogram import SpectrogramSet

TRIGGER_COLUMNS = ("snr", "peak_frequency", "q", "duration", "bandwidth")
POOL = (5, 5)
"""Pixels (frequency, time) averaged to one of the small image: 28 x 34 a view."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ProbeSet:
    """N events with a label and a code.

    Attributes:
        event_id: (N,) identifiers.
        gps: (N,) times (s), NaN where unknown.
        ifo: (N,) detectors.
        label: (N,) true class names.
        split: (N,) train, validation or test of the source, "" where it says none.
        codes: (N, Z) posterior means.
        triggers: (N, 5) `TRIGGER_COLUMNS`, NaN where unknown.
        pixels: (N, P) small images, None where only codes are at hand.
        place: (N,) row among the usable events of the sources, one source after the other.
        usable: Number of usable events of the sources, with a label or not.
    """

    event_id: NDArray[np.object_]
    gps: NDArray[np.float64]
    ifo: NDArray[np.object_]
    label: NDArray[np.object_]
    split: NDArray[np.object_]
    codes: NDArray[np.float32]
    triggers: NDArray[np.float64]
    pixels: NDArray[np.float32] | None
    place: NDArray[np.int64]
    usable: int

    @classmethod
    def of_codes(
        cls,
        codes: NDArray[np.floating],
        label: NDArray[np.object_],
        *,
        split: NDArray[np.object_] | None = None,
        gps: NDArray[np.float64] | None = None,
    ) -> Self:
        """Events from codes (N, Z) and labels (N,), with splits and times if known."""
        count = len(codes)
        unknown, nothing = np.full(count, np.nan), np.full(count, "", dtype=object)
        return cls(
            event_id=np.arange(count).astype(str).astype(object),
            gps=unknown if gps is None else gps,
            ifo=nothing,
            label=label,
            split=nothing if split is None else split,
            codes=codes,
            triggers=np.full((count, len(TRIGGER_COLUMNS)), np.nan),
            pixels=None,
            place=np.arange(count),
            usable=count,
        )

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: NDArray) -> Self:
        """Select some of the events."""
        columns = {
            f.name: value[rows]
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), np.ndarray)
        }
        return replace(self, **columns)


def read_codes(embeddings: Embeddings, *, where: object = None) -> ProbeSet:
    """The labelled events of a table of codes.

    Raises:
        InputError: none has both a code and a label.
    """
    return _labelled(embeddings.take(embeddings.usable), None, where)


def encode_events(
    parts: Iterable[SpectrogramSet],
    checkpoint: Checkpoint,
    *,
    where: object = None,
    device: str = "cpu",
    progress: Progress = lambda _: None,
) -> ProbeSet:
    """The labelled events of a set of images, encoded part by part.

    Raises:
        InputError: no image is usable and labelled.
    """
    codes, pixels = [], []
    for part in parts:
        events = part.take(part.usable)
        codes.append(encode_spectrograms(events, checkpoint, device=device))
        pixels.append(small_images(events.images))
        progress(len(part))
    return _labelled(Embeddings.join(codes), np.concatenate(pixels), where)


def join_events(sets: Sequence[ProbeSet]) -> ProbeSet:
    """The events of several sets; one that occurs twice is kept once, with a warning.

    The same event in training and test would be known before it is asked for.

    Raises:
        InputError: codes of different sizes, or of no set.
    """
    if len(sizes := {s.codes.shape[1] for s in sets}) != 1:
        raise InputError(
            "codes of one model are needed",
            where="inputs",
            expected="one latent size",
            found=sorted(sizes),
        )
    before = np.cumsum([0, *(s.usable for s in sets)])
    columns = ("event_id", "gps", "ifo", "label", "split", "codes", "triggers")
    pixels = [s.pixels for s in sets if s.pixels is not None]
    joined = ProbeSet(
        **{name: np.concatenate([getattr(s, name) for s in sets]) for name in columns},
        pixels=np.concatenate(pixels) if len(pixels) == len(sets) else None,
        place=np.concatenate([s.place + n for s, n in zip(sets, before, strict=False)]),
        usable=int(before[-1]),
    )
    first = np.sort(np.unique(joined.event_id.astype(str), return_index=True)[1])
    if repeated := len(joined) - len(first):
        _LOG.warning("%d events occur more than once; the first of each is kept", repeated)
    return joined.take(first)


def small_images(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N, P) the four views (N, 4, F, T) reduced to a model's input, by means of blocks."""
    x = prepare(torch.from_numpy(images))[0][:, :-1]
    return nn.functional.avg_pool2d(x, POOL).flatten(1).numpy()


def pool_images(images: NDArray[np.floating], pool: int) -> NDArray[np.floating]:
    """Energies (N, views, F, T) averaged over squares of pixels; NaN where one is NaN.

    Raises:
        InputError: `pool` does not divide F and T.
    """
    count, views, height, width = images.shape
    if height % pool or width % pool:
        raise InputError(
            "images cannot be divided into squares",
            where="pool",
            expected=f"a divisor of {height} and {width}",
            found=pool,
        )
    squares = (count, views, height // pool, pool, width // pool, pool)
    pooled = images.reshape(squares).mean(axis=(3, 5), dtype=np.float32)
    return pooled.astype(images.dtype)


def _labelled(codes: Embeddings, pixels: NDArray[np.float32] | None, where: object) -> ProbeSet:
    unknown = np.full(len(codes), "", dtype=object)
    label, split = (unknown if text is None else text for text in (codes.label, codes.split))
    rows = np.flatnonzero(label != "")
    if len(rows) == 0:
        raise InputError(
            "no labelled event to probe",
            where=where,
            expected="codes with a label",
            found=f"{len(codes)} usable events without",
            remedy="Embed a labelled set of images, or label events of the archive.",
        )
    triggers = np.column_stack([getattr(codes, name) for name in TRIGGER_COLUMNS])
    return ProbeSet(
        event_id=codes.event_id[rows],
        gps=codes.gps[rows],
        ifo=codes.ifo[rows],
        label=label[rows],
        split=split[rows],
        codes=codes.mean[rows],
        triggers=triggers[rows].astype(np.float64),
        pixels=None if pixels is None else pixels[rows],
        place=rows,
        usable=len(codes),
    )
