"""Parts: immutable Parquet files of embeddings of one detector and one model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from glitchvae.archive.classes import classes_now
from glitchvae.archive.heads import code_digests
from glitchvae.archive.layout import name_part, parse_part, part_files
from glitchvae.classes.user import catalog_path
from glitchvae.embedding import Embeddings, from_arrow, to_arrow
from glitchvae.embedding.tables import CODES, FLAGS, check_metadata
from glitchvae.errors import ArchiveError, InputError, reading
from glitchvae.status import Status, join_flags, known_states, renew_states

_LOG = logging.getLogger(__name__)
CONTENT_DIGEST = "content_digest"
DERIVED = ("class_name", "class_probability", "novelty_p")
"""Columns of embeddings that are not stored in parts: codes, head and catalogue give them."""

NAMED = "named_at_embedding"
"""Column of parts with the class at the time of embedding, kept as provenance."""

_EXPECTED = {"model_digest", "imaging_digest", "model", "imaging"}
_REMEDY = (
    "Restore it from a copy, or move it away and embed its strain again;"
    " `glitchvae archive verify` lists all damaged files."
)


@dataclass(frozen=True, kw_only=True)
class PartHeader:
    """Metadata in the footer of a part, read without its rows."""

    rows: int
    size: int  # latent dimensions
    metadata: dict[str, str]
    schema: pa.Schema

    @property
    def origin(self) -> tuple[str, str]:
        """Digests of the model and of the imaging settings."""
        return self.metadata["model_digest"], self.metadata["imaging_digest"]


def part_table(embeddings: Embeddings) -> pa.Table:
    """Rows as a part stores them, without derivable columns."""
    stored = [" ".join(set(text.split()) - {"extrapolated"}) for text in embeddings.flags]
    kept = dataclasses.replace(embeddings, flags=[join_flags([text]) for text in stored])
    table = to_arrow(kept).drop_columns(list(DERIVED))
    return table.append_column(NAMED, pa.array(embeddings.class_name, pa.string()))


def read_header(path: Path) -> PartHeader:
    """The header of one part.

    Raises:
        ArchiveError: not Parquet, truncated, of another schema or a newer version.
    """
    with _damage(path):
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
        raw = {**(schema.metadata or {}), **(footer.metadata or {})}
        metadata = {k.decode(): v.decode() for k, v in raw.items() if k != b"ARROW:schema"}
    try:
        check_metadata(metadata, path)
    except (InputError, ValueError) as error:
        raise ArchiveError("not a part", where=path, found=error, remedy=_REMEDY) from error
    if missing := _EXPECTED - metadata.keys():
        raise ArchiveError("not a part", where=path, expected=sorted(missing), remedy=_REMEDY)
    with _damage(path):
        if not {"name", "digest"} <= dict(json.loads(metadata["model"])).keys():
            raise ArchiveError("the part names no model", where=path, remedy=_REMEDY)
        dict(json.loads(metadata["imaging"]))
    _check_columns(schema, path)
    size = schema.field("mean").type.list_size
    return PartHeader(rows=footer.num_rows, size=size, metadata=metadata, schema=schema)


def _check_columns(schema: pa.Schema, path: Path) -> None:
    """Refuse a table that lacks the columns of embeddings or has other types."""
    expected = {field.name: _arrow_type(field) for field in Embeddings.columns()}
    expected |= {"novelty": pa.types.is_float32, NAMED: pa.types.is_string}
    needed = {field.name for field in Embeddings.columns() if field.default is not None}
    needed -= {*DERIVED}
    wrong = [
        f"{field.name} ({field.type})"
        for field in schema
        if field.name not in expected or not expected[field.name](field.type)
    ]
    wrong += [f"{name} twice" for name, count in Counter(schema.names).items() if count > 1]
    wrong += [f"no {name}" for name in sorted(needed - set(schema.names))]
    if wrong:
        raise ArchiveError(
            "not a part",
            where=path,
            expected="the columns of embeddings",
            found=", ".join(wrong),
            remedy=_REMEDY,
        )


def _arrow_type(field: dataclasses.Field[Any]) -> Callable[[pa.DataType], bool]:
    """Whether an Arrow type is that of a column of embeddings."""
    if field.name in CODES:
        return lambda found: pa.types.is_fixed_size_list(found) and found.value_type == pa.float32()
    if field.name == FLAGS:
        return lambda found: pa.types.is_list(found) and pa.types.is_string(found.value_type)
    dtype = field.metadata["dtype"]
    wanted = pa.string() if dtype is str else pa.from_numpy_dtype(np.dtype(dtype))
    return lambda found: found == wanted


def read_rows(path: Path, columns: list[str] | None = None) -> pa.Table:
    """The rows of one part.

    Raises:
        ArchiveError: the part is damaged, or a row lacks a name or a code, or has a status
            that this version does not know.
    """
    with _damage(path), pq.ParquetFile(path) as file:
        table = file.read(columns)
        table.validate(full=True)
    blank = [  # a number that is missing is NaN; a name or a code that is missing is damage
        name
        for name, column in zip(table.column_names, table.columns, strict=True)
        if column.null_count and not pa.types.is_floating(column.type)
    ]
    if blank:
        raise ArchiveError(
            "unreadable part", where=path, found=f"rows without {', '.join(blank)}", remedy=_REMEDY
        )
    if "status" in table.column_names:
        found = set(table["status"].unique().to_pylist()) - known_states()
        if found:
            raise ArchiveError(
                f"unknown status {', '.join(sorted(found))}",
                where=path,
                remedy="A newer glitchvae may have written it: upgrade to read it.",
            )
    return table


def read_part(path: Path) -> Embeddings:
    """Read every row of one part and check header and content.

    Raises:
        ArchiveError: it is damaged.
    """
    read_header(path)
    return rows_of(read_rows(path), path)


def rows_of(table: pa.Table, path: Path) -> Embeddings:
    """The record in the rows of one part.

    Raises:
        ArchiveError: the attributes are damaged.
    """
    try:
        with _damage(path):
            rows = from_arrow(table, path)
            _ = rows.model_digest, rows.imaging_digest  # of attributes that may be no mappings
    except InputError as error:
        raise ArchiveError("not a part", where=path, found=error, remedy=_REMEDY) from error
    return rows


def _damage(path: Path) -> AbstractContextManager[None]:
    return reading(path, "unreadable part", kind=ArchiveError, remedy=_REMEDY)


def parts_between(root: Path, ifo: str, start: float, end: float) -> Iterator[Path]:
    """The parts that, by their names, may hold events of a detector in [start, end]."""
    wanted = name_part(ifo, start, end)
    for path in part_files(root):
        name = parse_part(path.name)
        if name is not None and name.covers(wanted):
            yield path


def parts_of_rows(root: Path, rows: Embeddings) -> Iterator[tuple[Path, list[int]]]:
    """Parts that may hold some rows, by their names, with the numbers of these rows."""
    times = np.nan_to_num(rows.gps, nan=0.0)
    names = [name_part(ifo, t, t) for ifo, t in zip(rows.ifo, times, strict=True)]
    for path in part_files(root):
        part = parse_part(path.name)
        if part is not None and (own := [n for n, row in enumerate(names) if part.covers(row)]):
            yield path, own


def events_between(
    root: Path, ifo: str, start: float, end: float, origin: tuple[str, str]
) -> dict[str, bool]:
    """Stored events of one model and imaging settings, and whether each has a code.

    A damaged part is named in a warning and holds nothing: its events are embedded anew.
    """
    found: dict[str, bool] = {}
    for path in _parts_of(root, ifo, start, end, origin):
        try:
            table = read_rows(path, ["event_id", "status"])
        except ArchiveError as error:
            _LOG.warning("left out: %s", error)
            continue
        rows = zip(table["event_id"].to_pylist(), coded(table), strict=True)
        for event, usable in rows:
            found[event] = found.get(event, False) or usable
    return found


def coded(table: pa.Table) -> list[bool]:
    """(N,) whether each row of a part of any version has a code."""
    return [
        state == Status.OK for state in renew_states(table["status"].to_pylist(), None)["status"]
    ]


def rows_between(
    root: Path, ifo: str, start: float, end: float, origin: tuple[str, str], events: Collection[str]
) -> Embeddings | None:
    """Rows of some events from one model and imaging settings, None if there are none."""
    found = []
    for path in _parts_of(root, ifo, start, end, origin):
        try:
            rows = read_part(path)
        except ArchiveError as error:
            _LOG.warning("left out: %s", error)
            continue
        found.append(rows.take(np.array([e in events for e in rows.event_id], dtype=bool)))
    if not any(map(len, found)):
        return None
    rows = Embeddings.join(found)
    rows = rows.take(fresh_rows(rows.event_id, rows.usable, {})).sorted()
    return classes_now(root, rows, catalog_path(None, root))


def fresh_rows(
    events: Sequence[str] | NDArray[np.object_],
    usable: Sequence[bool] | NDArray[np.bool_],
    known: Mapping[str, bool],
) -> NDArray[np.bool_]:
    """(N,) rows to keep: one of each event, with a code if any row has one.

    A row without a code (a gap, the edge of a file) gives way to one with a code, made
    from data that came later; otherwise the first row of an event stays.

    Args:
        events: (N,) identifiers.
        usable: (N,) whether the row has a code.
        known: Events that are there already, and whether with a code.
    """
    best = dict.fromkeys(known, -1)
    state = dict(known)
    for row, (event, coded) in enumerate(zip(events, usable, strict=True)):
        if event not in state or (coded and not state[event]):
            state[event], best[event] = bool(coded), row
    kept = np.zeros(len(events), dtype=bool)
    kept[[row for row in best.values() if row >= 0]] = True
    return kept


def _parts_of(
    root: Path, ifo: str, start: float, end: float, origin: tuple[str, str]
) -> Iterator[Path]:
    """Parts of one model and imaging settings that may hold events in [start, end]."""
    today = code_digests(root)
    wanted = (today.get(origin[0], origin[0]), origin[1])
    for path in parts_between(root, ifo, start, end):
        try:
            header = read_header(path)
        except ArchiveError as error:
            _LOG.warning("left out: %s", error)
            continue
        if (today.get(header.origin[0], header.origin[0]), header.origin[1]) == wanted:
            yield path


def write_part(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema one after the other, with a digest of their content."""
    iterator = iter(tables)
    first = next(iterator)
    content = ContentDigest()
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for table in _chain(first, iterator):
            content.update(table)
            writer.write_table(table)
        writer.add_key_value_metadata({CONTENT_DIGEST: content.hexdigest()})


