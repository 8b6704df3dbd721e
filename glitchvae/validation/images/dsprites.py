"""dSprites: a white square, ellipse or heart on black, with five factors of variation.

The published file is read where it is given. Where it is not, the same images are drawn:
the outlines below were fitted to images of the published file and reproduce all that
were at hand pixel by pixel (`docs/validation.md`).

Source: Matthey, Higgins, Hassabis & Lerchner (2017), dSprites: Disentanglement testing
Sprites dataset.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.store import opened
from glitchvae.validation.images.factors import FactorData, grid_of
from glitchvae.validation.images.polygons import WIDTH, fill

NAMES = ("shape", "scale", "orientation", "x", "y")
VALUES = (
    np.array([1.0, 2.0, 3.0]),
    np.linspace(0.5, 1.0, 6),
    np.linspace(0.0, 2 * np.pi, 40),
    np.linspace(0.0, 1.0, 32),
    np.linspace(0.0, 1.0, 32),
)
"""Square, ellipse and heart; size; radians, 0 and 2 pi both among them; place."""
SIZES = tuple(map(len, VALUES))
COUNT = 737_280

_LATENTS = (COUNT, 1 + len(NAMES))  # the published file has the colour, always white, in front
_CHUNK = 16_384


def square() -> NDArray[np.float64]:
    """(4, 2) corners at scale 1, in pixels."""
    return 9.6 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def ellipse(corners: int = 48) -> NDArray[np.float64]:
    """(corners, 2) an ellipse of half axes 12.8 and 7.2 pixels as a polygon.

    With 48 corners it meets the published images exactly; a smooth ellipse misses pixels.
    """
    angle = 2 * np.pi * np.arange(corners) / corners
    return np.column_stack([12.8 * np.cos(angle), 7.2 * np.sin(angle)])


def heart(corners: int = 24) -> NDArray[np.float64]:
    """(4 corners, 2) two Bezier curves and their mirror images: lobe from the notch, flank."""
    notch, side, tip = (0.0, -5.02), (9.63, -4.47), (0.0, 9.33)
    right = [
        *_bezier((notch, (1.54, -11.95), (9.63, -9.55), side), corners),
        *_bezier((side, (9.63, 1.40), (2.67, 3.89), tip), corners),
    ]
    return np.array([*right, *((-x, y) for x, y in right[::-1])])


def _bezier(points: tuple[tuple[float, float], ...], corners: int) -> NDArray[np.float64]:
    """(corners, 2) a cubic Bezier curve without its end."""
    t = np.arange(corners)[:, None] / corners
    basis = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    return np.concatenate(basis, axis=1) @ np.array(points)


OUTLINES: tuple[Callable[[], NDArray[np.float64]], ...] = (square, ellipse, heart)


def place(outline: NDArray[np.float64], scale: float, orientation: float) -> NDArray[np.float64]:
    """An outline scaled and rotated anticlockwise as seen (y points down)."""
    cosine, sine = np.cos(orientation), np.sin(orientation)
    return scale * outline @ np.array([[cosine, -sine], [sine, cosine]])


def centre(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position 0 … 1 as pixels from the edge to a sprite's origin, never a whole number."""
    return WIDTH / 4 + WIDTH / 2 * position


