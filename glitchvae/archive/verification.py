"""Verification of a whole archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from glitchvae.archive.heads import head_problems
from glitchvae.archive.journal import damage_of, is_running
from glitchvae.archive.labels import read_labels
from glitchvae.archive.layout import journals, parse_part, part_files
from glitchvae.archive.ledger import Ledger, ledger_files, read_table
from glitchvae.archive.parts import (
    CONTENT_DIGEST,
    ContentDigest,
    PartHeader,
    read_header,
    read_rows,
    rows_of,
)
from glitchvae.archive.views import read_packed, read_views
from glitchvae.embedding import Embeddings
from glitchvae.errors import ArchiveError
from glitchvae.status import Status

Key = tuple[str, str, bool, str, str]
"""Detector, event, whether it has a code, digests of the model and of the imaging settings."""


def problems(root: Path) -> Iterator[str]:
    """Every problem of parts, images, classes, labels, ledger and unfinished jobs."""
    seen: dict[Key, str] = {}
    for path in part_files(root):
        try:
            yield from _part_problems(root, path, seen)
        except ArchiveError as error:
            yield str(error)
    yield from _stray_views(root)
    yield from head_problems(root)
    try:
        read_labels(root)
    except ArchiveError as error:
        yield str(error)
    yield from _ledger_problems(root, {(key[0], key[1]) for key in seen})
    for folder in journals(root):
        yield from _journal_problems(folder)


def damage(root: Path) -> Iterator[str]:
    """Every file of an archive that cannot be read or does not match its digest."""
    for path in part_files(root):
        try:
            yield from _content_problems(path, read_header(path), read_rows(path))
            if (views := root / "views" / path.name).exists():
                for _ in read_packed(views):
                    pass
        except ArchiveError as error:
            yield str(error)
    yield from head_problems(root)
    for read, path in [(read_labels, root), *((read_table, p) for p in ledger_files(root))]:
        try:
            read(path)
        except ArchiveError as error:
            yield str(error)
    for folder in journals(root):
        yield from map(str, damage_of(folder).values())


def _ledger_problems(root: Path, events: set[tuple[str, str]]) -> Iterator[str]:
    sound = True
    for path in ledger_files(root):
        try:
            read_table(path)
        except ArchiveError as error:
            sound = False
            yield str(error)
    if not sound:
        return
    there = {f"{ifo} {event}" for ifo, event in events}
    if missing := Ledger(root).triggers() - there:
        yield (
            f"{root}: {len(missing)} triggers were found and have no row, such as {min(missing)};"
            " embed the strain again"
        )


def _journal_problems(folder: Path) -> Iterator[str]:
    if is_running(folder):
        yield f"{folder}: a job that has not ended"
        return
    damaged = damage_of(folder)
    yield from map(str, damaged.values())
    if not damaged:
        yield f"{folder}: a job that was interrupted; whoever opens the archive takes it over"


def _part_problems(root: Path, path: Path, seen: dict[Key, str]) -> Iterator[str]:
    header = read_header(path)
    table = read_rows(path)
    yield from _content_problems(path, header, table)
    rows = rows_of(table, path)
    yield from _name_problems(path, rows)
    yield from _row_problems(path, rows)
    yield from _duplicates(path, rows, seen)
    yield from _view_problems(root / "views" / path.name, rows)


def _content_problems(path: Path, header: PartHeader, table: pa.Table) -> Iterator[str]:
    if header.metadata.get(CONTENT_DIGEST) != _content_digest(table):
        yield f"{path}: content was changed after it was written; restore it from a copy"
    rows = rows_of(table, path)
    if (rows.model_digest, rows.imaging_digest) != header.origin:
        yield f"{path}: digests of model or imaging do not fit the attributes"


def _content_digest(table: pa.Table) -> str:
    content = ContentDigest()
    content.update(table)
    return content.hexdigest()


def _name_problems(path: Path, rows: Embeddings) -> Iterator[str]:
    name = parse_part(path.name)
    if name is None:
        yield f"{path}: not a part's name; expected <site>-<ifo>_GLITCHVAE-<gps>-<duration>.parquet"
        return
    if (others := set(rows.ifo) - {name.ifo}) and name.ifo != "X0":
        yield f"{path}: holds rows of {', '.join(sorted(others))}"
    outside = [float(t) for t in rows.gps if np.isfinite(t) and not name.overlaps(t, t)]
    if outside:
        yield f"{path}: {len(outside)} rows lie outside the time in its name, first {outside[0]}"


def _row_problems(path: Path, rows: Embeddings) -> Iterator[str]:
    unknown = set(rows.status) - {str(status) for status in Status}
    if unknown:
        yield f"{path}: unknown status {', '.join(sorted(unknown))}"
        return
    codes = np.concatenate([rows.mean, rows.log_var], axis=1)
    coded = np.isfinite(codes).all(axis=1) if codes.size else rows.usable
    for row in np.flatnonzero(coded != rows.usable).tolist():
        state = "no code" if rows.usable[row] else "a code"
        yield f"{path}: row {row} ({rows.event_id[row]}) has status {rows.status[row]} and {state}"


def _duplicates(path: Path, rows: Embeddings, seen: dict[Key, str]) -> Iterator[str]:
    origin = (rows.model_digest, rows.imaging_digest)
    events = zip(rows.ifo, rows.event_id, rows.usable.tolist(), strict=True)
    for (ifo, event, coded), count in Counter(events).items():
        earlier = seen.setdefault((ifo, event, coded, *origin), path.name)
        if count > 1 or earlier != path.name:
            yield f"{path}: event {event} of {ifo} is also in {earlier}"


def _view_problems(path: Path, rows: Embeddings) -> Iterator[str]:
    if not path.exists():
        return
    images = read_views(path, rows.event_id.tolist())
    expected = set(rows.event_id[rows.usable])
    if missing := expected - set(images):
        yield f"{path}: lacks the images of {len(missing)} events, such as {min(missing)}"


def _stray_views(root: Path) -> Iterator[str]:
    names = {path.name for path in part_files(root)}
    for path in sorted((root / "views").glob("*.parquet")):
        if path.name not in names:
            yield f"{path}: images without a part of that name"
