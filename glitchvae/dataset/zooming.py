"""All four views of an event of which only the longest was published.

Gravity Spy draws the views of an event with one Q and one colour scale: the shorter ones are
the middle of the longest, sharper drawn. Out of the 566 columns of a published picture of 4 s
the view of 0.5 s still gets 72 of its own, out of the 170 of a classifier input 21: it is
blurred, and whatever learns from such views has to have seen some.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from glitchvae.dataset.assembling import Pixels
from glitchvae.errors import ConfigError
from glitchvae.shapes import VIEWS


def check_view(view: float | None) -> None:
    """Refuse a view from which not all others can be cut.

    Raises:
        ConfigError: it is not the longest.
    """
    if view is not None and view != max(VIEWS):
        raise ConfigError(
            "a longer view cannot be cut out of a shorter one",
            expected=f"{max(VIEWS):g} s, the longest view",
            found=f"{view:g} s",
        )


def zoom_views(pixels: Pixels, view: float) -> dict[float, Pixels]:
    """Views of an event by duration, cut out of the longest.

    Args:
        pixels: (..., T) grey values of the longest view.
        view: Its duration (s).

    Returns:
        Views of the same shape; the longest is as it was.
    """
    from glitchvae.spectrogram.canvas import zoom_weights  # imports torch

    width = pixels.shape[-1]
    shorter = {each: pixels @ zoom_weights(view, each, width) for each in VIEWS if each != view}
    return {**shorter, view: pixels}


def only_from(views: Mapping[float, Pixels | None], view: float) -> dict[float, Pixels | None]:
    """Views of an event cut out of its longest one; none if that is missing."""
    longest = views.get(view)
    if view not in views:
        return {}
    if longest is None or longest.ndim != 2:
        return dict.fromkeys(VIEWS, longest)
    return {**zoom_views(longest, view)}


def zoom_energies(images: np.ndarray, view: float) -> np.ndarray:
    """Energies (N, views, F, T) with every view cut out of the longest.

    Rows that were not computed stay NaN.
    """
    from glitchvae.spectrogram import energy_to_pixel, pixel_to_energy  # imports torch

    pixels = energy_to_pixel(images[:, VIEWS.index(view)].astype(np.float32))
    views = zoom_views(np.nan_to_num(pixels), view)
    energies = pixel_to_energy(np.stack([views[each] for each in VIEWS], axis=1))
    void = np.isnan(pixels).any(axis=-1, keepdims=True)
    return np.where(np.expand_dims(void, 1), np.nan, energies).astype(images.dtype)
