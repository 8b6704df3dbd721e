"""Write-ahead journal of a job: batches are durable at once and become one part at the end.

A running job keeps its batches in `parts/.running-<id>/`, locked while it lives. The
operating system drops the lock when the process dies, however it dies; whoever opens
the archive next turns the batches that were left into a part. Publishing holds a lock
of the whole archive and drops rows that another job has published meanwhile, so that
nothing is stored twice. No job opens the DuckDB file.

No state of a journal keeps the archive from opening. What cannot be read of one (a damaged
file, one of a newer version) is named in a warning and stays in its place; the rest of it,
and the other journals, become parts.
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
import sys
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from glitchvae.archive.layout import journals, name_part, parse_part, time_span
from glitchvae.archive.ledger import FOLDER as LEDGER
from glitchvae.archive.ledger import add_to_ledger, read_table, write_table
from glitchvae.archive.parts import (
    coded,
    events_between,
    fresh_rows,
    part_table,
    read_header,
    read_part,
    read_rows,
    write_part,
)
from glitchvae.archive.views import SCHEMA as VIEWS_SCHEMA
from glitchvae.archive.views import pack_views, read_packed, select_views
from glitchvae.embedding import Embeddings
from glitchvae.errors import ArchiveError, StorageError, reading
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.store import digest, replacing

_LOG = logging.getLogger(__name__)
_VIEWS = ".views"
SPANS = "spans.json"
_REMEDY = "Nothing of it is deleted; `glitchvae archive verify` names what is wrong with it."

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

    def tell(self, name: str, table: pa.Table) -> None:
        """Store rows of the ledger, which count once the batches are published.

        Args:
            name: Of the file; the same name again replaces it.
            table: Rows of a table of the ledger. Triggers that it tells of are in batches
                that were added before.

        Raises:
            StorageError: the disk refused the write; what was told earlier is safe.
        """
        write_table(self._folder / LEDGER / f"{name}.parquet", table)

    def _write(self, embeddings: Embeddings, spectrograms: SpectrogramSet | None) -> None:
        # The codes come last: a piece counts once they are there.
        self._count += 1
        piece = self._folder / f"{self._count:08d}.parquet"
        if spectrograms is not None:
            with replacing(views_of(piece)) as temporary:
                pq.write_table(pack_views(spectrograms), temporary, compression="zstd")
        with replacing(piece) as temporary:
            pq.write_table(part_table(embeddings), temporary, compression="zstd")


@contextmanager
def writing(root: Path, spans: Spans | None = None) -> Iterator[Journal]:
    """Open a journal whose batches become parts when the block ends.

    If the block raises, what was added stays and becomes a part when the archive is
    next opened.

    Args:
        root: The archive.
        spans: Strain that the job looks at: it names the part.

    Raises:
        ArchiveError: the batches cannot be published; they are kept.
        StorageError: the archive cannot be written.
    """
    folder = root / "parts" / f".running-{uuid.uuid4().hex[:12]}"
    lock = FileLock(folder / "lock")
    with alone(root):
        with replacing(folder / SPANS) as temporary:
            temporary.write_text(json.dumps(spans or {}), encoding="utf-8")
        lock.acquire()
    with lock:
        lock.release()  # the block holds it once more than needed
        yield Journal(folder)
        with alone(root):
            damaged = _publish(root, folder)
        if damaged:
            raise damaged[0]


def recover(root: Path) -> None:
    """Publish the batches of killed jobs as parts; running jobs are left alone.

    A journal that cannot be read, or only in part, is named in a warning and kept.

    Raises:
        StorageError: the archive cannot be written.
    """
    if not journals(root):
        return
    with alone(root):
        for folder in journals(root):
            try:
                with FileLock(folder / "lock", timeout=0):
                    for error in _publish(root, folder):
                        _LOG.warning("left in an interrupted job: %s", error)
            except Timeout:
                continue
            except (ArchiveError, OSError) as error:
                _LOG.warning("what an interrupted job left is not in the archive: %s", error)


def is_running(folder: Path) -> bool:
    """Whether the job of a journal is running, or cannot be asked."""
    try:
        with FileLock(folder / "lock", timeout=0):
            return False
    except OSError:  # which a Timeout is, too
        return True


def damage_of(folder: Path) -> dict[Path, ArchiveError]:
    """The files of a journal that cannot be read, and the reasons: codes, images, ledger."""
    damaged = {}
    for piece in _pieces(folder):
        views = views_of(piece)
        for path, read in ((piece, _read_codes), (views, _read_views)):
            try:
                read(path)
            except ArchiveError as error:
                damaged[path] = error
    for path in _told(folder):
        try:
            read_table(path)
        except ArchiveError as error:
            damaged[path] = error
    return damaged


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the lock that protects journals, parts and labels against other writers."""
    try:
        (root / "parts").mkdir(parents=True, exist_ok=True)
        _require_locks(root)
        with FileLock(root / "parts" / ".publish.lock"):
            yield
    except OSError as error:
        raise StorageError(
            "the archive cannot be written",
            where=root,
            found=error.strerror or error,
            remedy="Free some space or choose another place; finished work is kept.",
        ) from error


