"""Fourier transforms of few long rows of real samples.

For each call torch makes the tables of a transform anew. For a single row on a CPU this
takes longer than the transform itself; scipy keeps its tables.
"""

from __future__ import annotations

import scipy.fft
import torch
from torch import Tensor


def rfft(values: Tensor, n: int | None = None, *, norm: str = "backward") -> Tensor:
    """`torch.fft.rfft`."""
    if _by_scipy(values):
        return torch.from_numpy(scipy.fft.rfft(values.numpy(), n, norm=norm))
    return torch.fft.rfft(values, n, norm=norm)


def irfft(spectrum: Tensor, n: int | None = None) -> Tensor:
    """`torch.fft.irfft`."""
    if _by_scipy(spectrum):
        return torch.from_numpy(scipy.fft.irfft(spectrum.numpy(), n))
    return torch.fft.irfft(spectrum, n)


def _by_scipy(values: Tensor) -> bool:
    return values.device.type == "cpu" and not values.requires_grad
