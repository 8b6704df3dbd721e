"""3D Chairs: many chairs from 31 azimuths and 2 elevations.

The published pictures are read where they are given. Where they are not, parametric
chairs are drawn from the same places, with the factors of the chairs known as well.

Source: Aubry, Maturana, Efros, Russell & Sivic (2014), Seeing 3D chairs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from glitchvae.errors import InputError
from glitchvae.validation.images import chair_shapes as shapes
from glitchvae.validation.images.factors import FactorData, grid_of
from glitchvae.validation.images.raycasting import Camera, Layer, nearest, see

SIZE = 64
AZIMUTHS = np.array([360 / 32 * k for k in range(1, 32)])
"""Azimuths (degrees): 32 evenly spaced ones without the front, as published."""
ELEVATIONS = np.array([20.0, 30.0])
"""Elevations (degrees)."""
VIEWS = len(AZIMUTHS) * len(ELEVATIONS)

_NAME = re.compile(r"image_\d+_p(\d{3})_t(\d{3})_r\d+\.png")
_KEPT = 400 / 600  # the middle of a published picture, which margins surround
_DIMMING = 0.25  # brightness lost over a metre of depth
_NAMED = 3  # chairs with missing views that an error names


def draw_chairs(
    azimuths: NDArray[np.float64] = AZIMUTHS, elevations: NDArray[np.float64] = ELEVATIONS
) -> FactorData:
    """Draw 216 parametric chairs from all directions: 13,392 images, half a minute on one core."""
    values = (*map(np.array, (shapes.WIDTHS, shapes.HEIGHTS)), *_kinds(), azimuths, elevations)
    sizes = tuple(map(len, values))
    pixels = np.empty((*sizes, 1, SIZE, SIZE), np.uint8)
    for (i, azimuth), (j, elevation) in product(enumerate(azimuths), enumerate(elevations)):
        camera = Camera(azimuth=float(azimuth), elevation=float(elevation), pixels=2 * SIZE)
        for chair, image in _draw_view(camera, sizes[:-2]):
            pixels[(*chair, i, j, 0)] = image
    return FactorData(
        name="chairs",
        pixels=pixels.reshape(-1, 1, SIZE, SIZE),
        binary=False,
        factors=grid_of(sizes),
        names=("width", "height", "back", "legs", "arms", "azimuth", "elevation"),
        values=values,
        description="parametric chairs, drawn",
    )


def _kinds() -> tuple[NDArray[np.float64], ...]:
    return tuple(np.arange(float(len(k))) for k in (shapes.BACKS, shapes.LEGS, shapes.ARMS))


def _draw_view(
    camera: Camera, sizes: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], NDArray[np.uint8]]]:
    """Draw all chairs from one direction; each part is rendered once for all its chairs."""

    @cache
    def look(part: str, kind: str, width: float, height: float) -> Layer:
        boxes = getattr(shapes, part)
        made = boxes(width, height) if part == "seat" else boxes(kind, width, height)
        return see(made, camera)

    for chair in np.ndindex(*sizes):
        size = shapes.WIDTHS[chair[0]], shapes.HEIGHTS[chair[1]]
        layers = (
            look("seat", "", *size),
            look("back", shapes.BACKS[chair[2]], *size),
            look("legs", shapes.LEGS[chair[3]], *size),
            look("arms", shapes.ARMS[chair[4]], *size),
        )
        yield chair, _develop(nearest(layers), camera)


def _develop(layer: Layer, camera: Camera) -> NDArray[np.uint8]:
    """Shade by depth, average four rays a pixel, and set a white background."""
    away = np.where(np.isfinite(layer.depth), layer.depth - camera.distance + 0.5, 0.0)
    dimmed = layer.shade * (1 - _DIMMING * np.clip(away, 0.0, 1.0))
    mean = dimmed.reshape(SIZE, 2, SIZE, 2).mean(axis=(1, 3))
    return np.rint(255 * np.clip(mean, 0, 1)).astype(np.uint8)


def read_chairs(folder: str | Path) -> FactorData:
    """Read the published tree: `rendered_chairs/<chair>/renders/image_…_p020_t011_r096.png`.

    The middle two thirds of each picture, made grey, are reduced to 64 x 64.

    Args:
        folder: The folder of the chairs.

    Raises:
        InputError: no chair there, views that are missing (counted and named), a picture
            that cannot be read.
    """
    folder = Path(folder)
    found = {chair.name: _views(chair) for chair in sorted(folder.glob("[!.]*/"))}
    if not any(found.values()):
        raise InputError(
            "the folder holds no chairs",
            where=folder,
            expected="<chair>/renders/image_001_p020_t011_r096.png",
            remedy="Give the folder `rendered_chairs` of the published archive.",
        )
    places = _places(folder, found)
    elevations, azimuths = (np.array(sorted({place[i] for place in places})) for i in (0, 1))
    order = [(e, a) for a in azimuths for e in elevations]
    pictures = [read_picture(views[place]) for views in found.values() for place in order]
    values = (np.arange(float(len(found))), azimuths.astype(float), elevations.astype(float))
    return FactorData(
        name="chairs",
        pixels=np.array(pictures)[:, None],
        binary=False,
        factors=grid_of((len(found), len(azimuths), len(elevations))),
        names=("chair", "azimuth", "elevation"),
        values=values,
        description=f"3D Chairs, {folder.name}",
    )


Place = tuple[int, int]
"""Elevation and azimuth as the file name has them (degrees)."""


def _views(chair: Path) -> dict[Place, Path]:
    matches = ((_NAME.fullmatch(path.name), path) for path in (chair / "renders").glob("*.png"))
    return {(int(m[1]), int(m[2])): path for m, path in matches if m}


def _places(folder: Path, found: dict[str, dict[Place, Path]]) -> set[Place]:
    """Directions from which every chair should be seen."""
    places = set().union(*found.values())
    if len(places) != VIEWS:
        counts = Counter(elevation for elevation, _ in places)
        named = ", ".join(f"{n} at p{elevation:03d}" for elevation, n in sorted(counts.items()))
        raise InputError(
            "the chairs have another number of views",
            where=folder,
            expected=f"{VIEWS} of a chair, {len(AZIMUTHS)} at each of {len(ELEVATIONS)} elevations",
            found=f"{len(places)}: {named}",
            remedy="Give the whole folder `rendered_chairs`.",
        )
    lacking = {chair: sorted(places - set(views)) for chair, views in found.items()}
    lacking = {chair: missing for chair, missing in lacking.items() if missing}
    if lacking:
        named = [f"{c} lacks {len(m)} ({_named(m)})" for c, m in list(lacking.items())[:_NAMED]]
        raise InputError(
            f"views are missing of {len(lacking):,} of {len(found):,} chairs",
            where=folder,
            expected=f"{VIEWS} of each",
            found="; ".join(named),
            remedy="Fetch the archive again, or take these chairs out of the folder.",
        )
    return places


def _named(missing: list[Place]) -> str:
    names = [f"p{elevation:03d}_t{azimuth:03d}" for elevation, azimuth in missing[:_NAMED]]
    return ", ".join(names) + (" …" if len(missing) > _NAMED else "")


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(64, 64) grey pixels of the middle of a published picture.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            grey = picture.convert("L")
    except (UnidentifiedImageError, OSError) as error:
        raise InputError("not a readable picture", where=path, found=error) from error
    width, height = grey.size
    margin = (1 - _KEPT) / 2
    middle = (width * margin, height * margin, width * (1 - margin), height * (1 - margin))
    return np.asarray(grey.resize((SIZE, SIZE), Image.Resampling.BOX, box=middle))
