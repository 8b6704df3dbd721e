"""Removal of rows from an archive: of a model, of some time, or single events.

A part is replaced as a whole by one with the rows that stay, in one step under its name, so
that a kill leaves the part as it was or as it shall be. The ledger changes first: what was not
removed yet is then a row outside live time, and never live time without its rows. Removing the
same again finishes what was interrupted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

from glitchvae.archive.heads import code_digests
from glitchvae.archive.layout import part_files
from glitchvae.archive.ledger import (
    FOLDER,
    Ledger,
    ledger_files,
    read_table,
    table_of,
    write_table,
)
from glitchvae.archive.parts import read_header, read_rows, some_rows, write_part
from glitchvae.archive.views import SCHEMA as VIEWS_SCHEMA
from glitchvae.archive.views import read_packed, select_views
from glitchvae.errors import ArchiveError, InputError, reading
from glitchvae.status import Status
from glitchvae.store import digest, replacing

_LOG = logging.getLogger(__name__)
_KEYS = ["event_id", "gps", "ifo"]


_ALONE = f"""
SELECT DISTINCT event_id FROM embeddings e WHERE model_digest = ? AND NOT EXISTS (
    SELECT 1 FROM embeddings o
    WHERE o.event_id = e.event_id AND o.ifo = e.ifo AND o.model_digest <> ?
    AND (o.status = '{Status.OK}' OR e.status <> '{Status.OK}')
) ORDER BY event_id
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Conditions that rows to be removed fulfil.

    Attributes:
        model: Digest of the codes, as models are called today.
        ids: Identifiers.
        since: First GPS time.
        until: GPS time that stays again.
        ifo: Detector, with `since` or `until`.

    Raises:
        InputError: not one of a model, identifiers, and a time; or no time.
    """

    model: str | None = None
    ids: frozenset[str] | None = None
    since: float = -math.inf
    until: float = math.inf
    ifo: str | None = None

    def __post_init__(self) -> None:
        ways = (self.model is not None) + (self.ids is not None) + self.is_span
        if ways != 1 or (self.ifo is not None and not self.is_span):
            raise InputError(
                "it is not given what to remove",
                expected="one of a model, identifiers, and a time (with or without a detector)",
            )
        if not self.since < self.until:
            raise InputError(
                "the time to remove is empty",
                expected="since < until",
                found=(self.since, self.until),
            )

    @property
    def is_span(self) -> bool:
        """Whether a time range is removed, and with it the record that it was searched."""
        return math.isfinite(self.since) or math.isfinite(self.until)

    def rows(self, table: pa.Table, model: str) -> NDArray[np.bool_]:
        """(N,) rows of a part to be removed.

        Args:
            table: With identifiers, times and detectors.
            model: Digest of the codes.
        """
        gone = np.full(len(table), self.model in (None, model))
        if self.ids is not None:
            gone &= np.isin(table["event_id"].to_numpy().astype(str), [*self.ids])
        if self.is_span:
            gps = table["gps"].to_numpy()
            gone &= (gps >= self.since) & (gps < self.until)
        if self.ifo is not None:
            gone &= table["ifo"].to_numpy().astype(str) == self.ifo
        return gone

    def trim(
        self, name: str, row: Mapping[str, Any], models: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """A row of the ledger without the removed part; None if nothing is left.

        Args:
            name: Its table.
            row: Of the table.
            models: What models were called by earlier, and are called today.
        """
        row = dict(row)
        if self.ifo not in (None, row["ifo"]):
            return row
        if self.model is not None:
            known = row.get("model_digest")
            return None if known and models.get(known, known) == self.model else row
        if self.is_span:
            for column in {"examined", "covered", "searched", "embedded"} & row.keys():
                row[column] = self._cut(row[column])
        if name == "searched":
            row["triggers"] = [t for t in row["triggers"] if not self._takes(t)]
        return row if row.get("examined") or row.get("embedded") else None

    def _takes(self, trigger: Mapping[str, Any]) -> bool:
        if self.ids is not None:
            return trigger["event_id"] in self.ids
        return self.since <= trigger["gps"] < self.until

    def _cut(self, pairs: list[dict[str, float]]) -> list[dict[str, float]]:
        own = segmentlist([segment(pair["start"], pair["end"]) for pair in pairs])
        gone = segmentlist([segment(self.since, self.until)])
        if not own.intersects(gone):
            return pairs
        return [{"start": float(a), "end": float(b)} for a, b in own - gone]


@dataclass(kw_only=True)
class Removal:
    """Counts of what will be or was removed.

    Attributes:
        rows: Rows of parts.
        events: How many glitches they are of.
        found: Their identifiers.
        parts: Parts that hold some of them.
        live: Searched seconds that go, by detector.
    """

    rows: int = 0
    events: int = 0
    found: set[str] = field(default_factory=set)
    parts: int = 0
    live: dict[str, float] = field(default_factory=dict)


def preview(root: Path, choice: Choice) -> Removal:
    """Count what would be removed without changing anything."""
    removal, events = Removal(), set[tuple[str, str]]()
    for _, table, gone in _touched(root, choice):
        chosen = table.filter(pa.array(gone))
        removal.rows += len(chosen)
        removal.parts += 1
        pairs = zip(chosen["ifo"].to_pylist(), chosen["event_id"].to_pylist(), strict=True)
        events.update(pairs)
    removal.events, removal.found = len(events), {event for _, event in events}
    if choice.is_span:
        span = segmentlist([segment(choice.since, choice.until)])
        for ifo, stretches in Ledger(root).live().items():
            seconds = float(abs(stretches & span))
            if seconds and choice.ifo in (None, ifo):
                removal.live[ifo] = seconds
    return removal


def check_superseded(
    connection: duckdb.DuckDBPyConnection, root: Path, model: str, name: str
) -> None:
    """Check that no event loses its only code or picture with a model.

    Args:
        connection: To the index, up to date.
        root: The archive.
        model: Digest of the codes.
        name: What the user calls it.

    Raises:
        ArchiveError: one would; or it is the only model.
    """
    remedy = (
        "Encode with another one first: `glitchvae embed ARCHIVE --model NEW`. Single events can"
        " be removed by their identifiers."
    )
    own, others = (
        [part for (part,) in connection.execute(query, [model]).fetchall()]
        for query in (
            "SELECT name FROM files WHERE model_digest = ?",
            "SELECT name FROM files WHERE model_digest <> ?",
        )
    )
    if not others:
        raise ArchiveError(f"{name} is the only model of the archive", where=root, remedy=remedy)
    here, there = (
        {event for part in parts for event in pictured(root / "views" / part)}
        for parts in (own, others)
    )
    coded = [event for (event,) in connection.execute(_ALONE, [model, model]).fetchall()]
    for lost, what in ((coded, "row or code"), (sorted(here - there), "picture")):
        if lost:
            raise ArchiveError(
                f"{len(lost)} events have no {what} but that of {name}",
                where=root,
                found=", ".join(lost[:5]) + (", …" if len(lost) > 5 else ""),
                remedy=remedy,
            )


def remove(root: Path, choice: Choice) -> None:
    """Remove the rows that `preview` counts; the archive's lock must be held.

    Raises:
        StorageError: the disk refused a write; the same again finishes it.
    """
    _trim_ledger(root, choice)
    for path, _, gone in _touched(root, choice):
        table = read_rows(path)
        with replacing(path) as temporary:
            write_part(temporary, [some_rows(table, ~gone)])
    for path in part_files(root):
        _tidy(root, path)


def _touched(root: Path, choice: Choice) -> Iterator[tuple[Path, pa.Table, NDArray[np.bool_]]]:
    """Parts with rows to be removed, their keys and these rows; damaged parts are reported."""
    models = code_digests(root)
    for path in part_files(root):
        try:
            header = read_header(path)
            model = models.get(header.origin[0], header.origin[0])
            if choice.model not in (None, model):
                continue
            table = read_rows(path, _KEYS)
        except ArchiveError as error:
            _LOG.warning("left as it is: %s", error)
            continue
        gone = choice.rows(table, model)
        if gone.any():
            yield path, table, gone


def _trim_ledger(root: Path, choice: Choice) -> None:
    """Rewrite every file of the ledger that refers to removed rows."""
    models = code_digests(root)
    for path in ledger_files(root):
        try:
            name, table = read_table(path)
        except ArchiveError as error:
            _LOG.warning("left as it is: %s", error)
            continue
        before = table.to_pylist()
        after = [trimmed for row in before if (trimmed := choice.trim(name, row, models))]
        if after == before:
            continue
        if after:
            named = digest({"rows": after})[:16]
            write_table(root / FOLDER / f"{name}-{named}.parquet", table_of(name, after))
        path.unlink()


def _tidy(root: Path, path: Path) -> None:
    """Remove pictures of removed rows, and parts without rows."""
    views = root / "views" / path.name
    try:
        events = read_rows(path, ["event_id"])["event_id"].to_pylist()
    except ArchiveError:
        return
    if not events:
        views.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        return
    if not views.exists():
        return
    try:
        extra = set(pictured(views)) - set(events)
    except ArchiveError as error:
        _LOG.warning("left as it is: %s", error)
        return
    if not extra:
        return
    with (
        replacing(views) as temporary,
        pq.ParquetWriter(temporary, VIEWS_SCHEMA, compression="zstd") as writer,
    ):
        for packed in read_packed(views):
            writer.write_table(select_views(packed, events))


def pictured(views: Path) -> list[str]:
    """Identifiers of the events whose pictures a file holds.

    Raises:
        ArchiveError: it cannot be read.
    """
    if not views.exists():
        return []
    with (
        reading(views, "the images cannot be read", kind=ArchiveError),
        pq.ParquetFile(views) as file,
    ):
        return file.read(["event_id"])["event_id"].to_pylist()
