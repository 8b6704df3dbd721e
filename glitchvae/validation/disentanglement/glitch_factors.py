"""Factors of variation of simulated glitches: the parameters of their simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.simulate import Truth

MEASURES = ("snr", "peak_frequency", "q", "duration", "bandwidth")
"""Columns of the truth that every glitch has."""

_NAMED = 5


def bin_values(values: NDArray[np.floating], bins: int) -> NDArray[np.int64]:
    """(N,) index of the quantile bin of each number; equal numbers share a bin."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    _, binned = np.unique(np.searchsorted(edges, values), return_inverse=True)
    return binned


def factors_of(
    truth: Truth,
    event_id: Sequence[str] | NDArray[np.object_],
    *,
    measures: Sequence[str] = MEASURES,
    parameters: Sequence[str] = (),
    label: bool = False,
    bins: int = 8,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Factors (N, K) of simulated events, in the order of `event_id`, and their names.

    Args:
        truth: Table of what was injected.
        event_id: (N,) events that have codes.
        measures: Columns of the table, binned.
        parameters: Parameters of the events' family, binned; all events must have them.
        label: Whether the class is a factor, too.
        bins: Equally filled ones.

    Raises:
        InputError: events without a row in the table, no such column, a parameter that an
            event does not have.
    """
    rows = _rows_of(truth, event_id)
    numbers = {name: _measure(truth, name)[rows] for name in measures}
    numbers |= {name: _parameter(truth, rows, name) for name in parameters}
    columns = {name: bin_values(values, bins) for name, values in numbers.items()}
    if label:
        columns["label"] = np.unique(truth.label[rows].astype(str), return_inverse=True)[1]
    if not columns:
        raise InputError("no factor is requested", expected=f"some of {', '.join(MEASURES)}")
    return np.column_stack(list(columns.values())).astype(np.int64), tuple(columns)


def _rows_of(truth: Truth, event_id: Sequence[str] | NDArray[np.object_]) -> NDArray[np.int64]:
    place = {name: row for row, name in enumerate(truth.event_id)}
    unknown = [name for name in event_id if name not in place]
    if unknown:
        raise InputError(
            f"{len(unknown):,} of {len(event_id):,} events are not in the truth table",
            expected="events of the same simulation",
            found=", ".join(unknown[:_NAMED]),
        )
    return np.array([place[name] for name in event_id], dtype=np.int64)


def _measure(truth: Truth, name: str) -> NDArray[Any]:
    if name not in MEASURES:
        raise InputError(f"no measure {name!r}", where="truth", expected=", ".join(MEASURES))
    return getattr(truth, name)


def _parameter(truth: Truth, rows: NDArray[np.int64], name: str) -> NDArray[np.float64]:
    sets = [truth.parameters_of(int(row)) for row in rows]
    for row, found in zip(rows, sets, strict=True):
        if not isinstance(found.get(name), int | float):
            raise InputError(
                f"no number {name!r} among the parameters",
                where=truth.event_id[row],
                expected="one family, and a parameter of it",
                found=sorted(found),
            )
    return np.array([float(found[name]) for found in sets])  # type: ignore[arg-type]
