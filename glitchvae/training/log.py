"""The log of a run: one row of named terms every few steps."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError

LOG = "log.csv"

Log = Mapping[str, NDArray[Any]]
"""Columns of a log by name."""


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
            "no log of a training run",
            where=run,
            expected=LOG,
            remedy="Give the folder that `glitchvae train -o` wrote.",
        ) from error
    if not rows:
        raise InputError("the log is empty", where=path)
    try:
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise InputError("a damaged log", where=path, expected="numbers", found=error) from error


def dimension_kl(log: Log, where: object = None) -> NDArray[np.float64]:
    """(rows, D) the columns `kl_1` … `kl_D` of a log: KL of each latent dimension in nats.

    Args:
        log: Columns by name.
        where: The run, for errors.

    Raises:
        InputError: there are none.
    """
    names = kl_columns(log)
    if not names:
        raise InputError(
            "the log has no KL of single dimensions",
            where=where,
            expected="columns kl_1, kl_2, …",
            found=", ".join(log),
            remedy="Train with a glitchvae of this version.",
        )
    return np.stack([log[name] for name in names], axis=1)


def kl_columns(names: Iterable[str]) -> list[str]:
    """Columns with the KL of a dimension, in the order of dimensions."""
    found = [name for name in names if name.startswith("kl_") and name[3:].isdigit()]
    return sorted(found, key=lambda name: int(name[3:]))
