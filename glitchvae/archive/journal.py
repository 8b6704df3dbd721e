"""Jobs that write: batches become durable at once, and one part at the end.

A running job keeps its batches in `parts/.running-<id>/`, locked while it lives. The
operating system drops the lock when the process dies, however it dies; whoever opens
the archive next turns the batches that were left into a part. Publishing holds a lock
of the whole archive and drops rows that another job has published meanwhile, so that
nothing is stored twice. No job opens the DuckDB file.
"""

from __future__ import annotations

import json
import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from glitchvae.archive.layout import journals, name_part, parse_part, time_span
from glitchvae.archive.parts import (
    events_between,
    fresh_rows,
    read_header,
    read_rows,
    write_part,
)
from glitchvae.archive.views import SCHEMA as VIEWS_SCHEMA
from glitchvae.archive.views import pack_views
from glitchvae.embedding import Embeddings, to_arrow
from glitchvae.errors import ArchiveError, StorageError
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.status import Status
from glitchvae.store import digest, replacing

_LOG = logging.getLogger(__name__)
_VIEWS = ".views"
_SPANS = "spans.json"

Spans = dict[str, tuple[float, float]]
"""Start and end of the strain a job looks at, for each detector."""


class Journal:
    """The open journal of one running job. Made by `writing`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def add(self, embeddings: Embeddings, spectrograms: SpectrogramSet | None = None) -> None:
        """Make one batch durable: when this returns, no crash can lose it.

        Args:
            embeddings: Rows, of one or several detectors.
            spectrograms: The images of the same rows, in the same order.

        Raises:
            StorageError: the disk refused the write; earlier batches are safe.
        """
        for ifo in dict.fromkeys(embeddings.ifo):
            rows = embeddings.ifo == ifo
            images = None if spectrograms is None else spectrograms.take(rows)
            self._write(embeddings.take(rows), images)

    def _write(self, embeddings: Embeddings, spectrograms: SpectrogramSet | None) -> None:
        # The codes come last: a piece counts once they are there.
        self._count += 1
        piece = self._folder / f"{self._count:08d}.parquet"
        if spectrograms is not None:
            with replacing(_views_of(piece)) as temporary:
                pq.write_table(pack_views(spectrograms), temporary, compression="zstd")
        with replacing(piece) as temporary:
            pq.write_table(to_arrow(embeddings), temporary, compression="zstd")


@contextmanager
def writing(root: Path, spans: Spans | None = None) -> Iterator[Journal]:
    """A journal whose batches become parts when the block ends.

    If the block raises, what was added stays and becomes a part when the archive is
    next opened.

    Args:
        root: The archive.
        spans: Strain that the job looks at: it names the part.

    Raises:
        StorageError: the archive cannot be written.
    """
    folder = root / "parts" / f".running-{uuid.uuid4().hex[:12]}"
    lock = FileLock(folder / "lock")
    with _alone(root):
        with replacing(folder / _SPANS) as temporary:
            temporary.write_text(json.dumps(spans or {}), encoding="utf-8")
        lock.acquire()
    with lock:
        lock.release()  # the block holds it once more than needed
        yield Journal(folder)
        with _alone(root):
            _publish(root, folder)


def recover(root: Path) -> None:
    """Turn what killed jobs left behind into parts; jobs that are alive are let be.

    Raises:
        StorageError: the archive cannot be written.
    """
    if not journals(root):
        return
    with _alone(root):
        for folder in journals(root):
            try:
                with FileLock(folder / "lock", timeout=0):
                    _publish(root, folder)
            except Timeout:
                continue


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the lock under which journals begin and end and parts appear."""
    try:
        (root / "parts").mkdir(parents=True, exist_ok=True)
        with FileLock(root / "parts" / ".publish.lock"):
            yield
    except OSError as error:
        raise StorageError(
            "the archive cannot be written", where=root, found=error.strerror or error,
            remedy="Free some space or choose another place; what was finished is kept.",
        ) from error  # fmt: skip


def _publish(root: Path, folder: Path) -> None:
    """Make parts of the batches in `folder` and remove it."""
    pieces = [path for path in sorted(folder.glob("*.parquet")) if _VIEWS not in path.suffixes]
    spans = json.loads((folder / _SPANS).read_text(encoding="utf-8")) if pieces else {}
    for group in _groups(pieces):
        _publish_group(root, group, spans)
    shutil.rmtree(folder, ignore_errors=True)


def _groups(pieces: list[Path]) -> list[list[Path]]:
    """Pieces of one detector that share every attribute, in the order of time."""
    groups: dict[tuple[str, bytes], list[Path]] = {}
    for piece in pieces:
        try:
            schema = read_header(piece).schema
            ifo = read_rows(piece, ["ifo"])["ifo"][0].as_py()
        except ArchiveError as error:
            _LOG.warning("a batch is lost: %s", error)
            continue
        groups.setdefault((ifo, schema.serialize().to_pybytes()), []).append(piece)
    return list(groups.values())


def _publish_group(root: Path, pieces: list[Path], spans: Spans) -> None:
    """One part, and its images, from pieces that belong together."""
    columns = ["event_id", "gps", "ifo", "status"]
    keys = pa.concat_tables([read_rows(piece, columns) for piece in pieces])
    ifo = keys["ifo"][0].as_py()
    name = name_part(ifo, *time_span([*keys["gps"].to_numpy(), *spans.get(ifo, ())]))
    origin = read_header(pieces[0]).origin
    known = events_between(root, ifo, name.gps, name.gps + name.duration, origin)
    usable = [Status(status).usable for status in keys["status"].to_pylist()]
    fresh = fresh_rows(keys["event_id"].to_pylist(), usable, known)
    if not fresh.any():
        return
    kept = np.split(fresh, np.cumsum([read_header(piece).rows for piece in pieces])[:-1])
    target = _free_name(root, str(name), pieces)
    _write_views(root / "views" / target, pieces, kept)
    tables = (
        read_rows(piece).filter(pa.array(rows)) for piece, rows in zip(pieces, kept, strict=True)
    )
    with replacing(root / "parts" / target) as temporary:
        write_part(temporary, tables)


def _free_name(root: Path, name: str, pieces: list[Path]) -> str:
    """`name`, or `name` with a digest where another job's part has it already."""
    if not (root / "parts" / name).exists():
        return name
    part = parse_part(name)
    if part is None:
        raise ArchiveError("not the name of a part", where=root, found=name)
    content = digest(b"".join(piece.read_bytes() for piece in pieces))
    return str(type(part)(**{**vars(part), "suffix": content[:8]}))


def _write_views(target: Path, pieces: list[Path], kept: list[np.ndarray]) -> None:
    """The images of the rows that are kept, one row group per batch."""
    if not any(_views_of(piece).exists() for piece in pieces):
        return
    with (
        replacing(target) as temporary,
        pq.ParquetWriter(temporary, VIEWS_SCHEMA, compression="zstd") as writer,
    ):
        for piece, rows in zip(pieces, kept, strict=True):
            if _views_of(piece).exists():
                events = read_rows(piece, ["event_id"])["event_id"].filter(pa.array(rows))
                views = read_rows(_views_of(piece))
                writer.write_table(views.filter(pc.field("event_id").isin(events)))


def _views_of(piece: Path) -> Path:
    return piece.with_suffix(f"{_VIEWS}.parquet")