def _require_locks(root: Path) -> None:
    """Refuse a file system where a lock would outlive the process that holds it.

    Without locks of the operating system, filelock makes do with a file that is there or
    not: a killed process would leave it, and nobody could write any more.

    Raises:
        StorageError: no locks here.
    """
    if sys.platform == "win32":  # whose locks end with their process in any case
        return
    import fcntl

    with (root / "parts" / ".publish.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                return  # another process holds it
            raise StorageError(
                "this file system has no file locks, which protect an archive from two writers",
                where=root,
                found=error.strerror,
                remedy="Use a file system with flock: a local disk, NFS 4, Lustre with -o flock.",
            ) from error


def _publish(root: Path, folder: Path) -> list[ArchiveError]:
    """Publish the batches in `folder` as parts, then remove all but unreadable files.

    Returns:
        Why a file of it cannot be read, for each.

    Raises:
        ArchiveError: no part can be made of what can be read; all of it is kept.
        StorageError: the disk refused a write; all of it is kept.
    """
    with reading(folder, "its batches cannot be published", kind=ArchiveError, remedy=_REMEDY):
        pieces, damaged = _pieces(folder), damage_of(folder)
        spans = _read_spans(folder / SPANS) if pieces else {}
        for group in _groups([piece for piece in pieces if piece not in damaged]):
            _publish_group(root, group, spans, damaged.keys())
        told = [path for path in _told(folder) if path not in damaged]
        # What was searched counts once all that was found there is stored.
        if not damaged.keys() & set(pieces):
            add_to_ledger(root, map(read_table, told))
    # The batches go first: without one, nobody asks for the rest of the journal.
    for piece in pieces:
        if not damaged.keys() & {piece, views_of(piece)}:
            piece.unlink()
            views_of(piece).unlink(missing_ok=True)
    if not damaged:
        shutil.rmtree(folder, ignore_errors=True)
    return list(damaged.values())


def _pieces(folder: Path) -> list[Path]:
    """The files with the codes of every batch, in the order of writing."""
    return [path for path in sorted(folder.glob("*.parquet")) if _VIEWS not in path.suffixes]


def _told(folder: Path) -> list[Path]:
    """The rows of the ledger that a job has written."""
    return sorted((folder / LEDGER).glob("*.parquet"))


def _read_codes(piece: Path) -> None:
    read_part(piece)


def _read_views(views: Path) -> None:
    if views.exists():
        for _ in read_packed(views):
            pass


def _read_spans(path: Path) -> Spans:
    """Time range of the strain that a job read, by detector; empty if it is unknown."""
    problem = "the time that the job looked at is unknown"
    try:
        with reading(path, problem, kind=ArchiveError, remedy=None):
            spans = json.loads(path.read_text(encoding="utf-8"))
            return {ifo: (float(start), float(end)) for ifo, (start, end) in spans.items()}
    except ArchiveError as error:
        _LOG.warning("%s; the part is named after its events", error)
        return {}


def _groups(pieces: list[Path]) -> list[list[Path]]:
    """Batches grouped by detector and attributes, in the order of time."""
    groups: dict[tuple[str, bytes], list[Path]] = {}
    for piece in pieces:
        schema = read_header(piece).schema.serialize().to_pybytes()
        for ifo in read_rows(piece, ["ifo"])["ifo"].to_pylist()[:1]:
            groups.setdefault((ifo, schema), []).append(piece)
    return list(groups.values())


def _publish_group(root: Path, pieces: list[Path], spans: Spans, damaged: Collection[Path]) -> None:
    """Publish one part and its images from batches that belong together."""
    columns = ["event_id", "gps", "ifo", "status"]
    keys = pa.concat_tables([read_rows(piece, columns) for piece in pieces])
    ifo = keys["ifo"][0].as_py()
    name = name_part(ifo, *time_span([*keys["gps"].to_numpy(), *spans.get(ifo, ())]))
    origin = read_header(pieces[0]).origin
    known = events_between(root, ifo, name.gps, name.gps + name.duration, origin)
    fresh = fresh_rows(keys["event_id"].to_pylist(), coded(keys), known)
    if not fresh.any():
        return
    kept = np.split(fresh, np.cumsum([read_header(piece).rows for piece in pieces])[:-1])
    target = _free_name(root, str(name), pieces)
    _write_views(root / "views" / target, pieces, kept, damaged)
    tables = (
        read_rows(piece).filter(pa.array(rows)) for piece, rows in zip(pieces, kept, strict=True)
    )
    with replacing(root / "parts" / target) as temporary:
        write_part(temporary, tables)


def _free_name(root: Path, name: str, pieces: list[Path]) -> str:
    """A free file name: `name`, or `name` with a digest if another job's part has it."""
    if not (root / "parts" / name).exists():
        return name
    part = parse_part(name)
    if part is None:
        raise ArchiveError("not the name of a part", where=root, found=name)
    content = digest(b"".join(piece.read_bytes() for piece in pieces))
    return str(type(part)(**{**vars(part), "suffix": content[:8]}))


def _write_views(
    target: Path, pieces: list[Path], kept: list[np.ndarray], damaged: Collection[Path]
) -> None:
    """Write the images of the rows that are kept, one row group per batch."""
    readable = {
        piece: views_of(piece)
        for piece in pieces
        if views_of(piece).exists() and views_of(piece) not in damaged
    }
    if not readable:
        return
    with (
        replacing(target) as temporary,
        pq.ParquetWriter(temporary, VIEWS_SCHEMA, compression="zstd") as writer,
    ):
        for piece, rows in zip(pieces, kept, strict=True):
            if piece in readable and rows.any():
                events = read_rows(piece, ["event_id"])["event_id"].filter(pa.array(rows))
                for packed in read_packed(readable[piece]):
                    writer.write_table(select_views(packed, events.to_pylist()))


def views_of(piece: Path) -> Path:
    """Path of the images of a batch."""
    return piece.with_suffix(f"{_VIEWS}.parquet")
