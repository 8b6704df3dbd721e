"""Polygons filled without antialiasing, 64 pixels of a row in one machine word.

A row of an image is the exclusive or of one prefix for each edge that the row's centre
line crosses: the pixels left of the crossing. Two crossings leave the pixels between
them, four leave two stretches, so no shape needs a case of its own, and one word holds
the whole row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH = 64
"""Pixels in a row, the bits of a word."""

_PREFIXES = np.array([(2**n - 1) << (WIDTH - n) for n in range(WIDTH + 1)], dtype=np.uint64)


def fill(
    vertices: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Copies of one polygon at every pair of places, as packed bits.

    A pixel is inside where its centre is, by the even-odd rule.

    Args:
        vertices: (V, 2) corners x, y in pixels around the polygon's own origin, y downwards;
            the last joins the first.
        x: (X,) places of the origin from the left edge, in pixels.
        y: (Y,) places of the origin from the upper edge.

    Returns:
        (X, Y, 64, 8) bits of 64 x 64 pixels, in the order of `numpy.packbits`.
    """
    lines = np.arange(WIDTH) + 0.5 - y[:, None]
    crossings = _crossings(vertices, lines.ravel())
    words = np.zeros((len(x), lines.size), dtype=np.uint64)
    for crossing in crossings.T:
        left = np.ceil(crossing + x[:, None] - 0.5)
        words ^= _PREFIXES[left.clip(0, WIDTH).astype(np.intp)]
    return words.astype(">u8").view(np.uint8).reshape(len(x), len(y), WIDTH, WIDTH // 8)


def _crossings(vertices: NDArray[np.float64], lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """(lines, most crossings) positions where horizontal lines cut edges; infinite if none.

    A closed outline is cut an even number of times, so the infinities cancel in pairs.
    """
    start, end = vertices, np.roll(vertices, -1, axis=0)
    above = lines[:, None] < start[:, 1]
    cut = above != np.roll(above, -1, axis=1)
    most = int(cut.sum(axis=1).max(initial=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
        x = np.where(cut, start[:, 0] + (lines[:, None] - start[:, 1]) * slope, np.inf)
    return np.sort(x, axis=1)[:, :most]
