"""Pixels among the channels of a model's input, and the mask of existing pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from glitchvae.models import Model, UserEncoder


@torch.no_grad()
def pixel_channels(model: Model | UserEncoder, images: Tensor) -> int:
    """Number of channels that are pixels; a further one is a mask.

    Of images for an encoder without a decoder all are.
    """
    if isinstance(model, UserEncoder):
        return images.shape[1]
    return model.decode(model.infer(images[:1], sample=False).z).mean.shape[1]


def existing(images: Tensor, channels: int) -> Tensor:
    """1 for existing pixels, (B, 1, F, T), or a scalar if all exist."""
    mask = images[:, channels:]
    return mask if mask.shape[1] else torch.ones((), device=images.device)
