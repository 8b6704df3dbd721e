"""Conversion of normalised energy to network input, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from glitchvae.shapes import ENERGY_CEILING


def prepare(images: Tensor) -> tuple[Tensor, Tensor]:
    """Convert energies to input of a model, with the computed band as a last channel.

    Energy is clipped at Gravity Spy's ceiling and its square root taken,
    `x = sqrt(min(E, 25.5) / 25.5)`: a faint line of energy 2, invisible on a linear
    scale beside a saturated pixel, keeps 0.28 of the range.

    Args:
        images: Energies (B, views, F, T); NaN where nothing was computed.

    Returns:
        The input (B, views + 1, F, T) in [0, 1]: the views, 0 where not computed, then 1 where
        every view was computed. And bool (B, 1, F, T), its last channel: the pixels that a loss
        may look at.
    """
    valid = ~images.isnan().any(dim=1, keepdim=True)
    views = images.float().nan_to_num(0.0).clamp(0.0, ENERGY_CEILING).div(ENERGY_CEILING).sqrt()
    return torch.cat([views * valid, valid.to(views.dtype)], dim=1), valid


def reduce(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """Reduce input to fewer pixels: each is the mean of those it covers, in roots of energy.

    Args:
        x: Input (B, views + 1, F, T) as `prepare` makes it.
        shape: (F', T') wanted.

    Returns:
        (B, views + 1, F', T'); a row counts as computed where all that it covers were.
    """
    if x.shape[-2:] == shape:
        return x
    small = adaptive_avg_pool2d(x, shape)
    valid = small[:, -1:] > 1 - 1e-6
    return torch.cat([small[:, :-1] * valid, valid.to(small.dtype)], dim=1)


def enlarge(views: Tensor, shape: tuple[int, int]) -> Tensor:
    """Enlarge views (B, views, F', T') by linear interpolation to (B, views, F, T)."""
    if views.shape[-2:] == shape:
        return views
    return interpolate(views, shape, mode="bilinear", align_corners=False)


def restore(views: Tensor) -> Tensor:
    """Convert reconstructed inputs in [0, 1] to energies (B, views, F, T), inverse to `prepare`."""
    return views.square() * ENERGY_CEILING
