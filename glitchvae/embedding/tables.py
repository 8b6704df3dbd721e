"""Embeddings as HDF5, Parquet, CSV and ECSV, selected by suffix.

Parquet holds codes as fixed-size lists of float32 and the record's attributes as
JSON in the schema's metadata; HDF5 is the record's own form. ECSV and CSV are for people
and other tools: what people read comes first, the codes last, one column per latent dimension
(`mean_0`, `log_var_0`, ...), or not at all. CSV has no place for attributes, so the model is
repeated in two columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from glitchvae import __version__
from glitchvae.embedding.record import Embeddings
from glitchvae.errors import InputError, reading
from glitchvae.guard import needs, read_apart
from glitchvae.store import replacing
from glitchvae.triggers.record import are_times

CODES = ("mean", "log_var")
FLAGS = "flags"
"""Column of remarks: a list of words in Parquet, sorted words between blanks elsewhere."""


UTC = "utc"
"""Column with the time of a row as a date, in tables for people."""

_LATEST = 1e10  # GPS seconds: what lies beyond is no date

_PEOPLE_FIRST = (
    "event_id",
    "gps",
    UTC,
    "ifo",
    "snr",
    "peak_frequency",
    "class_name",
    "class_probability",
    "label",
    "novelty_p",
    FLAGS,
    "status",
)

Probabilities = Mapping[str, np.ndarray]
"""Probability (N,) of each class, by its name."""


def write_embeddings(
    path: str | Path,
    embeddings: Embeddings,
    probabilities: Probabilities | None = None,
    *,
    codes: bool = True,
) -> None:
    """Write in the format of the suffix: .h5, .hdf5, .parquet, .csv or .ecsv.

    Args:
        path: Where to.
        embeddings: N rows.
        probabilities: A column `p_<class>` more for each; readers of embeddings pass over them.
        codes: Whether CSV and ECSV hold the codes, without which they cannot be read back as
            embeddings; the other formats always do.

    Raises:
        InputError: another suffix.
        StorageError: the disk refused the write; an earlier file is untouched.
    """
    more = {f"p_{k}": v for k, v in (probabilities or {}).items()}
    suffix = _format(path)
    if suffix in _PLAIN:
        write_plain(path, flat_table(embeddings, more, codes=codes), _metadata(embeddings))
    elif suffix == ".parquet":
        write_parquet(path, embeddings, more)
    else:
        embeddings.write(path, {name: np.asarray(v, np.float32) for name, v in more.items()})


def write_plain(
    path: str | Path, table: pa.Table, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a table of numbers and text: .csv, .ecsv or .parquet.

    Args:
        path: Where to.
        table: One number or text a cell.
        metadata: What an ECSV file says of the table as a whole.

    Raises:
        InputError: another suffix.
        StorageError: the disk refused the write; an earlier file is untouched.
    """
    suffix = _suffix(path)
    if suffix not in (*_PLAIN, ".parquet"):
        raise InputError(
            "the suffix is not that of a format of tables",
            where=path,
            expected=f"one of {', '.join((*_PLAIN, '.parquet'))}",
            found=suffix or "no suffix",
        )
    with replacing(path) as temporary:
        if suffix == ".csv":
            pyarrow.csv.write_csv(table, temporary)
        elif suffix == ".parquet":
            pq.write_table(table, temporary, compression="zstd")
        else:
            _as_ecsv(table, temporary, dict(metadata or {}))


def _as_ecsv(table: pa.Table, path: Path, metadata: dict[str, str]) -> None:
    from astropy.table import Table

    columns = {name: table[name].to_numpy() for name in table.column_names}
    Table(columns, meta=metadata).write(path, format="ascii.ecsv", overwrite=True)


def read_embeddings(path: str | Path) -> Embeddings:
    """Read a file of `write_embeddings`; CSV gives the model and no other attribute.

    Raises:
        InputError: no such file, another suffix, a damaged file, a missing column.
    """
    suffix = _format(path)
    with reading(path):
        return Embeddings.read(path) if suffix in _HDF5 else read_apart(_READERS[suffix], path)


def to_arrow(embeddings: Embeddings) -> pa.Table:
    """The record as an Arrow table, attributes in the schema's metadata."""
    columns = {
        field.name: _words(value) if field.name == FLAGS else _arrow_column(value)
        for field in Embeddings.columns()
        if (value := getattr(embeddings, field.name)) is not None
    }
    return pa.table(columns).replace_schema_metadata(_metadata(embeddings))


