"""Image sets at reduced size, for studies of many small models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glitchvae.dataset import published_split, stream_images
from glitchvae.errors import InputError
from glitchvae.probes.events import pool_images
from glitchvae.training import TrainingData


def read_pooled(
    paths: Sequence[Path], *, pool: int, block: float
) -> tuple[TrainingData, NDArray[np.float64]]:
    """Read the usable labelled events of image sets, with smaller images.

    Args:
        paths: Image sets with a split.
        pool: Squares of this many pixels are averaged.
        block: Seconds that count as one block of time.

    Returns:
        The events, and the block of time (N,) of each.

    Raises:
        InputError: no test events, or an event without a split.
    """
    parts = []
    for part in (part for path in paths for part in stream_images(path)):
        events = part.take(part.usable & (np.asarray(part.label) != ""))
        images = pool_images(events.images, pool)
        parts.append((images, events.label, published_split(events), events.gps))
    images, labels, split, gps = map(np.concatenate, zip(*parts, strict=True))
    if "test" not in split:
        raise InputError("no test events", where=paths[0], found=sorted(set(split)))
    names = " + ".join(path.name for path in paths)
    data = TrainingData.from_images(images, labels=labels, split=split, description=names)
    # An event without a time is a block of its own.
    alone = -1.0 - np.arange(len(gps))
    return data, np.where(np.isfinite(gps), np.floor(gps / block), alone)
