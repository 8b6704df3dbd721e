"""Thumbnails of glitches in viridis, as WebP inside the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from io import BytesIO

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from glitchvae.discovery.guards import Pictures
from glitchvae.embedding import Embeddings
from glitchvae.shapes import ENERGY_CEILING

Draw = Callable[[NDArray[np.floating]], NDArray[np.uint8]]
"""Function that turns the views (4, F, T) of one glitch into colours (H, W, 3)."""

_GREY, _PAPER = (220, 220, 224), (255, 255, 255)
_GAP = 4  # pixels between two views
_AT_ONCE = 500  # images in memory at a time: 190 kB each
_MONTAGE_BYTES = 2_500  # of one at quality 35, of a noisy glitch


def strip(views: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The four views side by side at full size, (140, 4 * 170 + gaps, 3)."""
    colours = [_colours(view) for view in views]
    gap = np.full((colours[0].shape[0], _GAP, 3), _PAPER, np.uint8)
    return np.concatenate([part for view in colours for part in (gap, view)][1:], axis=1)


def montage(views: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The four views at half size in two rows, the shortest first, (142, 172, 3)."""
    small = [_colours(_halve(view)) for view in views]
    rows, columns, _ = small[0].shape
    page = np.full((2 * rows + _GAP // 2, 2 * columns + _GAP // 2, 3), _PAPER, np.uint8)
    page[:rows, :columns], page[:rows, -columns:] = small[:2]
    page[-rows:, :columns], page[-rows:, -columns:] = small[2:]
    return page


def thumbnail(views: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The montage at half its size, (71, 86, 3), for pages of many events."""
    picture = Image.fromarray(montage(views))
    return np.asarray(picture.resize((picture.width // 2, picture.height // 2)))


def draw_within(
    embeddings: Embeddings, rows: NDArray[np.int64], pictures: Pictures | None, limit: int
) -> dict[int, str]:
    """Draw pictures of as many events as fit a number of bytes, in order of priority.

    Args:
        embeddings: N events.
        rows: (n,) of them, the most important first.
        pictures: Where their images are; None where there are none.
        limit: Bytes of all pictures together.

    Returns:
        Data URIs by row: montages where all of them fit, else thumbnails.
    """
    large = len(rows) * _MONTAGE_BYTES <= limit
    draw, quality = (montage, 35) if large else (thumbnail, 30)
    found: dict[int, str] = {}
    for first in range(0, len(rows), _AT_ONCE):
        part = rows[first : first + _AT_ONCE]
        drawn = draw_rows(embeddings, part, pictures, draw, quality=quality)
        for row in part.tolist():
            if row in drawn:
                limit -= len(drawn[row])
                if limit < 0:
                    return found
                found[row] = drawn[row]
    return found


def draw_rows(
    embeddings: Embeddings,
    rows: Iterable[int],
    pictures: Pictures | None,
    draw: Draw,
    *,
    quality: int = 60,
) -> dict[int, str]:
    """Draw a picture of each event, as a data URI.

    Args:
        embeddings: N events.
        rows: Which of them.
        pictures: Where their images are; None where there are none.
        draw: `strip` or `montage`.
        quality: Of WebP, 0 to 100.

    Returns:
        Data URIs by row; events without an image are left out.
    """
    if pictures is None:
        return {}
    found = {}
    for part in _parts(embeddings, rows):
        images = pictures(embeddings.take(part)).images
        for row, views in zip(part.tolist(), images, strict=True):
            if np.isfinite(views).any():
                found[row] = data_uri(draw(np.asarray(views, dtype=np.float32)), quality)
    return found


def _parts(embeddings: Embeddings, rows: Iterable[int]) -> Iterator[NDArray[np.int64]]:
    """The rows in the order of time, in parts that lie in few files each."""
    chosen = np.unique(np.fromiter(rows, dtype=np.int64))
    chosen = chosen[np.argsort(embeddings.gps[chosen], kind="stable")]
    for first in range(0, len(chosen), _AT_ONCE):
        yield chosen[first : first + _AT_ONCE]


def _colours(view: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(F, T, 3) colours with the highest frequency on top; grey where nothing was computed."""
    level = np.clip(np.nan_to_num(view) * (256 / ENERGY_CEILING), 0, 255).astype(np.uint8)
    colours = _viridis()[level]
    colours[np.isnan(view)] = _GREY
    return colours[::-1]


@lru_cache(maxsize=1)
def _viridis() -> NDArray[np.uint8]:
    return (colormaps["viridis"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def _halve(view: NDArray[np.floating]) -> NDArray[np.floating]:
    rows, columns = view.shape
    return view.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))


def data_uri(colours: NDArray[np.uint8], quality: int) -> str:
    """A picture (H, W, 3) as a data URI."""
    stream = BytesIO()
    Image.fromarray(colours).save(stream, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
