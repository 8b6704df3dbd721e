"""The ledger: strain that was searched, whether or not anything was found, and embedded.

Two tables in the archive's folder `ledger/`, as Parquet files without an order. Every row of
`searched` is one file of strain, searched in one way:

- `covered`: its good samples, after limits, gaps, NaN and constant stretches;
- `searched`: the part of them in which triggers were looked for (covered less one second at
  both ends of a contiguous stretch, and none of a stretch under 8 s; a contiguous stretch may
  go on in another file);
- `triggers`: what was found there; a search that found nothing is a row as well.

A row of `embedded` tells, for a model and imaging settings, the stretches whose triggers all
have a code. Rows only ever add: the union of all rows is what holds, so that a row that is
there twice does no harm. Nothing of a model is in `searched`.

Live time is a function of detector and SNR: what was searched at that threshold or a lower
one. What stands in a file that cannot be read is unknown, and is named.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

from glitchvae import __version__
from glitchvae.archive.live import LiveTime
from glitchvae.errors import ArchiveError, reading
from glitchvae.store import digest, replacing
from glitchvae.triggers import Triggers
from glitchvae.triggers.record import triggers_from

FOLDER = "ledger"
VERSION = 1
TOUCH = 1e-5
"""Seconds between two stretches that count as contiguous: rounding of GPS times in float64."""

SLIVER = 1e-3
"""Shortest stretch (s) that is searched or stored: times of triggers are whole milliseconds."""

_LOG = logging.getLogger(__name__)
_MANY = 24  # small files, above which they become one
_LARGE = 20_000  # rows of a file that stays as it is
_REMEDY = "It is kept; what it tells is unknown. Restore it from a copy, or embed again."

_STRETCHES = pa.list_(pa.struct([("start", pa.float64()), ("end", pa.float64())]))
_MEASURES = ("snr", "peak_frequency", "central_frequency", "q", "duration", "bandwidth")
_TRIGGERS = pa.list_(
    pa.struct(
        [
            ("event_id", pa.string()),
            ("gps", pa.float64()),
            *((name, pa.float32()) for name in _MEASURES),
        ]
    )
)
_MARKS = pa.list_(pa.struct([("gps", pa.int64()), ("checksum", pa.uint32())]))
_SEARCH = [
    ("ifo", pa.string()),
    ("snr", pa.float64()),
    ("search", pa.string()),
    ("sample_rate", pa.float64()),
    ("limits", pa.list_(pa.string())),
]
_MADE = [("glitchvae_version", pa.string()), ("written", pa.string())]
SCHEMAS = {
    "searched": pa.schema(
        [
            *_SEARCH,
            ("path", pa.string()),
            ("digest", pa.string()),
            ("size", pa.int64()),
            ("modified", pa.int64()),
            ("start", pa.float64()),
            ("end", pa.float64()),
            ("examined", _STRETCHES),
            ("covered", _STRETCHES),
            ("searched", _STRETCHES),
            ("triggers", _TRIGGERS),
            ("marks", _MARKS),
            *_MADE,
        ]
    ),
    "embedded": pa.schema(
        [
            *_SEARCH,
            ("model_digest", pa.string()),
            ("imaging_digest", pa.string()),
            ("embedded", _STRETCHES),
            *_MADE,
        ]
    ),
}
"""Columns of the two tables."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Settings of a search; searches with equal settings find the same triggers.

    Attributes:
        ifo: Detector.
        snr: Threshold.
        settings: Other settings; of triggers that were given, how they were found.
        sample_rate: Of the strain in Hz.
        limits: Names of masks, flags and segments that limit what is searched.
    """

    ifo: str
    snr: float
    settings: Mapping[str, Any]
    sample_rate: float
    limits: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, Any]:
        """Columns of a ledger row that hold the settings of the search."""
        return {
            "ifo": self.ifo,
            "snr": self.snr,
            "search": json.dumps(self.settings, sort_keys=True),
            "sample_rate": self.sample_rate,
            "limits": list(self.limits),
        }

    def includes(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is of the same kind of search at this threshold or a lower one."""
        mine = self.columns
        same = all(row[name] == mine[name] for name in ("ifo", "search", "sample_rate"))
        return same and sorted(row["limits"]) == sorted(mine["limits"]) and row["snr"] <= self.snr