def some_rows(table: pa.Table, kept: NDArray[np.bool_]) -> pa.Table:
    """Read some rows of a part without checking the digest of its content.

    Args:
        table: All rows, as `read_rows` reads them.
        kept: (N,) which of them.
    """
    metadata = dict(table.schema.metadata or {})
    metadata.pop(CONTENT_DIGEST.encode(), None)
    return table.filter(pa.array(kept)).replace_schema_metadata(metadata)


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


class ContentDigest:
    """SHA-256 of values column by column, independent of the division into chunks."""

    def __init__(self) -> None:
        self._columns: dict[str, hashlib._Hash] = {}

    def update(self, table: pa.Table) -> None:
        """Add the rows of `table`."""
        for name in table.column_names:
            self._columns.setdefault(name, hashlib.sha256()).update(_bytes(table[name]))

    def hexdigest(self) -> str:
        """64 hex digits over all columns."""
        parts = [f"{name}:{value.hexdigest()}" for name, value in sorted(self._columns.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _bytes(column: pa.ChunkedArray) -> bytes:
    array = column.combine_chunks()
    if pa.types.is_string(array.type):
        return "".join(f"{len(text)}:{text}" for text in array.to_pylist()).encode()
    if pa.types.is_list(array.type):
        return _bytes(
            pa.chunked_array(
                [pa.array([" ".join(words) for words in array.to_pylist()], pa.string())]
            )
        )
    if pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    return np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).tobytes()
