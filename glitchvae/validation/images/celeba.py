"""CelebA: photographs of faces with 40 attributes, present or not.

Source: Liu, Luo, Wang & Tang (2015), Deep Learning Face Attributes in the Wild.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from glitchvae.errors import InputError
from glitchvae.validation.images.factors import FactorData

SIZE = 64
ATTRIBUTES = 40

_SPLITS = {"train": 0, "validation": 1, "test": 2}
_FACE = 148  # pixels of the middle of a picture, without hair and shoulders


def read_celeba(
    folder: str | Path,
    *,
    split: Literal["train", "validation", "test"] | None = None,
    limit: int | None = None,
) -> FactorData:
    """Read the published folder: `img_align_celeba/` with attribute and partition lists.

    The middle 148 x 148 pixels of each aligned picture, in colour, are reduced to 64 x 64.

    Args:
        folder: That holds the three.
        split: Only pictures of this part of the published partition.
        limit: At most so many pictures, the first.

    Raises:
        InputError: a list or a picture is missing or damaged; the line is named.
    """
    folder = Path(folder)
    names, attributes, files = _read_attributes(folder / "list_attr_celeba.txt")
    chosen = np.arange(len(files))
    if split is not None:
        parts = _read_partition(folder / "list_eval_partition.txt")
        chosen = np.array([i for i, f in enumerate(files) if parts.get(f) == _SPLITS[split]], int)
    chosen = chosen[:limit]
    if len(chosen) == 0:
        raise InputError("no picture of this split", where=folder, expected=split)
    pictures = [_read_picture(folder / "img_align_celeba" / files[i]) for i in chosen]
    return FactorData(
        name="celeba",
        pixels=np.stack(pictures),
        binary=False,
        factors=attributes[chosen],
        names=names,
        values=(np.array([-1.0, 1.0]),) * len(names),
        description=f"CelebA, {split or 'all'}",
    )


def _read_attributes(path: Path) -> tuple[tuple[str, ...], NDArray[np.int64], list[str]]:
    """Names of the attributes, (N, 40) whether each is present, names of the files."""
    lines = _lines(path)
    names = tuple(lines[1].split()) if len(lines) > 1 else ()
    if len(names) != ATTRIBUTES or not lines[0].strip().isdigit():
        raise InputError(
            "not CelebA's list of attributes",
            where=path,
            expected=f"a count, then {ATTRIBUTES} names",
            found=f"{len(names)} names",
        )
    rows = [line.split() for line in lines[2:]]
    for number, row in enumerate(rows, start=3):
        if len(row) != 1 + ATTRIBUTES or not set(row[1:]) <= {"1", "-1"}:
            raise InputError(
                "a damaged line",
                where=f"{path}, line {number}",
                expected=f"a file and {ATTRIBUTES} times 1 or -1",
                found=" ".join(row[:4]) + " …",
            )
    if len(rows) != int(lines[0]):
        raise InputError("lines are missing", where=path, expected=lines[0], found=len(rows))
    present = [[value == "1" for value in row[1:]] for row in rows]
    return names, np.array(present, dtype=np.int64), [row[0] for row in rows]


def _read_partition(path: Path) -> dict[str, int]:
    pairs = [line.split() for line in _lines(path)]
    for number, pair in enumerate(pairs, start=1):
        if len(pair) != 2 or pair[1] not in ("0", "1", "2"):
            raise InputError(
                "a damaged line",
                where=f"{path}, line {number}",
                expected="a file and 0, 1 or 2",
                found=" ".join(pair),
            )
    return {name: int(part) for name, part in pairs}


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "cannot be read",
            where=path,
            found=error,
            remedy="Give the folder that holds the published list and pictures.",
        ) from error


def _read_picture(path: Path) -> NDArray[np.uint8]:
    """(3, 64, 64) colours of the middle of one picture."""
    try:
        with Image.open(path) as picture:
            colour = picture.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise InputError("not a readable picture", where=path, found=error) from error
    x, y = (colour.width - _FACE) / 2, (colour.height - _FACE) / 2
    box = (x, y, x + _FACE, y + _FACE)
    if x < 0 or y < 0:
        raise InputError(
            "a picture too small",
            where=path,
            expected="the aligned 178 x 218 pixels",
            found=f"{colour.width} x {colour.height}",
        )
    small = colour.resize((SIZE, SIZE), Image.Resampling.BOX, box=box)
    return np.asarray(small).transpose(2, 0, 1)
