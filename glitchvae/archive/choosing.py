"""Selection of rows by detector, class, time, or a condition in SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from glitchvae.classes.catalog import read_catalog
from glitchvae.config import nearest
from glitchvae.embedding import Embeddings
from glitchvae.errors import CatalogError, InputError

Columns = Mapping[str, NDArray[np.generic]]

_SETTINGS = (  # the last one makes the others final
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET lock_configuration = true",
)


def rows_where(columns: Columns, condition: str) -> NDArray[np.bool_]:
    """(N,) rows for which a condition in SQL holds.

    DuckDB reads it as one expression over a table in memory, without files, network or
    extensions.

    Args:
        columns: (N,) numbers or text, by name.
        condition: As after SQL's WHERE: "snr > 10 AND class_name = 'Tomte'". A number that is
            not known is NULL.

    Raises:
        InputError: it is no condition, or names another column.
    """
    count = len(next(iter(columns.values())))
    # As NaN an unknown number would be larger than any other in SQL.
    table = pa.table({name: _sql_column(values) for name, values in columns.items()})
    table = table.append_column("row_number_", pa.array(np.arange(count)))
    kept = np.zeros(count, dtype=bool)
    if not condition.strip():
        raise InputError(
            "the condition is empty", expected=f"an SQL expression of {', '.join(columns)}"
        )
    connection = duckdb.connect()
    try:
        connection.register("given", table)
        connection.execute("CREATE TABLE events AS SELECT * FROM given")
        connection.unregister("given")
        for setting in _SETTINGS:
            connection.execute(setting)
        found = connection.table("events").filter(f"({condition}\n)").project("row_number_")
        kept[found.fetchnumpy()["row_number_"]] = True
    except (duckdb.Error, UnicodeEncodeError) as error:
        words = str(error).strip().partition("\n")[0]
        raise InputError(
            "the condition is not valid for these rows",
            where=repr(condition),
            expected=f"an SQL expression of the columns {', '.join(columns)}",
            found=words.removesuffix("."),
        ) from error
    finally:
        connection.close()
    return kept


def _sql_column(values: NDArray[np.generic]) -> pa.Array:
    if values.dtype == object:
        return pa.array(values, pa.string())
    return pa.array(values, from_pandas=True)


def choose(
    rows: Embeddings,
    *,
    ifo: str | None = None,
    class_name: str | None = None,
    since: float | None = None,
    until: float | None = None,
    snr: float | None = None,
    where: str | None = None,
    catalog: Path | None = None,
    probabilities: Callable[[Embeddings], Columns] | None = None,
) -> Embeddings:
    """Select rows by detector, class, time and condition.

    Args:
        rows: All of them.
        ifo: Of this detector.
        class_name: Named this class, in any spelling that the catalogue knows.
        since: From this GPS time on.
        until: Before this GPS time.
        snr: Minimum SNR.
        where: A condition in SQL (`rows_where`).
        catalog: The user's own catalogue.
        probabilities: Gives those of the classes, which `where` may name as `p_<class>`.

    Raises:
        InputError: no glitch of that class, and another class is spelt alike; or no condition.
    """
    wanted = np.ones(len(rows), dtype=bool)
    if ifo is not None:
        wanted &= rows.ifo == ifo
    if class_name is not None:
        wanted &= rows.class_name == _class_of(rows, class_name, catalog)
    if since is not None:
        wanted &= rows.gps >= since
    if until is not None:
        wanted &= rows.gps < until
    if snr is not None:
        wanted &= rows.snr >= snr
    rows = rows.take(wanted)
    if where is None:
        return rows
    columns = dict(rows.scalars())
    if probabilities is not None and re.search(r"\bp_", where):
        columns |= {f"p_{name}": shares for name, shares in probabilities(rows).items()}
    return rows.take(rows_where(columns, where))


def _class_of(rows: Embeddings, spelling: str, catalog: Path | None) -> str:
    """The name of a class as it stands in the rows."""
    names = sorted(set(rows.class_name) - {""})
    if spelling in names:
        return spelling
    try:
        return read_catalog(own=catalog).find(spelling).name
    except CatalogError as error:
        hint = nearest(spelling, names) if names else ""
        raise InputError(f"no glitch named {spelling!r}{hint}") from error