def from_arrow(table: pa.Table, where: object = None) -> Embeddings:
    """The record in an Arrow table made by `to_arrow`.

    Raises:
        InputError: another schema, a newer version, a missing column.
    """
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    check_metadata(metadata, where)
    return assemble(table, _attributes(metadata), where)


def write_parquet(path: str | Path, embeddings: Embeddings, more: Probabilities) -> None:
    """Write one Parquet file, with additional columns (N,)."""
    with replacing(path) as temporary:
        pq.write_table(_with(to_arrow(embeddings), more), temporary, compression="zstd")


def _with(table: pa.Table, more: Probabilities) -> pa.Table:
    for name, values in more.items():
        table = table.append_column(name, pa.array(np.asarray(values, dtype=np.float32)))
    return table


def read_parquet(path: str | Path) -> Embeddings:
    """Read one Parquet file of embeddings."""
    try:
        with Path(path).open("rb") as stream:
            table = pq.read_table(stream)
    except (OSError, pa.ArrowException) as error:
        raise InputError("not a readable Parquet file", where=path, found=error) from error
    return from_arrow(table, path)


def check_metadata(metadata: dict[str, str], where: object) -> None:
    """Refuse a table of another schema or of a version from the future."""
    if metadata.get("schema") != Embeddings.schema:
        raise InputError(
            "the table is of another kind",
            where=where,
            expected=Embeddings.schema,
            found=metadata.get("schema"),
        )
    if int(metadata.get("schema_version", 0)) > Embeddings.schema_version:
        raise InputError(
            "written by a newer glitchvae",
            where=where,
            expected=f"schema version <= {Embeddings.schema_version}",
            found=metadata["schema_version"],
            remedy="Upgrade glitchvae to read it.",
        )


def flat_table(
    embeddings: Embeddings, more: Probabilities | None = None, *, codes: bool = True
) -> pa.Table:
    """One scalar per column, the most used columns first, for spreadsheets and tables.

    Args:
        embeddings: N rows.
        more: Further columns (N,), which come before the codes.
        codes: With a column for each latent dimension, at the end.
    """
    found: dict[str, Any] = {**embeddings.scalars(), UTC: utc_of(embeddings.gps)}
    columns = {name: found[name] for name in (*_PEOPLE_FIRST, *found) if name in found}
    columns |= {
        f"model_{key}": np.full(len(embeddings), embeddings.model.get(key, ""), dtype=object)
        for key in ("name", "digest")
    }
    columns |= {name: np.asarray(v, np.float32) for name, v in (more or {}).items()}
    for field in CODES if codes else ():
        value = getattr(embeddings, field)
        columns |= {f"{field}_{i}": value[:, i] for i in range(embeddings.size)}
    return pa.table({name: _arrow_column(value) for name, value in columns.items()})


def utc_of(gps: np.ndarray) -> np.ndarray:
    """(N,) dates (UTC, ISO 8601, to the millisecond) of GPS times, "" for unknown times."""
    from astropy.time import Time

    dates = np.full(len(gps), "", dtype=object)
    known = are_times(gps) & (gps < _LATEST)
    if known.any():
        times: Any = Time(gps[known], format="gps", precision=3)
        dates[known] = times.utc.isot.astype(object)
    return dates


def _read_csv(path: str | Path) -> Embeddings:
    text = dict.fromkeys((*_text_columns(), "model_name", "model_digest"), pa.string())
    options = pyarrow.csv.ConvertOptions(column_types=text, strings_can_be_null=False)
    try:
        table = pyarrow.csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        raise InputError("not a readable CSV table", where=path, found=error) from error
    model = {
        key: table[f"model_{key}"][0].as_py()
        for key in ("name", "digest")
        if len(table) and f"model_{key}" in table.column_names
    }
    return assemble(table, {"model": model}, path)


