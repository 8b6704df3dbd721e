"""Boxes seen by a camera: one ray a pixel, shaded by the light and by depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LIGHT = np.array([0.35, -0.55, 0.76])
_AMBIENT = 0.35
_NEVER = np.float32(np.inf)
_PARALLEL = np.float32(1e-7)
"""Replaces the component of a ray parallel to a face, to avoid a division by zero."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A solid box.

    Attributes:
        centre: x to the right, y to the back, z upwards.
        half: Half of its width, depth and height before it is turned.
        turn: (3, 3) rotation of its own axes.
        grey: How bright its material is, 0 … 1.
    """

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    turn: NDArray[np.float64]
    grey: float = 0.8


class Layer(NamedTuple):
    """Image of a camera: depth and brightness.

    Attributes:
        depth: (H, W) float32 distance, infinite where nothing is.
        shade: (H, W) float32 brightness, 0 … 1.
    """

    depth: NDArray[np.float32]
    shade: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera that looks at a point from an azimuth and an elevation.

    Attributes:
        azimuth: Degrees around the z axis, 0 from the front.
        elevation: Degrees above the horizon.
        target: Height of the point looked at.
        distance: From that point.
        view: Half the width of the picture at that distance.
        pixels: Width and height.
    """

    azimuth: float
    elevation: float
    target: float = 0.52
    distance: float = 4.0
    view: float = 0.78
    pixels: int = 128

    def rays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Position of the camera (3,), and unit directions (H, W, 3) of its rays."""
        turn, tilt = np.radians((self.azimuth, self.elevation))
        outwards = np.array(
            [np.sin(turn) * np.cos(tilt), -np.cos(turn) * np.cos(tilt), np.sin(tilt)]
        )
        right = np.array([np.cos(turn), np.sin(turn), 0.0])
        up = np.cross(outwards, right)
        ends = self.view * ((np.arange(self.pixels) + 0.5) / self.pixels * 2 - 1)
        target = (
            np.array([0.0, 0.0, self.target]) + ends[:, None] * right - ends[:, None, None] * up
        )
        place = np.array([0.0, 0.0, self.target]) + self.distance * outwards
        ways = target - place
        ways /= np.linalg.norm(ways, axis=-1, keepdims=True)
        return place.astype(np.float32), ways.astype(np.float32)


def see(boxes: tuple[Box, ...], camera: Camera) -> Layer:
    """Find the nearest surface of the boxes along every ray."""
    place, ways = camera.rays()
    layer = Layer(
        np.full(ways.shape[:2], _NEVER, dtype=np.float32), np.ones(ways.shape[:2], np.float32)
    )
    for box in boxes:
        layer = nearest((layer, _see_box(box, place, ways)))
    return layer


def nearest(layers: tuple[Layer, ...]) -> Layer:
    """Combine layers: the nearest surface in every pixel."""
    depth, shade = layers[0]
    for other in layers[1:]:
        front = other.depth < depth
        depth = np.where(front, other.depth, depth)
        shade = np.where(front, other.shade, shade)
    return Layer(depth, shade)


def _see_box(box: Box, place: NDArray[np.float32], ways: NDArray[np.float32]) -> Layer:
    """Depth and brightness where rays enter a box (slab method, Kay & Kajiya 1986)."""
    turn = box.turn.astype(np.float32)
    start = (place - np.asarray(box.centre, np.float32)) @ turn
    step = ways @ turn
    step = np.where(np.abs(step) < _PARALLEL, _PARALLEL, step)
    half = np.asarray(box.half, np.float32)
    inverse = 1 / step
    reach = np.abs(inverse) * half
    middle = -start * inverse
    entries = middle - reach
    face = entries.argmax(axis=-1)
    entry, leave = entries.max(axis=-1), (middle + reach).min(axis=-1)
    hit = (entry < leave) & (entry > 0)
    lit = (box.turn.T @ _LIGHT).astype(np.float32)
    # The face that is entered looks against the ray.
    towards = -np.sign(np.take_along_axis(step, face[..., None], axis=-1)[..., 0]) * lit[face]
    shade = box.grey * (_AMBIENT + (1 - _AMBIENT) * np.maximum(towards, 0))
    return Layer(np.where(hit, entry, _NEVER), np.where(hit, shade, 1.0).astype(np.float32))
