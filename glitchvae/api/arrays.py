"""Checks of arrays, labels, splits and factors that users pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from glitchvae.config import nearest
from glitchvae.dataset import SPLITS
from glitchvae.errors import InputError


def as_array(values: Any, what: str) -> NDArray[Any]:
    """Numbers, or the values of a tensor, as a numpy array.

    Raises:
        InputError: they are none.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(
            "the value is not an array",
            where=what,
            expected="rows of one shape",
            found=str(error).splitlines()[0],
        ) from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            "the values are not numbers",
            where=what,
            expected="an array of numbers",
            found=f"{type(values).__name__} of {array.dtype}",
        )
    return array


def as_path(value: object, what: str) -> Path:
    """Convert a value to a path.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, str | PathLike) or not str(value):
        raise InputError(
            "the value is not a path", where=what, expected="a path", found=repr(value)
        )
    return Path(value)


def as_text(values: Any, count: int, what: str) -> NDArray[np.object_]:
    """(N,) values as text; "" for None and NaN.

    Raises:
        InputError: another number of them than `count`.
    """
    if values is None:
        return np.full(count, "", dtype=object)
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    array = np.asarray(values, dtype=object) if not isinstance(values, str) else np.array(values)
    if array.ndim != 1 or len(array) != count:
        raise InputError(
            "the number of values differs from the number of rows",
            where=what,
            expected=(count,),
            found=array.shape,
        )
    return np.array([_text(value) for value in array], dtype=object)


@dataclass(frozen=True)
class Factors:
    """Factors of variation.

    Attributes:
        values: (N, K) which of its values each factor has.
        names: (K,) names.
    """

    values: NDArray[np.int64]
    names: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> Factors:
        """Factors of some of the rows."""
        return Factors(self.values[rows], self.names)


def as_factors(factors: ArrayLike | Mapping[str, ArrayLike], count: int) -> Factors:
    """Factors (N, K), or columns (N,) by name, of `count` images.

    Raises:
        InputError: another shape, or no whole numbers from 0.
    """
    if isinstance(factors, Mapping):
        columns = {str(name): as_array(values, str(name)) for name, values in factors.items()}
        wrong = {name: column.shape for name, column in columns.items() if column.shape != (count,)}
        if wrong or not columns:
            raise InputError(
                "factors have the wrong shape", expected=f"columns ({count},)", found=wrong
            )
        values, names = np.column_stack(list(columns.values())), tuple(columns)
    else:
        values = as_array(factors, "factors")
        if values.ndim != 2 or len(values) != count:
            raise InputError(
                "factors have the wrong shape", expected=f"({count}, K)", found=values.shape
            )
        names = tuple(f"factor {k + 1}" for k in range(values.shape[1]))
    if values.dtype.kind not in "iu" or (values.size and values.min() < 0):
        raise InputError(
            "factors are not whole numbers",
            expected="the index of the value of each factor, from 0",
            found=f"{values.dtype} from {values.min() if values.size else 'nothing'}",
        )
    return Factors(values.astype(np.int64), names)


def checked_splits(split: NDArray[np.object_]) -> NDArray[np.object_]:
    """Names of splits (N,) as they are.

    Raises:
        InputError: one is unknown; the row and the nearest name are given.
    """
    for row, name in enumerate(split):
        if name not in (*SPLITS, ""):
            raise InputError(
                f"unknown split {name!r}{nearest(str(name), list(SPLITS))}", where=f"row {row}"
            )
    return split


def as_rows(rows: Any, count: int) -> NDArray[np.int64]:
    """Row indices given as a slice, a mask, a list of indices or one index.

    Raises:
        InputError: a mask of another length, an index too large, or neither.
        IndexError: a single index too large.
    """
    if isinstance(rows, int | np.integer):
        if not -count <= rows < count:
            raise IndexError(f"row {rows} of {count}")  # which ends a loop over the rows
        rows = [rows]
    try:
        return cast("NDArray[np.int64]", np.arange(count)[rows])
    except (IndexError, TypeError, ValueError) as error:
        raise InputError(
            "the selection of rows is not valid",
            expected=f"a slice, a mask ({count},) or indices",
            found=error,
        ) from error


def _text(value: object) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