@dataclass(frozen=True, kw_only=True)
class FileContent:
    """Identity of a file of strain at the time it was searched.

    Attributes:
        path: Where it was.
        digest: SHA-256 of its content, "" where there is no file (strain in memory).
        size: Bytes.
        modified: Time of its last change (ns), which with the size tells a file that is
            still the same.
    """

    path: str
    digest: str = ""
    size: int = 0
    modified: int = 0


@dataclass(kw_only=True)
class SearchedFile:
    """Searched time of one file: a row of the table `searched`, updated during a job.

    Attributes:
        search: How.
        content: The file.
        extent: Time that its samples span.
        examined: Time that was looked at, good samples or not.
        covered: Good samples.
        searched: Where triggers were looked for.
        triggers: What was found.
        marks: Checksums of samples from some GPS seconds on.
    """

    search: Search
    content: FileContent
    extent: segment
    examined: segmentlist = field(default_factory=segmentlist)
    covered: segmentlist = field(default_factory=segmentlist)
    searched: segmentlist = field(default_factory=segmentlist)
    triggers: list[Triggers] = field(default_factory=list)
    marks: dict[int, int] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The row as it is stored."""
        found = Triggers.join(self.triggers) if self.triggers else None
        return {
            **self.search.columns,
            **vars(self.content),
            "start": float(self.extent[0]),
            "end": float(self.extent[1]),
            "examined": _pairs(self.examined),
            "covered": _pairs(self.covered),
            "searched": _pairs(self.searched),
            "triggers": [] if found is None else _trigger_rows(found),
            "marks": [{"gps": gps, "checksum": mark} for gps, mark in sorted(self.marks.items())],
            **_made(),
        }

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> SearchedFile:
        """Convert a row of the table."""
        search = Search(
            ifo=row["ifo"],
            snr=row["snr"],
            settings=json.loads(row["search"]),
            sample_rate=row["sample_rate"],
            limits=tuple(row["limits"]),
        )
        content = {name: row[name] for name in ("path", "digest", "size", "modified")}
        times = {name: _stretches(row[name]) for name in ("examined", "covered", "searched")}
        return cls(
            search=search,
            content=FileContent(**content),
            extent=segment(row["start"], row["end"]),
            **times,
            triggers=[_triggers_of(row["triggers"], row["ifo"])] if row["triggers"] else [],
            marks={mark["gps"]: mark["checksum"] for mark in row["marks"]},
        )


class Near(NamedTuple):
    """Detector and time range of the rows that are asked for."""

    ifo: str
    start: float
    end: float


def embedded_row(search: Search, origin: tuple[str, str], stretches: segmentlist) -> dict[str, Any]:
    """Make a row of the table `embedded`.

    Args:
        search: How the triggers were found.
        origin: Digests of the model and of the imaging settings.
        stretches: Where every trigger has a code.
    """
    digests = dict(zip(("model_digest", "imaging_digest"), origin, strict=True))
    return {**search.columns, **digests, "embedded": _pairs(stretches), **_made()}


def table_of(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of the table `name`, "searched" or "embedded", as they are stored."""
    schema = SCHEMAS[name].with_metadata(
        {"schema": f"glitchvae.ledger.{name}", "schema_version": str(VERSION)}
    )
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def write_table(path: Path, table: pa.Table) -> None:
    """Write one file of the ledger.

    Raises:
        StorageError: the disk refused the write.
    """
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=1024)


