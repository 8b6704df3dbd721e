"""Names of array axes used across the package.

Axis order is always (batch, channel, frequency, time); a channel of an image is
one of the four views. Frequency ascends with its index in every energy image;
only Gravity Spy's pixel domain has the highest frequency in row 0, as a picture.
"""

from __future__ import annotations

VIEWS: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
"""Durations of the views in seconds: the channels of an image, in this order."""

IMAGE_SHAPE: tuple[int, int] = (140, 170)
"""(F, T) of one view, Gravity Spy's classifier input."""

AXIS_FREQUENCIES: tuple[float, float] = (10.0, 2048.0)
"""Limits of Gravity Spy's logarithmic frequency axis in Hz."""

ENERGY_CEILING: float = 25.5
"""Normalised energy at which Gravity Spy's colour scale saturates."""
