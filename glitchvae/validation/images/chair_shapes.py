"""Parametric chairs of boxes: any combination of seat, legs, back and arms.

The unit is a metre, the chair stands on z = 0 and looks along -y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glitchvae.validation.images.raycasting import Box

Boxes = tuple[Box, ...]

WIDTHS = (0.36, 0.48, 0.62)
HEIGHTS = (0.36, 0.46, 0.58)
BACKS = ("low", "high", "slats", "ladder")
LEGS = ("straight", "splayed", "pedestal")
ARMS = ("none", "arms")

_DEPTH, _THICK = 0.46, 0.06
_SEAT, _WOOD, _STEEL = 0.55, 0.85, 0.4  # greys


def seat(width: float, height: float) -> Boxes:
    """A seat with its upper side at `height`."""
    half = (width / 2, _DEPTH / 2, _THICK / 2)
    return (Box(centre=(0.0, 0.0, height - _THICK / 2), half=half, turn=np.eye(3), grey=_SEAT),)


def legs(kind: str, width: float, height: float) -> Boxes:
    """Four straight legs, four splayed ones, or a column on a star of five feet."""
    top = height - _THICK
    if kind == "pedestal":
        column = _upright(0.0, 0.0, 0.03, (0.03, top), _STEEL)
        return column, *(_foot(2 * np.pi * k / 5 + 0.3, width) for k in range(5))
    lean = 0.16 if kind == "splayed" else 0.0
    x, y = width / 2 - 0.035, _DEPTH / 2 - 0.035
    return tuple(_leg(i * x, j * y, top, (j * lean, -i * lean)) for i in (-1, 1) for j in (-1, 1))


def back(kind: str, width: float, height: float) -> Boxes:
    """A low board, a high board, upright slats under a rail, or rungs between two posts."""
    rise = 0.32 if kind == "low" else 0.56
    if kind in ("low", "high"):
        gap = 0.06 if kind == "low" else 0.0
        return (_board(0.0, width / 2, height + gap, height + rise, _SEAT),)
    posts = [
        _board(side * (width / 2 - 0.02), 0.02, height - _THICK, height + rise, _WOOD)
        for side in (-1, 1)
    ]
    if kind == "slats":
        places = np.linspace(-width / 2 + 0.1, width / 2 - 0.1, max(round(width / 0.1) - 1, 2))
        posts += [_board(float(x), 0.014, height, height + rise - 0.05, _WOOD) for x in places]
        return *posts, _board(0.0, width / 2, height + rise - 0.07, height + rise, _WOOD)
    rungs = np.linspace(height + 0.12, height + rise - 0.03, 4)
    return *posts, *(_board(0.0, width / 2, float(z) - 0.03, float(z) + 0.03, _WOOD) for z in rungs)


def arms(kind: str, width: float, height: float) -> Boxes:
    """A rest on a post at both sides, or nothing."""
    if kind == "none":
        return ()
    made: list[Box] = []
    for side in (-1, 1):
        x = side * (width / 2 + 0.03)
        rest = (x, 0.0, height + 0.22)
        made += [
            Box(centre=rest, half=(0.03, _DEPTH / 2, 0.02), turn=np.eye(3), grey=_WOOD),
            _upright(x, -_DEPTH / 2 + 0.06, 0.02, (height - _THICK, height + 0.22), _WOOD),
        ]
    return tuple(made)


def _upright(x: float, y: float, half: float, span: tuple[float, float], grey: float) -> Box:
    low, high = span
    size = (half, half, (high - low) / 2)
    return Box(centre=(x, y, (low + high) / 2), half=size, turn=np.eye(3), grey=grey)


def _leg(x: float, y: float, top: float, lean: tuple[float, float]) -> Box:
    """A leg from the seat to the floor, leaning by angles around x and y."""
    about_x, about_y = lean
    turn = _about("x", about_x) @ _about("y", about_y)
    down = turn @ np.array([0.0, 0.0, -1.0])
    length = -top / down[2]
    cx, cy, cz = np.array([x, y, top]) + down * length / 2
    return Box(centre=(cx, cy, cz), half=(0.025, 0.025, length / 2), turn=turn, grey=_WOOD)


def _foot(angle: float, width: float) -> Box:
    turn, reach = _about("z", angle), 0.18 + width / 6
    x, y, _ = turn @ np.array([reach / 2, 0.0, 0.0])
    return Box(centre=(x, y, 0.03), half=(reach / 2, 0.025, 0.02), turn=turn, grey=_STEEL)


def _board(x: float, half: float, low: float, high: float, grey: float) -> Box:
    """An upright board at the rear of the seat, leaning back a little."""
    turn = _about("x", -0.14)
    away = (low + high) / 2 * 0.14
    centre = (x, _DEPTH / 2 - 0.1 + away, (low + high) / 2)
    return Box(centre=centre, half=(half, 0.02, (high - low) / 2), turn=turn, grey=grey)


def _about(axis: str, angle: float) -> NDArray[np.float64]:
    """Rotation matrix around an axis."""
    c, s = np.cos(angle), np.sin(angle)
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]