def read_table(
    path: Path, columns: list[str] | None = None, *, near: Near | None = None
) -> tuple[str, pa.Table]:
    """Read one file of the ledger.

    Args:
        path: The file.
        columns: These alone.
        near: Rows of this detector and time alone; of `searched`.

    Returns:
        Which table it is part of, "searched" or "embedded", and its rows.

    Raises:
        ArchiveError: it is damaged, no part of the ledger, or of a newer version.
    """
    problem = "the ledger cannot be read"
    with reading(path, problem, kind=ArchiveError, remedy=_REMEDY):
        with pq.ParquetFile(path) as file:
            name = _kind(file.schema_arrow, path)
            kept = None if columns is None else [c for c in columns if c in SCHEMAS[name].names]
            groups = range(file.num_row_groups) if near is None else _groups_near(file, near)
            table = file.read_row_groups(groups, kept, use_threads=False)
        table.validate(full=columns is None)
        if any(table[c].null_count for c in table.column_names):
            raise ArchiveError(problem, where=path, found="rows with missing values")
        for column in {"examined", "covered", "searched", "embedded"} & set(table.column_names):
            edges = _edges(table[column])
            if not (np.isfinite(edges).all() and (edges[:, 0] <= edges[:, 1]).all()):
                raise ArchiveError(problem, where=path, found=f"{column} that is no time")
        return name, table if near is None else _rows_near(table, near)


def _groups_near(file: pq.ParquetFile, near: Near) -> list[int]:
    """Row groups that may hold rows of a detector and time range, by Parquet statistics."""
    columns = {file.schema.column(i).path: i for i in range(len(file.schema))}
    found = []
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        told = [group.column(columns[name]).statistics for name in ("ifo", "start", "end")]
        if any(one is None or not one.has_min_max for one in told) or (
            told[0].min <= near.ifo <= told[0].max
            and told[1].min <= near.end
            and near.start <= told[2].max
        ):
            found.append(number)
    return found


def _rows_near(table: pa.Table, near: Near) -> pa.Table:
    # By Arrow's own filters, it would import pandas first.
    start, end = (_numbers(table[name]) for name in ("start", "end"))
    own = np.array([ifo == near.ifo for ifo in table["ifo"].to_pylist()], dtype=bool)
    rows = np.flatnonzero(own & (start <= near.end) & (end >= near.start)).tolist()
    return pa.concat_tables([table.slice(0, 0), *(table.slice(row, 1) for row in rows)])


def _kind(schema: pa.Schema, path: Path) -> str:
    metadata = schema.metadata or {}
    name = metadata.get(b"schema", b"").decode().removeprefix("glitchvae.ledger.")
    if name not in SCHEMAS:
        raise ArchiveError("the file is not part of a ledger", where=path, remedy=_REMEDY)
    version = int(metadata.get(b"schema_version", b"0"))
    if version > VERSION:
        raise ArchiveError(
            "written by a newer glitchvae",
            where=path,
            expected=f"ledger version <= {VERSION}",
            found=version,
            remedy="Its content is unknown; upgrade glitchvae to read it.",
        )
    wrong = [
        field.name
        for field in SCHEMAS[name]
        if field.name not in schema.names or schema.field(field.name).type != field.type
    ]
    if wrong:
        raise ArchiveError(
            "the file is not part of a ledger",
            where=path,
            expected=f"columns {', '.join(wrong)} as this version writes them",
            remedy=_REMEDY,
        )
    return name


def ledger_files(root: Path) -> list[Path]:
    """Every file of the ledger, in the order of names."""
    return sorted((root / FOLDER).glob("*.parquet"))


def add_to_ledger(root: Path, tables: Iterable[tuple[str, pa.Table]]) -> None:
    """Add rows to the ledger while holding the archive's lock; known rows change nothing.

    Raises:
        StorageError: the disk refused the write; the ledger is as it was.
    """
    by_name: dict[str, list[pa.Table]] = {}
    for name, table in tables:
        by_name.setdefault(name, []).append(table)
    for name, parts in by_name.items():
        _write_named(root, name, pa.concat_tables(parts))
        _compact(root, name)


def _write_named(root: Path, name: str, table: pa.Table) -> Path:
    """Write a file named after the digest of its content, so that a retry writes the same file."""
    keys = ["ifo", "start"] if name == "searched" else ["ifo"]
    table = table.sort_by([(key, "ascending") for key in keys])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    path = root / FOLDER / f"{name}-{digest(sink.getvalue().to_pybytes())[:16]}.parquet"
    write_table(path, table)
    return path