@needs("astropy.table", "astropy.io.ascii")
def _read_ecsv(path: str | Path) -> Embeddings:
    from astropy.table import Table

    try:
        table = Table.read(path, format="ascii.ecsv", fill_values=[])
    except (OSError, ValueError) as error:
        raise InputError("not a readable ECSV table", where=path, found=error) from error
    metadata = {k: v for k, v in table.meta.items() if isinstance(v, str)}
    check_metadata({k: str(v) for k, v in table.meta.items()}, path)
    columns = {name: pa.array(np.asarray(table[name])) for name in table.colnames}
    return assemble(pa.table(columns), _attributes(metadata), path)


_HDF5 = (".h5", ".hdf5")
_READERS: dict[str, Callable[[Path], Embeddings]] = {
    ".parquet": read_parquet,
    ".csv": _read_csv,
    ".ecsv": _read_ecsv,
}
_PLAIN = (".csv", ".ecsv")


def _suffix(path: str | Path) -> str:
    return Path(path).suffix.lower()


def _format(path: str | Path) -> str:
    """The suffix if it is one of the formats of embeddings."""
    suffix = _suffix(path)
    if suffix not in (*_HDF5, *_READERS):
        raise InputError(
            "the suffix is not that of a format of embeddings",
            where=path,
            expected=f"one of {', '.join((*_HDF5, *_READERS))}",
            found=suffix or "no suffix",
        )
    return suffix


def check_output(path: str | Path) -> None:
    """Refuse, before any work, a path whose suffix names no format."""
    _format(path)


def _metadata(embeddings: Embeddings) -> dict[str, str]:
    described = {f.name: json.dumps(getattr(embeddings, f.name)) for f in Embeddings.attributes()}
    return {
        "schema": Embeddings.schema,
        "schema_version": str(Embeddings.schema_version),
        "glitchvae_version": __version__,
        "model_digest": embeddings.model_digest,
        "imaging_digest": embeddings.imaging_digest,
        **described,
    }


def _words(texts: np.ndarray) -> pa.Array:
    return pa.array([str(text).split() for text in texts], pa.list_(pa.string()))


def _arrow_column(value: np.ndarray) -> pa.Array:
    if value.ndim == 1:
        return pa.array(value, pa.string() if value.dtype == object else None)
    flat = pa.array(np.ascontiguousarray(value).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, value.shape[1])


def _attributes(metadata: dict[str, str]) -> dict[str, Any]:
    names = [f.name for f in Embeddings.attributes() if f.name in metadata]
    return {name: json.loads(metadata[name]) for name in names}


def assemble(table: pa.Table, attributes: dict[str, Any], where: object = None) -> Embeddings:
    """Make a record from the columns of a table and known attributes.

    Raises:
        InputError: a column is missing.
    """
    values = dict(attributes)
    for name in (*(f.name for f in Embeddings.columns()), *Embeddings.older_columns):
        if name in table.column_names and name not in CODES:
            values[name] = _values(table[name])
    values = Embeddings.renewed(values)
    for field in Embeddings.columns():
        if field.name in CODES:
            values[field.name] = _codes(table, field.name, where)
        elif field.name not in values and field.default is not None:
            raise _missing(field.name, table, where)
    return Embeddings(**values)


def _values(column: pa.ChunkedArray) -> np.ndarray:
    """One number or text per row; lists of words are joined to a text."""
    if pa.types.is_list(column.type):
        return np.array([" ".join(words) for words in column.to_pylist()], dtype=object)
    return column.to_numpy()


def _codes(table: pa.Table, name: str, where: object) -> np.ndarray:
    """(N, Z) from a column of lists, or from the columns `name`_0, `name`_1, ..."""
    if name in table.column_names:
        lists = table[name].combine_chunks()
        width = getattr(lists.type, "list_size", 0) or len(lists[0] if len(lists) else ())
        return lists.flatten().to_numpy(zero_copy_only=False).reshape(len(table), width)
    parts = []
    while f"{name}_{len(parts)}" in table.column_names:
        # A missing number becomes NaN.
        parts.append(table[f"{name}_{len(parts)}"].to_numpy())
    if not parts:
        raise _missing(name, table, where)
    return np.stack(parts, axis=1)


def _missing(name: str, table: pa.Table, where: object) -> InputError:
    remedy = "Export it with --codes, or as .h5 or .parquet." if name in CODES else None
    return InputError(f"no column {name!r}", where=where, found=table.column_names, remedy=remedy)


def _text_columns() -> list[str]:
    return [f.name for f in Embeddings.columns() if f.metadata["dtype"] is str]
