"""Reading of image sets as `TrainingData`, one part in memory at a time.

Images come in parts, each part becomes bytes, and the bytes go into memory or, where
they would not fit, into a file that is mapped. Which of the two does not change what is
trained on: the batches, and so the weights, are the same.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.dataset import count_images, stream_images
from glitchvae.errors import InputError, StorageError
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.training.data import (
    TrainingData,
    count_energies,
    digest_of,
    joint_digest,
    reduced_energies,
    text_or_empty,
)

_SHARE = 0.5
"""Share of the memory that images may use."""


def resident_limit(device: str | torch.device = "cpu") -> int:
    """Largest size of images in memory: half of main memory, and of the device's free memory."""
    limit = _SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if torch.device(device).type == "cuda":
        limit = min(limit, _SHARE * torch.cuda.mem_get_info(torch.device(device))[0])
    return int(limit)


def read_training_data(
    paths: Sequence[str | Path],
    *,
    shape: tuple[int, int] = IMAGE_SHAPE,
    limit: int | None = None,
    folder: str | Path | None = None,
    shares: Sequence[float | None] = (),
) -> TrainingData:
    """Read the usable events of sets of any layout, one set after the other.

    Args:
        paths: Spectrogram sets, Gravity Spy training sets or folders of pictures.
        shape: Pixels (frequency, time) of the model that is to be trained; images are reduced
            to it as the model itself would reduce them.
        limit: Bytes that may be resident; more goes to a file that is mapped and that
            the system removes with the process. None: `resident_limit()`.
        folder: Where that file is made; the system's temporary folder unless given.
        shares: Of the training events of a batch, how many come from each set, in their order
            and relative to each other. Without, every event is seen once an epoch.

    Raises:
        InputError: no set, a damaged one, or one without a usable event; shares that are not
            above zero or not one for each set.
        StorageError: no room for the file.
    """
    _check_shares(paths, shares)
    most = sum(count_images(path) for path in paths)
    size = (most, len(VIEWS), *shape)
    resident = math.prod(size) <= (resident_limit() if limit is None else limit)
    counts = _allocate(size, None if resident else folder, resident=resident)
    computed = np.empty((most, shape[0]), dtype=bool)
    sets, first = [], 0
    for path in paths:
        sets.append(_fill(path, counts[first:], computed[first:]))
        first += len(sets[-1][0])
    labels, splits, imaging, digests = zip(*sets, strict=True)
    data = TrainingData(
        counts=torch.from_numpy(counts[:first]),
        computed=torch.from_numpy(computed[:first]),
        labels=np.concatenate(labels),
        split=np.concatenate(splits),
        imaging=tuple({json.dumps(one, sort_keys=True): one for one in imaging if one}.values()),
        description=" + ".join(Path(path).name for path in paths),
        digest=joint_digest(digests),
        resident=resident,
    )
    given = [share for share in shares if share is not None]
    return data.weighted(_weights_of(splits, given)) if given else data


def _check_shares(paths: Sequence[str | Path], shares: Sequence[float | None]) -> None:
    given = [share for share in shares if share is not None]
    if not given:
        return
    if len(given) != len(paths):
        raise InputError(
            "a share for some sets and not for others",
            expected=f"{len(paths)} shares, in the order of the sets, or none",
            found=len(given),
        )
    for path, share in zip(paths, given, strict=True):
        if not (math.isfinite(share) and share > 0):
            raise InputError(
                "no share of a batch",
                where=path,
                expected="a number above zero",
                found=share,
                remedy="Leave out a set that is not to be trained on.",
            )


def _weights_of(
    splits: Sequence[NDArray[np.object_]], shares: Sequence[float]
) -> NDArray[np.float64]:
    """Weight of each event: the share of its set over the training events of that set."""
    sizes = [max(int(np.isin(split.astype(str), ("train", "")).sum()), 1) for split in splits]
    weights = [share / size for share, size in zip(shares, sizes, strict=True)]
    return np.repeat(weights, [len(split) for split in splits])


def _allocate(
    shape: tuple[int, ...], folder: str | Path | None, *, resident: bool
) -> NDArray[np.uint8]:
    """Allocate bytes for a number of events, in memory or in an unnamed file."""
    if resident:
        return np.empty(shape, dtype=np.uint8)
    place = Path(tempfile.gettempdir() if folder is None else folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        # A disk that fills up while a file is mapped kills the process: look before.
        if (free := shutil.disk_usage(place).free) < math.prod(shape):
            raise StorageError(
                "no room for the images to train on",
                where=place,
                expected=f"{math.prod(shape) / 1e9:.3g} GB",
                found=f"{free / 1e9:.3g} GB free",
                remedy="Free some space, or write the run to another disk.",
            )
        with tempfile.TemporaryFile(dir=place) as file:
            file.truncate(math.prod(shape))
            return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)
    except OSError as error:
        raise StorageError("cannot write here", where=place, found=error.strerror) from error


def _fill(
    path: str | Path, counts: NDArray[np.uint8], computed: NDArray[np.bool_]
) -> tuple[NDArray[np.object_], NDArray[np.object_], dict[str, Any], str]:
    """Store the usable events of a set; returns labels, splits, settings and digest."""
    labels, splits, imaging, end = [], [], {}, 0
    for part in stream_images(path):
        events = part.take(part.usable)
        rows = slice(end, end + len(events))
        images = reduced_energies(events.images, (counts.shape[2], counts.shape[3]))
        counts[rows], computed[rows] = count_energies(images)
        labels.append(text_or_empty(events.label, len(events)))
        splits.append(text_or_empty(events.split, len(events)))
        imaging, end = events.imaging, rows.stop
    if end == 0:
        raise InputError("no usable event to train on", where=path)
    label, split = np.concatenate(labels), np.concatenate(splits)
    return label, split, imaging, digest_of(counts[:end], computed[:end], label, split)