def _compact(root: Path, name: str) -> None:
    """Join small files of the ledger into one when there are many."""
    small = [
        path for path in sorted((root / FOLDER).glob(f"{name}-*.parquet")) if _rows(path) < _LARGE
    ]
    if len(small) <= _MANY:
        return
    tables, merged = [], []
    for path in small:
        try:
            tables.append(read_table(path)[1])
            merged.append(path)
        except ArchiveError as error:
            _LOG.warning("left as it is: %s", error)
    if len(merged) < 2:
        return
    target = _write_named(root, name, pa.concat_tables(tables))
    for path in merged:
        if path != target:
            path.unlink(missing_ok=True)


def _rows(path: Path) -> int:
    try:
        with reading(path, kind=ArchiveError):
            return pq.read_metadata(path).num_rows
    except ArchiveError:
        return _LARGE


class _ByThreshold(dict[str, dict[tuple[str, float], NDArray[np.float64]]]):
    """Disjoint stretches (S, 2) of a column by detector and threshold, read on first access."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __missing__(self, column: str) -> dict[tuple[str, float], NDArray[np.float64]]:
        found: dict[tuple[str, float], list[NDArray[np.float64]]] = {}
        for _, table in self._ledger._tables("searched", ["ifo", "snr", column]):
            for key, edges in _edges_by(table, ("ifo", "snr"), column):
                found.setdefault(key, []).append(edges)
        self[column] = {
            key: coalesce(np.concatenate(edges)) for key, edges in sorted(found.items())
        }
        return self[column]


@dataclass(frozen=True)
class Ledger:
    """Searched and embedded time of an archive.

    Attributes:
        root: The archive.
    """

    root: Path

    @property
    def is_empty(self) -> bool:
        """Whether the ledger is empty, so that live time is unknown."""
        return not self._by_threshold["searched"]

    @cached_property
    def problems(self) -> tuple[ArchiveError, ...]:
        """Errors of unreadable files of the ledger."""
        problems = []
        for path in ledger_files(self.root):
            try:
                read_table(path, ["ifo", "snr", "covered", "searched", "embedded"])
            except ArchiveError as error:
                problems.append(error)
        return tuple(problems)

    def thresholds(self, ifo: str | None = None) -> tuple[float, ...]:
        """Thresholds that were searched with, ascending; of one detector or of all."""
        keys = [snr for name, snr in self._by_threshold["searched"] if ifo in (None, name)]
        return tuple(sorted(set(keys)))

    def live(self, snr: float | None = None) -> LiveTime:
        """Time searched at a threshold or a lower one, by detector.

        Args:
            snr: Threshold; None: the largest in the ledger, for which all of it counts.

        Returns:
            Disjoint stretches in the order of time of every detector that was searched so;
            none of a detector of which nothing is known.
        """
        return self._union("searched", snr)

    def seconds(self, snr: float) -> dict[str, tuple[float, float]]:
        """Seconds covered and searched at a threshold or a lower one, by detector."""
        covered, searched = (self._coalesced(name, snr) for name in ("covered", "searched"))
        return {
            ifo: (float(np.diff(covered[ifo]).sum()), float(np.diff(edges).sum()))
            for ifo, edges in searched.items()
        }

    def covered(self, snr: float | None = None) -> LiveTime:
        """Time with good samples in searches at a threshold or a lower one, by detector."""
        return self._union("covered", snr)

    def embedded(self, origin: tuple[str, str], snr: float | None = None) -> LiveTime:
        """Searched time in which every trigger has a code, by detector.

        Args:
            origin: Digests of the model and of the imaging settings.
            snr: As of `live`.
        """
        least = self._threshold(snr)
        keys = ("ifo", "snr", "model_digest", "imaging_digest")
        edges: dict[str, list[NDArray[np.float64]]] = {}
        for _, table in self._tables("embedded", [*keys, "embedded"]):
            for (ifo, threshold, *own), found in _edges_by(table, keys, "embedded"):
                if tuple(own) == origin and threshold <= least:
                    edges.setdefault(ifo, []).append(found)
        return LiveTime(
            {ifo: _segments(coalesce(np.concatenate(own))) for ifo, own in edges.items()},
            snr=least,
        )

    @cached_property
    def origins(self) -> tuple[tuple[str, str], ...]:
        """Digests of model and imaging settings of everything that was embedded."""
        columns = ["model_digest", "imaging_digest"]
        found = {
            pair
            for _, table in self._tables("embedded", columns)
            for pair in zip(*(table[name].to_pylist() for name in columns), strict=True)
        }
        return tuple(sorted(found))

    def open(self, origin: tuple[str, str], snr: float | None = None) -> LiveTime:
        """Searched time in which a trigger has no code yet, by detector.

        Args:
            origin: Digests of the model and of the imaging settings.
            snr: As of `live`.
        """
        live, done = self.live(snr), self.embedded(origin, snr)
        return LiveTime(
            {ifo: stretches - done.get(ifo, segmentlist()) for ifo, stretches in live.items()},
            snr=live.snr,
        )

    def triggers(self) -> set[str]:
        """Detector and identifier of every trigger found."""
        found: set[str] = set()
        for path, table in self._tables("searched", ["ifo", "triggers"]):
            with reading(path, kind=ArchiveError, remedy=_REMEDY):
                for row in table.to_pylist():
                    found |= {f"{row['ifo']} {trigger['event_id']}" for trigger in row["triggers"]}
        return found

    def central_frequencies(self) -> dict[str, float]:
        """Central frequency (Hz) of the triggers found in strain, by identifier."""
        return {
            trigger["event_id"]: trigger["central_frequency"]
            for _, table in self._tables("searched", ["triggers"])
            for triggers in table["triggers"].to_pylist()
            for trigger in triggers
        }

    def files(self, search: Search, start: float, end: float) -> list[SearchedFile]:
        """Rows of searches of one kind, at its threshold or a lower one, in [start, end]."""
        found = []
        for path, table in self._tables("searched", None, Near(search.ifo, start, end)):
            try:
                with reading(path, kind=ArchiveError, remedy=_REMEDY):
                    rows = filter(search.includes, table.to_pylist())
                    found += [SearchedFile.of(row) for row in rows]
            except ArchiveError as error:
                _LOG.warning("left out: %s", error)
        return found

    def contents(self) -> list[tuple[str, float, FileContent, segmentlist]]:
        """Detector, sample rate, identity and searched time of every file that was searched."""
        columns = ["ifo", "sample_rate", "path", "digest", "size", "modified", "searched"]
        found = []
        for path, table in self._tables("searched", columns):
            with reading(path, kind=ArchiveError, remedy=_REMEDY):
                for row in table.to_pylist():
                    content = {name: row[name] for name in columns[2:6]}
                    own = row["ifo"], row["sample_rate"], FileContent(**content)
                    found.append((*own, _stretches(row["searched"])))
        return found

    def _threshold(self, snr: float | None) -> float:
        return max(self.thresholds(), default=float("nan")) if snr is None else float(snr)

    def _union(self, column: str, snr: float | None) -> LiveTime:
        least = self._threshold(snr)
        stretches = self._coalesced(column, least)
        return LiveTime({ifo: _segments(edges) for ifo, edges in stretches.items()}, snr=least)

    def _coalesced(self, column: str, snr: float) -> dict[str, NDArray[np.float64]]:
        """Disjoint stretches (S, 2) of a column at a threshold or a lower one, by detector."""
        chosen: dict[str, list[NDArray[np.float64]]] = {}
        for (ifo, threshold), edges in self._by_threshold[column].items():
            if threshold <= snr:
                chosen.setdefault(ifo, []).append(edges)
        return {
            ifo: own[0] if len(own) == 1 else coalesce(np.concatenate(own))
            for ifo, own in chosen.items()
        }

    @cached_property
    def _by_threshold(self) -> _ByThreshold:
        return _ByThreshold(self)

    def _tables(
        self, name: str, columns: list[str] | None, near: Near | None = None
    ) -> Iterator[tuple[Path, pa.Table]]:
        for path in ledger_files(self.root):
            if not path.name.startswith(f"{name}-"):
                continue
            try:
                kind, table = read_table(path, columns, near=near)
            except ArchiveError as error:
                _LOG.warning("left out: %s", error)
                continue
            if kind == name:
                yield path, table


def coalesce(edges: NDArray[np.float64], *, touch: float = TOUCH) -> NDArray[np.float64]:
    """Merge overlapping and touching stretches, in the order of time.

    Args:
        edges: (S, 2) starts and ends in any order.
        touch: Seconds between two stretches that are contiguous all the same.
    """
    edges = edges[edges[:, 1] > edges[:, 0]]
    if not len(edges):
        return edges
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    reached = np.maximum.accumulate(edges[:, 1])
    first = np.concatenate([[True], edges[1:, 0] > reached[:-1] + touch])
    last = np.concatenate([first[1:], [True]])
    return np.stack([edges[first, 0], reached[last]], axis=1)


def joined(*stretches: segmentlist) -> segmentlist:
    """Union of several lists of segments."""
    edges = np.array([(float(a), float(b)) for own in stretches for a, b in own])
    return _segments(coalesce(edges.reshape(-1, 2)))


def _segments(edges: NDArray[np.float64]) -> segmentlist:
    return segmentlist(map(segment, edges[:, 0].tolist(), edges[:, 1].tolist()))


def _edges_by(
    table: pa.Table, keys: Sequence[str], column: str
) -> Iterator[tuple[tuple[Any, ...], NDArray[np.float64]]]:
    """The stretches (S, 2) of all rows that share their values of `keys`."""
    # By Arrow's own filters and groups, it would import pandas first.
    numbers: dict[tuple[Any, ...], int] = {}
    values = zip(*(table[key].to_pylist() for key in keys), strict=True)
    kinds = np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
    edges = _edges(table[column])
    owners = np.repeat(kinds, _lengths(table[column]))
    for value, number in numbers.items():
        yield value, edges if len(numbers) == 1 else edges[owners == number]


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """(N,) a column of numbers, converted without importing pandas."""
    parts = [np.from_dlpack(chunk) for chunk in column.chunks]
    return np.concatenate([np.empty(0), *parts], dtype=np.float64)


def _lengths(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """(N,) number of stretches in each row of a column of lists."""
    parts = [np.diff(np.from_dlpack(chunk.offsets)) for chunk in column.chunks]
    return np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64, copy=False)


def _edges(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """(S, 2) all stretches of a column of lists."""
    flat = pa.chunked_array(
        [chunk.flatten() for chunk in column.chunks], type=column.type.value_type
    ).combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = pa.concat_arrays(flat.chunks) if flat.num_chunks else pa.array([], flat.type)
    columns = [np.from_dlpack(flat.field(name)) for name in ("start", "end")]
    return np.stack(columns, axis=1).astype(np.float64, copy=False)


def _pairs(stretches: segmentlist) -> list[dict[str, float]]:
    return [{"start": float(a), "end": float(b)} for a, b in joined(stretches)]


def _stretches(pairs: Iterable[Mapping[str, float]]) -> segmentlist:
    return segmentlist([segment(pair["start"], pair["end"]) for pair in pairs])


def _trigger_rows(triggers: Triggers) -> list[dict[str, Any]]:
    columns = {name: getattr(triggers, name).tolist() for name in ("event_id", "gps", *_MEASURES)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _triggers_of(rows: Sequence[Mapping[str, Any]], ifo: str) -> Triggers:
    columns = {name: [row[name] for row in rows] for name in ("event_id", "gps", *_MEASURES)}
    return triggers_from({**columns, "ifo": [ifo] * len(rows)})


def _made() -> dict[str, str]:
    written = datetime.now(UTC).isoformat(timespec="seconds")
    return {"glitchvae_version": __version__, "written": written}
