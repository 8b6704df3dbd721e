"""Cubic not-a-knot splines: evenly spaced in time, freely spaced in frequency.

These are the splines behind `scipy.interpolate.InterpolatedUnivariateSpline` and
`RectBivariateSpline`, which gwpy uses, written as tensor operations on batches.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.interpolate
import torch
from numpy.typing import NDArray
from torch import Tensor

_POLE = 3**0.5 - 2  # of the cubic B-spline's inverse filter; its powers decay as 0.27^n
_REACH = 16  # samples after which that filter is below the rounding of float32
_FOURTH_DIFFERENCE = (1.0, -4.0, 6.0, -4.0, 1.0)

MARGIN = _REACH
"""Samples beyond a stretch that its spline must know to be that of the whole row."""


def spline_coefficients(values: Tensor) -> Tensor:
    """B-spline coefficients of the not-a-knot spline through evenly spaced values.

    The coefficients of an endless row follow from a symmetric filter (Unser 1999, IEEE
    Signal Process. Mag. 16, 22). Any multiple of `_POLE**n` counted from an end may be
    added without moving the spline at the samples; the two multiples are chosen so
    that the third derivative is continuous at the second and the last but one sample.

    Args:
        values: (..., L), L at least 4.

    Returns:
        Coefficients (..., L + 2) of the B-splines centred on samples -1 to L.
    """
    length = values.shape[-1]
    filter_, ends, gains = (operator.to(values) for operator in _filter_operators(length))
    rows = values.reshape(-1, 1, length)
    free = torch.nn.functional.conv1d(rows, filter_[None, None], padding=_REACH + 1)[:, 0]
    jumps = torch.stack((free[:, :5], free[:, -5:]), dim=1) @ filter_.new_tensor(_FOURTH_DIFFERENCE)
    return (free + jumps @ gains @ ends).reshape(*values.shape[:-1], length + 2)


@lru_cache(maxsize=256)
def _filter_operators(length: int) -> tuple[Tensor, Tensor, Tensor]:
    taps = np.sqrt(3) * _POLE ** np.abs(np.arange(-_REACH, _REACH + 1))
    decay = _POLE ** np.arange(length + 2.0)
    ends = np.stack((decay, decay[::-1]))
    jumps = np.stack((ends[:, :5], ends[:, -5:])) @ np.array(_FOURTH_DIFFERENCE)
    gains = -np.linalg.inv(jumps).T
    return torch.from_numpy(taps), torch.from_numpy(ends.copy()), torch.from_numpy(gains)


def evaluate_spline(coefficients: Tensor, positions: Tensor) -> Tensor:
    """Values of splines at positions counted in samples.

    Args:
        coefficients: (B, R, L + 2) of `spline_coefficients`.
        positions: (B, N) float64, shared by the R rows; beyond the samples the outermost
            polynomials continue.

    Returns:
        (B, N, R).
    """
    batch, rows, width = coefficients.shape
    left = positions.floor().clamp(0, width - 4)
    weights = _basis(positions - left).to(coefficients.dtype)
    offset = torch.arange(batch, device=positions.device)[:, None] * width
    first = left.long() + offset
    taps = first[..., None] + torch.arange(4, device=positions.device)
    table = coefficients.transpose(1, 2).reshape(batch * width, rows)
    values = torch.nn.functional.embedding_bag(
        taps.reshape(-1, 4), table, mode="sum", per_sample_weights=weights.reshape(-1, 4)
    )
    return values.reshape(batch, -1, rows)


def _basis(x: Tensor) -> Tensor:
    """The four cubic B-splines that overlap the interval [0, 1], at x (...) -> (..., 4)."""
    return torch.stack(
        (
            (1 - x) ** 3,
            3 * x**3 - 6 * x**2 + 4,
            -3 * x**3 + 3 * x**2 + 3 * x + 1,
            x**3,
        ),
        dim=-1,
    ) / 6  # fmt: skip


def spline_matrix(knots: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """The matrix (N, R) that takes values at `knots` (R,) to the spline at points (N,).

    Points beyond the outermost knots take the value there, as FITPACK's `bispev` does.
    """
    spline = scipy.interpolate.make_interp_spline(knots, np.eye(len(knots)), k=3)
    return spline(np.clip(at, knots[0], knots[-1])).astype(np.float32)
