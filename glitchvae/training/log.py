"""The log of a run: one row of named terms every few steps."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError

LOG = "log.csv"


def read_log(run: str | Path) -> dict[str, NDArray[np.float64]]:
    """Columns of the log of a run by name, each (rows,).

    Args:
        run: Folder of a run.

    Raises:
        InputError: there is no log, or it holds no row or something that is no number.
    """
    path = Path(run) / LOG
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise InputError(
            "no log of a training run", where=run, expected=LOG,
            remedy="Give the folder that `glitchvae train -o` wrote.",
        ) from error  # fmt: skip
    if not rows:
        raise InputError("the log is empty", where=path)
    try:
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise InputError("a damaged log", where=path, expected="numbers", found=error) from error
