"""Which channels of a model's input are pixels, and which of those pixels exist."""

from __future__ import annotations

import torch
from torch import Tensor

from glitchvae.models import Model, UserEncoder


@torch.no_grad()
def pixel_channels(model: Model | UserEncoder, images: Tensor) -> int:
    """How many of the channels are pixels; a further one says where they exist.

    Of images for an encoder without a decoder all are.
    """
    if isinstance(model, UserEncoder):
        return images.shape[1]
    return model.decode(model.infer(images[:1], sample=False).z).mean.shape[1]


def existing(images: Tensor, channels: int) -> Tensor:
    """1 for pixels that exist, (B, 1, F, T), or a scalar where all of them do."""
    mask = images[:, channels:]
    return mask if mask.shape[1] else torch.ones((), device=images.device)
