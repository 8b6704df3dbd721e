"""Export of rows of an archive to tables, also in Gravity Spy's columns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from glitchvae.archive.ledger import Ledger
from glitchvae.config import nearest
from glitchvae.embedding import Embeddings, write_embeddings
from glitchvae.embedding.tables import flat_table, write_plain
from glitchvae.errors import ArchiveError, InputError

_LOG = logging.getLogger(__name__)

Shares = Mapping[str, NDArray[np.floating]]
"""Probability (N,) of each class, by name."""


def export_rows(
    path: str | Path,
    rows: Embeddings,
    shares_of: Callable[[Embeddings], Shares],
    ledger: Ledger,
    *,
    probabilities: bool = False,
    columns: Sequence[str] = (),
    codes: bool = True,
    gravity_spy: bool = False,
) -> None:
    """Write rows of an archive; the suffix of the file selects the format.

    Args:
        path: Where to.
        rows: Of one model.
        shares_of: Gives probabilities of the classes.
        ledger: Of the archive.
        probabilities: With a column `p_<class>` for each class.
        columns: These alone, in this order (CSV, ECSV or Parquet).
        codes: Whether CSV and ECSV hold the codes.
        gravity_spy: As `gravity_spy_table`.

    Raises:
        InputError: another suffix, or an unknown column.
        ArchiveError: probabilities are asked for, and the head of the model is not here.
    """
    if gravity_spy:
        if columns or probabilities:
            raise InputError("Gravity Spy's table has fixed columns; others cannot be selected")
        try:
            shares = shares_of(rows)
        except ArchiveError as error:
            _LOG.warning("without a column for each class: %s", error)
            shares = {}
        write_plain(path, gravity_spy_table(rows, shares, ledger.central_frequencies()))
    elif columns:
        wanted = probabilities or any(name.startswith("p_") for name in columns)
        more = {f"p_{k}": v for k, v in shares_of(rows).items()} if wanted else {}
        table = flat_table(rows, more)
        names = [*columns, *(more if probabilities else ())]
        _check_names(names, table.column_names)
        write_plain(path, table.select(list(dict.fromkeys(names))))
    else:
        write_embeddings(path, rows, shares_of(rows) if probabilities else None, codes=codes)


def _check_names(names: Sequence[str], there: Sequence[str]) -> None:
    for name in names:
        if name not in there:
            known = [n for n in there if not n.startswith(("mean_", "log_var_"))]
            raise InputError(f"no column {name!r}{nearest(name, known)}", expected=", ".join(known))


def gravity_spy_table(
    rows: Embeddings,
    probabilities: Mapping[str, NDArray[np.floating]],
    central_frequency: Mapping[str, float],
) -> pa.Table:
    """Rows under the names of Gravity Spy's columns.

    The time stands in `event_time`, as in the tables of O3, and in `GPStime`, as in older
    ones. `ml_label` and `ml_confidence` are the class that a model names and its probability;
    what people say is no part of this table.

    Args:
        rows: N rows of one model.
        probabilities: (N,) of each class, by name: a column each.
        central_frequency: Hz, by identifier, of those events whose search told it.
    """
    unknown = float("nan")
    central = [central_frequency.get(event, unknown) for event in rows.event_id]
    columns: dict[str, pa.Array] = {
        "event_time": pa.array(rows.gps),
        "GPStime": pa.array(rows.gps),
        "ifo": pa.array(rows.ifo, pa.string()),
        "gravityspy_id": pa.array(rows.event_id, pa.string()),
        "ml_label": pa.array(rows.class_name, pa.string()),
        "ml_confidence": pa.array(rows.class_probability),
        "snr": pa.array(rows.snr),
        "peak_frequency": pa.array(rows.peak_frequency),
        "central_freq": pa.array(np.array(central, dtype=np.float32)),
        "bandwidth": pa.array(rows.bandwidth),
        "duration": pa.array(rows.duration),
        "q_value": pa.array(rows.q),
    }
    columns |= {
        name: pa.array(np.asarray(values, dtype=np.float32))
        for name, values in probabilities.items()
        if name not in columns
    }
    return pa.table(columns)