def draw_dsprites() -> FactorData:
    """Draw all 737,280 images."""
    _, scales, orientations, x, y = VALUES
    columns, rows = centre(x), centre(y)
    sprites = (
        place(outline(), scale, orientation)
        for outline in OUTLINES
        for scale in scales
        for orientation in orientations
    )
    pixels = np.empty((COUNT // (len(x) * len(y)), len(x), len(y), WIDTH, WIDTH // 8), np.uint8)
    for image, vertices in zip(pixels, sprites, strict=True):
        image[:] = fill(vertices, columns, rows)
    return _data(pixels.reshape(COUNT, 1, WIDTH, WIDTH // 8), grid_of(SIZES), "dSprites, drawn")


def read_dsprites(path: str | Path) -> FactorData:
    """Read the published file, .npz or .hdf5.

    Raises:
        InputError: it is another file, or not whole; the entry, its shape and its type are
            named with what is expected.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", where=path, expected="the published .npz or .hdf5")
    with (_open_hdf5 if h5py.is_hdf5(path) else _open_npz)(path) as (images, classes):
        pixels = np.empty((COUNT, 1, WIDTH, WIDTH // 8), np.uint8)
        start = 0
        for part in images:
            pixels[start : start + len(part), 0] = np.packbits(part, axis=-1)
            start += len(part)
    return _data(pixels, classes[:, 1:].astype(np.int64), f"dSprites, {path.name}")


def _data(pixels: NDArray[np.uint8], factors: NDArray[np.int64], description: str) -> FactorData:
    return FactorData(
        name="dsprites",
        pixels=pixels,
        binary=True,
        factors=factors,
        names=NAMES,
        values=VALUES,
        description=description,
    )


Opened = tuple[Iterator[NDArray[np.uint8]], NDArray[Any]]
"""The images in parts, and the factors' classes."""


@contextmanager
def _open_hdf5(path: Path) -> Iterator[Opened]:
    with opened(path) as file:
        images, latents = (_dataset(file, path, name) for name in ("imgs", "latents/classes"))
        _check(path, "imgs", images.shape, images.dtype, (COUNT, WIDTH, WIDTH))
        _check(path, "latents/classes", latents.shape, latents.dtype, _LATENTS)
        classes = np.asarray(latents[:])
        _check_classes(path, classes)
        yield (np.asarray(images[i : i + _CHUNK]) for i in range(0, COUNT, _CHUNK)), classes


def _dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f"no dataset {name!r}", where=path, found=sorted(file))
    return dataset


@contextmanager
def _open_npz(path: Path) -> Iterator[Opened]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            "not a readable .npz file",
            where=path,
            found=error,
            remedy="It may be truncated; fetch it again.",
        ) from error
    with archive:
        with _member(archive, path, "latents_classes") as latents:
            dtype = _check_header(latents, path, "latents_classes", _LATENTS)
            (part,) = _parts(latents, path, "latents_classes", dtype, _LATENTS, COUNT)
        _check_classes(path, part)
        with _member(archive, path, "imgs") as images:
            shape = (COUNT, WIDTH, WIDTH)
            dtype = _check_header(images, path, "imgs", shape)
            yield _parts(images, path, "imgs", dtype, shape, _CHUNK), part


def _member(archive: zipfile.ZipFile, path: Path, key: str) -> IO[bytes]:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if key not in names:
        raise InputError(f"no array {key!r}", where=path, found=names)
    return archive.open(f"{key}.npy")


def _check_header(stream: IO[bytes], path: Path, key: str, expected: tuple[int, ...]) -> np.dtype:
    """Type of an array, checked against the expected one."""
    try:
        version = np.lib.format.read_magic(stream)
        first = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = read(stream)
    except (ValueError, zipfile.BadZipFile, OSError) as error:
        raise InputError(f"array {key!r} cannot be read", where=path, found=error) from error
    _check(path, key, shape, dtype, expected)
    if by_columns:
        raise InputError(
            f"array {key!r} is stored column by column",
            where=path,
            expected="C order",
            remedy="Give the published file, or none to have the images drawn.",
        )
    return dtype


def _parts(
    stream: IO[bytes], path: Path, key: str, dtype: np.dtype, shape: tuple[int, ...], chunk: int
) -> Iterator[NDArray[Any]]:
    """Read an array part by part: as bytes all images would take 3 GB."""
    size = dtype.itemsize * math.prod(shape[1:])
    for start in range(0, shape[0], chunk):
        count = min(chunk, shape[0] - start)
        try:
            block = stream.read(count * size)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
            raise _truncated(path, key, shape[0], start) from error
        if len(block) < count * size:
            raise _truncated(path, key, shape[0], start + len(block) // size)
        yield np.frombuffer(block, dtype).reshape(count, *shape[1:])


def _truncated(path: Path, key: str, expected: int, found: int) -> InputError:
    return InputError(
        f"array {key!r} cannot be read to its end",
        where=path,
        expected=f"{expected:,} rows",
        found=f"{found:,} sound ones",
        remedy="The file is truncated or damaged; fetch it again.",
    )


def _check(
    path: Path, key: str, shape: tuple[int, ...], dtype: np.dtype, expected: tuple[int, ...]
) -> None:
    kind = "uint8" if key == "imgs" else "integers"
    right = dtype == np.uint8 if key == "imgs" else dtype.kind in "iu"
    if shape != expected or not right:
        raise InputError(
            f"array {key!r} is not that of dSprites",
            where=path,
            expected=f"shape {expected} of {kind}",
            found=f"shape {shape} of {dtype}",
            remedy="Give the published file with all 737,280 images, or none to have them drawn.",
        )


def _check_classes(path: Path, classes: NDArray[Any]) -> None:
    most = tuple(int(n) + 1 for n in classes.max(axis=0))
    if most != (1, *SIZES) or classes.min() < 0:
        raise InputError(
            "the factors are not those of dSprites", where=path, expected=(1, *SIZES), found=most
        )
