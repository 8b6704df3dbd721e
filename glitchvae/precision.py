"""Convolutions in full float32 on a GPU, where cuDNN rounds their inputs to ten bits.

TF32 is torch's default for convolutions on NVIDIA GPUs since Ampere, and right for training:
its error of about 1e-3 is far below the noise of a gradient. Images and codes are compared
with those of a CPU, and are promised to be the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute convolutions on `device` without TF32 inside the block; no effect on a CPU."""
    if device.type != "cuda":
        yield
        return
    place, name, full = _switch()
    before = getattr(place, name)
    setattr(place, name, full)
    try:
        yield
    finally:
        setattr(place, name, before)


def _switch() -> tuple[Any, str, Any]:
    """The setting object of torch for TF32, its attribute, and the value for full precision.

    Since torch 2.9 convolutions have a setting of their own, and reading the older one raises
    where somebody has used the newer.
    """
    convolutions = getattr(torch.backends.cudnn, "conv", None)
    if convolutions is None:
        return torch.backends.cudnn, "allow_tf32", False
    return convolutions, "fp32_precision", "ieee"
