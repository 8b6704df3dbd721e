"""A folder of Gravity Spy's PNG pictures.

`<label>/<ifo>_<id>_spectrogram_<duration>.png`, the pictures being 800x600 as
published, or 569x479 as in a public copy from which the frame was cut away.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from glitchvae.dataset.assembling import SPLITS, PictureEvent, Pixels, assemble
from glitchvae.dataset.zooming import only_from
from glitchvae.errors import InputError, reading
from glitchvae.guard import require_file
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.store import digest

_NAME = re.compile(
    r"(?:(?P<ifo>[A-Z]\d)_)?(?P<id>[^_/]+)_spectrogram_(?P<duration>\d+(?:\.\d+)?)\.png$"
)

RECROPPED = (479, 569)
"""Rows and columns of the copy whose frame was cut away."""

_RECROPPED_ORIGIN = (60, 105)
"""Row and column of the published picture where the copy begins: inside the frame."""


def is_picture_folder(path: str | Path) -> bool:
    """Whether a folder holds pictures named as Gravity Spy names them."""
    folder = Path(path)
    return folder.is_dir() and any(_NAME.search(p.name) for p in folder.rglob("*.png"))


def stream_pictures(
    path: str | Path, *, size: int = 256, from_view: float | None = None
) -> Iterator[SpectrogramSet]:
    """A folder of pictures in the energy domain, `size` events at a time.

    The parent folder is the label; a folder `train`, `validation` or `test` above or
    below the label is the split. Where `from_view` names the longest view, the others are
    cut out of its picture before that is reduced.

    Raises:
        InputError: no picture in the folder.
    """
    folder = Path(path)
    events = _find_events(folder)
    if not events:
        raise InputError(
            "the folder holds no picture",
            where=folder,
            expected="<label>/<ifo>_<id>_spectrogram_<duration>.png",
            remedy="Read other pictures in Python: gv.train(array), gv.Dataset(array, labels=…).",
        )
    yield from assemble(
        (_read_event(folder, *key, files, from_view) for key, files in events.items()),
        size,
        where=folder,
        sources=_sources(folder, events.values()),
    )


def count_pictures(path: str | Path) -> int:
    """Upper limit of the number of events in a folder of pictures."""
    return len(_find_events(Path(path)))


def _find_events(folder: Path) -> dict[tuple[Path, str, str], dict[float, Path]]:
    """Files by duration, of each folder, detector and identifier."""
    events: defaultdict[tuple[Path, str, str], dict[float, Path]] = defaultdict(dict)
    for file in sorted(folder.rglob("*.png")):
        if (match := _NAME.search(file.name)) is not None:
            key = (file.parent, match["ifo"] or "", match["id"])
            events[key][float(match["duration"])] = file
    return events


def read_picture(path: str | Path) -> Pixels:
    """The (140, 170) classifier input of one picture, row 0 the highest frequency.

    Raises:
        InputError: no picture, or one of a size that Gravity Spy does not make.
    """
    from glitchvae.spectrogram.canvas import reduce_picture  # imports torch

    return reduce_picture(_read_luminance(path))


def _read_luminance(path: str | Path) -> Pixels:
    """The part of a picture that the classifier uses, as luminance (466, 566)."""
    require_file(path)
    with (
        reading(path, "not a readable picture"),
        Image.open(path, formats=("PNG",)) as picture,
    ):
        _require_size((picture.height, picture.width), path)  # before it is unpacked
        rgb = np.asarray(picture.convert("RGB"), dtype=np.float64) / 255
    from glitchvae.spectrogram.pixels import LUMINANCE_WEIGHTS  # imports torch

    return _cut(rgb @ np.array(LUMINANCE_WEIGHTS))


def _cut(luminance: Pixels) -> Pixels:
    from glitchvae.spectrogram.canvas import CROP, PICTURE

    if luminance.shape == PICTURE:
        return luminance[CROP]
    top, left = _RECROPPED_ORIGIN
    rows, columns = CROP
    return luminance[rows.start - top : rows.stop - top, columns.start - left :][
        :, : columns.stop - columns.start
    ]


def _require_size(size: tuple[int, int], path: object) -> None:
    from glitchvae.spectrogram.canvas import PICTURE

    if size not in (PICTURE, RECROPPED):
        raise InputError(
            "the picture has another size",
            where=path,
            expected=f"{PICTURE[1]}x{PICTURE[0]} or {RECROPPED[1]}x{RECROPPED[0]}",
            found=f"{size[1]}x{size[0]}",
        )


def _read_event(
    folder: Path,
    parent: Path,
    ifo: str,
    name: str,
    files: dict[float, Path],
    from_view: float | None,
) -> PictureEvent:
    names = [part for part in parent.relative_to(folder).parts if part not in SPLITS]
    splits = [part for part in parent.relative_to(folder).parts if part in SPLITS]
    return PictureEvent(
        event_id=name,
        label=names[-1] if names else folder.name,
        split=splits[-1] if splits else "",
        views=_read_views(files, from_view),
        known={"ifo": ifo},
    )


def _read_views(files: Mapping[float, Path], from_view: float | None) -> dict[float, Pixels | None]:
    if from_view is not None:
        files = {from_view: files[from_view]} if from_view in files else {}
    from glitchvae.spectrogram.canvas import reduce_picture  # imports torch

    found = {view: _read_or_none(files[view]) for view in VIEWS if view in files}
    whole = found if from_view is None else only_from(found, from_view)
    return {v: None if x is None else reduce_picture(x) for v, x in whole.items()}


def _read_or_none(path: Path) -> Pixels | None:
    try:
        return _read_luminance(path)
    except InputError:
        return None


def _sources(folder: Path, files: Iterable[dict[float, Path]]) -> dict[str, str]:
    names = sorted(str(p.relative_to(folder)) for event in files for p in event.values())
    return {folder.name: digest("\n".join(names).encode())}
