"""The layout of Gravity Spy's published training sets (Zenodo 1476156, 1476551).

`/<label>/<split>/<id>/<0.5|1.0|2.0|4.0>.png`: HDF5 datasets that are named like files,
of shape (1, 140, 170), holding the grey values of one view.

Most of these pictures are older than gwpy's change from mean to median in 2017: noise in
them has a mean energy of about 1.0, where pictures of today have 1 / ln 2. The energies
are returned as drawn; what trains on both should not rely on their absolute level.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from glitchvae.dataset.assembling import PictureEvent, Pixels, assemble
from glitchvae.dataset.zooming import only_from
from glitchvae.errors import InputError
from glitchvae.guard import read_apart
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.store import digest, opened, replacing, require_storage

_Names = tuple[str, str, str]
_AT_ONCE = 32  # events that are handed over together: 24 MB
_VIEW_NAMES = {f"{view:.1f}.png": view for view in VIEWS}
_KNOWN = (
    "gps",
    "ifo",
    "snr",
    "peak_frequency",
    "q",
    "duration",
    "bandwidth",
    "f_max",
    "block_duration",
)


def is_gravity_spy(path: str | Path) -> bool:
    """Whether an HDF5 file has the layout of the published training sets."""
    return read_apart(_is_gravity_spy, path)


def _is_gravity_spy(path: Path) -> bool:
    with opened(path) as file:
        return holds_events(file)


def holds_events(file: h5py.File) -> bool:
    """Whether an open file has that layout."""
    return any(_views_in(group) for _, _, _, group in _walk(file))


def stream_gravity_spy(
    path: str | Path, *, size: int = 256, from_view: float | None = None
) -> Iterator[SpectrogramSet]:
    """A published training set in the energy domain, `size` events at a time.

    Events that `write_gravity_spy` wrote bring back their times and measures; the
    published files know only label and split. Where `from_view` names the longest view,
    the others are cut out of it.

    Raises:
        InputError: not HDF5, or no event in it.
    """
    names = read_apart(_event_names, path)
    events = _read_all(Path(path), names, from_view)
    yield from assemble(events, size, where=path, sources={Path(path).name: digest(path)})


def _event_names(path: Path) -> list[_Names]:
    """Label, split and identifier of every event."""
    with opened(path) as file:
        names = [entry[:3] for entry in _walk(file) if _is_event(entry[3])]
        if not names:
            raise InputError(
                "the file holds no event",
                where=path,
                found=sorted(file),
                expected="groups /<label>/<split>/<id> with views 0.5.png, 1.0.png, …",
            )
        return names


def _read_all(path: Path, names: list[_Names], from_view: float | None) -> Iterator[PictureEvent]:
    for first in range(0, len(names), _AT_ONCE):
        for event in read_apart(_read_events, path, names[first : first + _AT_ONCE]):
            views = event.views
            yield event if from_view is None else replace(event, views=only_from(views, from_view))


def _read_events(path: Path, names: list[_Names]) -> list[PictureEvent]:
    with opened(path, checked=True) as file:
        groups: list[Any] = [file["/".join(name)] for name in names]
        return [_read_event(*n, group, path) for n, group in zip(names, groups, strict=True)]


def count_gravity_spy(path: str | Path) -> int:
    """Upper limit of the number of events in a published training set."""
    return read_apart(_count, path)


def _count(path: Path) -> int:
    with opened(path) as file:
        return sum(1 for _ in _walk(file))


def write_gravity_spy(
    spectrograms: SpectrogramSet | Iterable[SpectrogramSet], path: str | Path
) -> int:
    """Write images in the layout of the published training sets.

    The columns of the set go with each event as attributes, which readers of the
    published files do not look at, and so do the counts of `left_out` with the file.
    Rows above `f_max` are drawn as zero energy.

    Args:
        spectrograms: Images with labels and splits; a set, or its parts one by one.
        path: HDF5 file to make or replace.

    Returns:
        How many rows were left out because they have no image.

    Raises:
        InputError: no labels or splits, a repeated identifier, or a name with a slash.
    """
    parts = [spectrograms] if isinstance(spectrograms, SpectrogramSet) else spectrograms
    left_out, seen, reasons = 0, set[str](), Counter[str]()
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for part in parts:
            chosen = part.take(part.usable)
            for row, name in enumerate(_group_names(chosen, seen)):
                _write_event(file, name, chosen, row)
            left_out += len(part) - len(chosen)
            reasons.update(part.left_out)
        file.attrs["left_out"] = json.dumps(dict(reasons))
    return left_out


def _walk(file: h5py.File) -> Iterator[tuple[str, str, str, h5py.Group]]:
    for label, splits in _groups(file):
        for split, events in _groups(splits):
            for name, event in _groups(events):
                yield label, split, name, event


def _groups(group: h5py.Group) -> Iterator[tuple[str, h5py.Group]]:
    for name in map(str, group):
        if group.get(name, getclass=True) is h5py.Group:  # opens no dataset
            item: Any = group[name]
            yield name, item


def _views_in(group: h5py.Group) -> list[str]:
    return [name for name in _VIEW_NAMES if name in group]


def _is_event(group: h5py.Group) -> bool:
    # A group without any view still is an event, one that misses all of them.
    return not any(isinstance(item, h5py.Group) for item in group.values())


def _read_event(label: str, split: str, name: str, group: h5py.Group, path: Path) -> PictureEvent:
    views = {_VIEW_NAMES[view]: _read_view(group, view, path) for view in _views_in(group)}
    known: dict[str, Any] = {key: group.attrs[key] for key in _KNOWN if key in group.attrs}
    return PictureEvent(event_id=name, label=label, split=split, views=views, known=known)


def _read_view(group: h5py.Group, name: str, path: Path) -> Pixels | None:
    try:
        item: Any = group[name]
        require_storage(item, path)
        pixels = np.squeeze(np.asarray(item))
    except OSError:  # a damaged chunk: this view is lost, the others are not
        return None
    return pixels if np.issubdtype(pixels.dtype, np.floating) else None


def _group_names(chosen: SpectrogramSet, seen: set[str]) -> list[str]:
    """HDF5 group of each event; the identifiers are added to `seen`."""
    if chosen.label is None or chosen.split is None:
        raise InputError(
            "the layout needs a label and a split for every event",
            where="SpectrogramSet",
            remedy="Label the events and split them first.",
        )
    parts = list(zip(chosen.label, chosen.split, chosen.event_id, strict=True))
    for row, names in enumerate(parts):
        if any(not name or "/" in name for name in names):
            raise InputError(
                "cannot be the name of an HDF5 group",
                where=f"row {row}",
                expected="label, split and event_id without slashes, none empty",
                found=names,
                remedy="Label the events and split them first.",
            )
        if names[-1] in seen:
            raise InputError("event_id is repeated", where=f"row {row}", found=names[-1])
        seen.add(names[-1])
    return ["/".join(names) for names in parts]


def _write_event(file: h5py.File, name: str, chosen: SpectrogramSet, row: int) -> None:
    from glitchvae.spectrogram import energy_to_pixel  # imports torch

    group = file.create_group(name)
    for key in _KNOWN:
        group.attrs[key] = getattr(chosen, key)[row]
    energies = np.nan_to_num(chosen.images[row], nan=0.0)
    pictures = energy_to_pixel(energies)[:, ::-1, :]
    for view, picture in zip(_VIEW_NAMES, pictures, strict=True):
        group.create_dataset(view, data=picture[None], compression="gzip", shuffle=True)
