"""Medians of rows of energies, exact.

numpy's selection takes a nanosecond a value or less for short rows and, on processors that
compress vectors slowly (AMD's Zen 4), six for long ones. Of a long row only the values around
the middle are therefore handed to it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SHORT = 1024  # values of a row up to which the search for its middle costs more than it saves


def row_medians(energies: Tensor, way: str | None = None) -> Tensor:
    """Medians over the last axis of even length: the mean of the two middle values.

    Args:
        energies: (..., n).
        way: A key of `MEDIANS` in place of what the device takes.
    """
    if way is not None or energies.device.type != "cpu":
        return MEDIANS[way or MEDIAN_ON_GPU](energies)
    count = energies.shape[-1]
    rows = np.ascontiguousarray(energies.numpy()).reshape(-1, count)
    medians = _mean_of_two(rows, count // 2) if count <= _SHORT else _long_medians(rows)
    return torch.from_numpy(medians.reshape(energies.shape[:-1]))


def _long_medians(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Medians of rows (R, n): the method of Floyd and Rivest (1975, Commun. ACM 18, 165).

    Two values of a sorted sample bracket the median, most probably. What lies below them is
    counted, and what lies between them is selected from. A row whose bracket missed is
    selected from as a whole.
    """
    count = rows.shape[-1]
    sample = np.sort(rows[:, :: round(count ** (1 / 3))], axis=-1)
    centre, spread = sample.shape[-1] // 2, int(sample.shape[-1] ** 0.5)  # two deviations
    below = rows < sample[:, centre - spread, None]
    between = below ^ (rows <= sample[:, centre + spread, None])
    places = np.flatnonzero(between)
    values = rows.ravel()[places]
    ends = np.searchsorted(places, np.arange(len(rows) + 1) * count)
    rank = count // 2 - np.array([np.count_nonzero(row) for row in below])
    found = (rank > 0) & (rank < np.diff(ends))
    start, middle = ends[:-1][found], (ends[:-1] + rank)[found]
    for first, last, place in zip(start, ends[1:][found], middle - start, strict=True):
        values[first:last].partition(place)
    medians = np.empty(len(rows), rows.dtype)
    if found.any():
        lower = np.maximum.reduceat(values, np.stack((start, middle), axis=-1).ravel())[::2]
        medians[found] = (values[middle] + lower) / 2
    medians[~found] = _mean_of_two(rows[~found], count // 2)
    return medians


def _mean_of_two(rows: NDArray[np.float32], rank: int) -> NDArray[np.float32]:
    """Mean of the values of `rank` and of the one before it in each row (R, n)."""
    parted = np.partition(rows, rank, axis=-1)
    return (parted[:, rank] + parted[:, :rank].max(-1)) / 2


def _median_by_sort(energies: Tensor) -> Tensor:
    half = energies.shape[-1] // 2
    return energies.sort(dim=-1).values[..., half - 1 : half + 1].mean(-1)


def _median_by_selection(energies: Tensor) -> Tensor:
    """Medians by radix selection of the lower middle value; the upper is the next above it."""
    half = energies.shape[-1] // 2
    lower = energies.kthvalue(half, dim=-1).values
    below = energies <= lower[..., None]
    upper = energies.masked_fill(below, torch.inf).amin(-1)
    return (lower + torch.where(below.sum(-1) > half, lower, upper)) / 2


MEDIANS: dict[str, Callable[[Tensor], Tensor]] = {
    "sort": _median_by_sort,
    "selection": _median_by_selection,
}
"""Methods for the median of rows that torch has on every device."""

MEDIAN_ON_GPU = "sort"
"""Method on a GPU; `tests/benchmarks/bench_qtransform.py --device cuda` compares all of them."""
