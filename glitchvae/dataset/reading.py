"""Reading of any set of images, recognised by its content."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from glitchvae.dataset.assembling import join_parts
from glitchvae.dataset.official import (
    count_gravity_spy,
    holds_events,
    is_gravity_spy,
    stream_gravity_spy,
)
from glitchvae.dataset.own_readers import ImageReader, asked, find_reader, has_readers, parts_of
from glitchvae.dataset.pictures import count_pictures, is_picture_folder, stream_pictures
from glitchvae.dataset.zooming import check_view, zoom_energies
from glitchvae.errors import InputError
from glitchvae.guard import read_apart
from glitchvae.spectrogram import SpectrogramSet, damaged
from glitchvae.status import Status
from glitchvae.store import opened, schema_in, schema_of

_LOG = logging.getLogger(__name__)
_ARRAYS = "Read them in Python: gv.train(array), or gv.Dataset(array, labels=…)."


def is_image_set(path: str | Path) -> bool:
    """Whether `read_images` can read a file, by content; never raises for another file.

    Raises:
        ConfigError: a reader of the user's own is none.
        InputError: a reader of the user's own fails.
    """
    return _is_of_ours(Path(path)) or find_reader(Path(path)) is not None


def _is_of_ours(path: Path) -> bool:
    """Whether a set is in a built-in layout."""
    if path.is_dir():
        return is_picture_folder(path)
    return path.is_file() and path.stat().st_size > 0 and read_apart(_is_image_file, path)


def _is_image_file(path: Path) -> bool:
    if not h5py.is_hdf5(path):
        return False
    with opened(path) as file:
        return schema_in(file) == SpectrogramSet.schema or holds_events(file)


def read_images(
    path: str | Path, *, from_view: float | None = None, events: Collection[str] | None = None
) -> SpectrogramSet:
    """Read a SpectrogramSet, a Gravity Spy training set or a folder of its pictures.

    Args:
        path: A file or a folder.
        from_view: Duration of the longest view (s): every other view is cut out of it, and
            those of the set are not looked at. None takes the views that there are.
        events: Identifiers of the events to keep; None keeps all.

    Raises:
        InputError: it is none of them, it is damaged, or it holds none of the events.
        ConfigError: a view that is not the longest.
    """
    parts = stream_images(path, from_view=from_view)
    if events is None:
        return join_parts(parts)
    wanted = set(events)
    kept = (part.take(np.isin(part.event_id.astype(str), list(wanted))) for part in parts)
    found = join_parts(kept)
    if len(found) == 0:
        raise InputError(
            "the set holds none of the events",
            where=path,
            expected=f"{len(wanted)} identifiers such as {min(wanted, default='')!r}",
        )
    return found


def stream_images(
    path: str | Path, *, size: int = 256, from_view: float | None = None
) -> Iterator[SpectrogramSet]:
    """Read a set as `read_images` does, `size` events at a time, for sets beyond the memory.

    The `left_out` of each part counts what was left out of that part.

    Raises:
        InputError: it is no set of images, or it is damaged.
        ConfigError: a view that is not the longest.
    """
    check_view(from_view)
    path = Path(path)
    if (reader := _own_reader(path)) is not None:
        return _checked(parts_of(reader, path, size), path, from_view)
    if path.is_dir():
        return stream_pictures(path, size=size, from_view=from_view)
    if _is_own(path):
        return _stream_own(path, size, from_view)
    return stream_gravity_spy(path, size=size, from_view=from_view)


def count_images(path: str | Path) -> int:
    """Upper limit of the number of events of `stream_images`, without reading images.

    Raises:
        InputError: it is no set of images.
    """
    path = Path(path)
    if (reader := _own_reader(path)) is not None:
        return asked(reader, path, lambda: int(reader.count(path)))
    if path.is_dir():
        return count_pictures(path)
    return _rows_of_own(path) if _is_own(path) else count_gravity_spy(path)


def _own_reader(path: Path) -> ImageReader | None:
    """The user's reader of a set; None if the set has a built-in layout."""
    if not has_readers() or not path.exists() or _is_of_ours(path):
        return None
    return find_reader(path)


def _is_own(path: Path) -> bool:
    """Whether an HDF5 file is a SpectrogramSet; otherwise it is a published set."""
    if path.is_file() and path.suffix in (".npy", ".npz"):
        raise InputError("arrays of numpy", where=path, expected="a set of images", remedy=_ARRAYS)
    if (schema := schema_of(path)) == SpectrogramSet.schema:
        return True
    if schema is None and is_gravity_spy(path):
        return False
    raise InputError(
        "the file is not a set of images",
        where=path,
        found=schema or "another HDF5 layout",
        expected="a Spectrogram set, Gravity Spy's /<label>/<split>/<id>/<view>.png, "
        "or a folder of its pictures",
    )


def _rows_of_own(path: Path) -> int:
    return read_apart(_count_ids, path)


def _count_ids(path: Path) -> int:
    with opened(path) as file:
        names = file.get("event_id")
        return len(names) if isinstance(names, h5py.Dataset) else 0


def _stream_own(path: Path, size: int, from_view: float | None) -> Iterator[SpectrogramSet]:
    """Parts of a SpectrogramSet; an empty set gives one empty part."""
    starts = range(0, max(_rows_of_own(path), 1), size)
    parts = (SpectrogramSet.read(path, rows=slice(start, start + size)) for start in starts)
    return _checked(parts, path, from_view)


def _checked(
    parts: Iterable[SpectrogramSet], path: Path, from_view: float | None
) -> Iterator[SpectrogramSet]:
    """Parts of a set with damaged rows marked, and views cut from the longest if requested."""
    total = 0
    for number, part in enumerate(parts):
        bad = part.usable & damaged(part.images)
        total += int(bad.sum())
        if from_view is not None:
            part = dataclasses.replace(part, images=zoom_energies(part.images, from_view))
        yield _without_damaged(part, bad, first=number == 0)
    if total:
        _LOG.warning("%s: %s %d", path, Status.BAD_PIXELS.value, total)


def _without_damaged(
    part: SpectrogramSet, bad: NDArray[np.bool_], *, first: bool
) -> SpectrogramSet:
    """Mark the damaged rows of a part; left-out rows of the file count in the first part."""
    left_out = dict(part.left_out) if first else {}
    if not bad.any():
        return dataclasses.replace(part, left_out=left_out)
    images, status = part.images.copy(), part.status.copy()
    images[bad], status[bad] = np.nan, Status.BAD_PIXELS.value
    key = Status.BAD_PIXELS.value
    left_out[key] = left_out.get(key, 0) + int(bad.sum())
    return dataclasses.replace(part, images=images, status=status, left_out=left_out)
