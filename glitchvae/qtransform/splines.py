"""Cubic not-a-knot splines: on even grids in time, on any grid in frequency.

These are the splines behind `scipy.interpolate.InterpolatedUnivariateSpline` and
`RectBivariateSpline`, which gwpy uses, written as tensor operations on batches. Either
is two steps: coefficients of B-splines, then four of them summed for each point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import BSpline, make_interp_spline
from torch import Tensor

_POLE = 3**0.5 - 2  # of the cubic B-spline's inverse filter, which decays as 0.27^n
_REACH = 16  # samples after which that filter is below the rounding of float32
_BLOCK = 32  # coefficients that one row of a matrix product makes; more would multiply more zeros
_FOURTH_DIFFERENCE = (1.0, -4.0, 6.0, -4.0, 1.0)

MARGIN = _REACH
"""Samples beyond a stretch for which its spline equals that of the whole row."""


def spline_coefficients(values: Tensor, *, ends: bool = True) -> Tensor:
    """B-spline coefficients of the not-a-knot spline through evenly spaced values.

    The coefficients of an endless row follow from a symmetric filter (Unser 1999, IEEE
    Signal Process. Mag. 16, 22). Any multiple of `_POLE**n` counted from an end may be
    added without moving the spline at the samples; the two multiples are chosen so
    that the third derivative is continuous at the second and the last but one sample.

    Args:
        values: (..., L), L at least 4.
        ends: Whether either end is one of the row; if not, the spline is that of a longer row,
            but for `MARGIN` samples at both.

    Returns:
        Coefficients (..., L + 2) of the B-splines centred on samples -1 to L.
    """
    length = values.shape[-1]
    block, decay, gains = _row_operators(length, values.dtype, values.device)
    count = -(-(length + 2) // _BLOCK)
    behind = count * _BLOCK - 2 - length + _REACH + 1
    rows = torch.nn.functional.pad(values.reshape(-1, length), (_REACH + 1, behind))
    free = rows.unfold(-1, len(block), _BLOCK) @ block
    free = free.reshape(len(rows), -1)[:, : length + 2]
    if ends:
        jumps = torch.stack((free[:, :5], free[:, -5:]), dim=1)
        jumps = jumps @ decay.new_tensor(_FOURTH_DIFFERENCE)
        free = torch.addmm(free, jumps @ gains, decay)
    return free.unflatten(0, values.shape[:-1])


@lru_cache(maxsize=256)
@torch.inference_mode(mode=False)  # kept for others, who may want gradients through them
def _row_operators(
    length: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Operators of a row of a length.

    Returns:
        The filter as matrix from a stretch of values to a block of coefficients, what to
        add for a jump at either end (2, length + 2), and how much of it for each jump (2, 2).
    """
    distance = np.arange(_BLOCK + 2 * _REACH)[:, None] - np.arange(_BLOCK) - _REACH
    block = np.where(np.abs(distance) > _REACH, 0.0, np.sqrt(3) * _POLE ** np.abs(distance))
    decay = _POLE ** np.arange(length + 2.0)
    ends = np.stack((decay, decay[::-1]))
    jumps = np.stack((ends[:, :5], ends[:, -5:])) @ np.array(_FOURTH_DIFFERENCE)
    gains = -np.linalg.inv(jumps).T
    first, second, third = (
        torch.from_numpy(part).to(device, dtype) for part in (block, ends, gains)
    )
    return first, second, third


def evaluate_spline(coefficients: Tensor, positions: Tensor) -> Tensor:
    """Values of splines at positions counted in samples.

    Args:
        coefficients: (B, R, L + 2) of `spline_coefficients`.
        positions: (B, N) float64, shared by the R rows; beyond the samples the outermost
            polynomials continue.

    Returns:
        (B, N, R).
    """
    taps, weights = spline_weights(positions, coefficients.shape[-1] - 2)
    return sum_taps(coefficients.mT, taps, weights.to(coefficients.dtype))


def spline_weights(positions: Tensor, length: int | Tensor) -> tuple[Tensor, Tensor]:
    """Choose and weigh the coefficients that make a spline at positions counted in samples.

    Args:
        positions: (...) float64.
        length: Samples of the row, one number or a tensor (...) for rows of several lengths.

    Returns:
        Indices of the four coefficients of `spline_coefficients` (..., 4) and their weights
        (..., 4).
    """
    last = length - 2
    left = positions.floor().clamp(min=0)
    left = left.clamp(max=last) if isinstance(last, int) else left.minimum(last)
    weights = _basis(positions - left)
    return left.long()[..., None] + torch.arange(4, device=positions.device), weights


def _basis(x: Tensor) -> Tensor:
    """The four cubic B-splines that overlap the interval [0, 1], at x (...) -> (..., 4)."""
    cubics = ((1 - x) ** 3, 3 * x**3 - 6 * x**2 + 4, -3 * x**3 + 3 * x**2 + 3 * x + 1, x**3)
    return torch.stack(cubics, dim=-1) / 6


def sum_taps(table: Tensor, taps: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums (B, N, C) of four rows of a table (B, L, C), chosen by taps (B, N, 4)."""
    batch, length, width = table.shape
    if batch > 1:
        taps = taps + torch.arange(batch, device=table.device)[:, None, None] * length
    sums = torch.nn.functional.embedding_bag(
        taps.reshape(-1, 4),
        table.reshape(batch * length, width),
        mode="sum",
        per_sample_weights=weights.reshape(-1, 4),
    )
    return sums.reshape(batch, -1, width)


@dataclass(frozen=True, eq=False)
class FrequencySpline:
    """The spline through values at fixed knots, evaluated at fixed points.

    Attributes:
        solve: (R, R) matrix from values to coefficients.
        taps: (N, 4) indices of the coefficients that make a point.
        weights: (N, 4) their weights; NaN where a point is not to be computed.
    """

    solve: Tensor
    taps: Tensor
    weights: Tensor

    @classmethod
    def through(
        cls,
        knots: NDArray[np.float64],
        at: NDArray[np.float64],
        band: tuple[float, float],
        device: torch.device | None = None,
    ) -> FrequencySpline:
        """The spline over knots (R,) at points (N,), as FITPACK's `bispev` gives it.

        Points beyond the outermost knots take the value there; outside `band` they are NaN.
        The values it is called with have to be on `device`.
        """
        spline = make_interp_spline(knots, np.eye(len(knots)), k=3)
        inside = np.clip(at, knots[0], knots[-1])
        design = BSpline.design_matrix(inside, spline.t, 3)
        weights = design.data.reshape(-1, 4).astype(np.float32)
        weights[(at < band[0]) | (at > band[1])] = np.nan
        return cls(
            solve=torch.from_numpy(spline.c.astype(np.float32)).to(device),
            taps=torch.from_numpy(design.indices.reshape(-1, 4).astype(np.int64)).to(device),
            weights=torch.from_numpy(weights).to(device),
        )

    def __call__(self, values: Tensor) -> Tensor:
        """Values (B, R, nt) at the knots -> (B, N, nt) at the points."""
        taps, weights = (part.expand(len(values), -1, -1) for part in (self.taps, self.weights))
        return sum_taps(self.solve @ values, taps, weights)
