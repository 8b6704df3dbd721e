"""The index of an archive: a DuckDB file over all parts, which can be deleted at any time.

Whoever reads the archive brings the index up to date first. DuckDB lets one process
write or many read, so a reader that finds the file taken, or may not write it, builds
the same index in memory instead and never waits for long.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from glitchvae.archive.heads import MODELS, code_digests
from glitchvae.archive.labels import LABELS, read_labels
from glitchvae.archive.layout import part_files
from glitchvae.archive.parts import CONTENT_DIGEST, read_header, read_part
from glitchvae.embedding import to_arrow
from glitchvae.errors import ArchiveError
from glitchvae.status import Status
from glitchvae.store import digest

INDEX = "archive.duckdb"
STORAGE_VERSION = "v1.0.0"  # the oldest layout of DuckDB 1.x: any later DuckDB reads it
INDEX_VERSION = 6
_PENDING = 100_000  # rows of one transaction, or few more
_PATIENCE = 2.0  # seconds to wait for another process's short write
_LOG = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE about (version INTEGER, made VARCHAR);
CREATE TABLE files (
    name VARCHAR, signature VARCHAR, model_digest VARCHAR, imaging_digest VARCHAR,
    size INTEGER, model VARCHAR, imaging VARCHAR, content VARCHAR
);
CREATE TABLE labels (event_id VARCHAR, label VARCHAR);
CREATE TABLE embeddings (
    event_id VARCHAR, gps DOUBLE, ifo VARCHAR, snr FLOAT, peak_frequency FLOAT, q FLOAT,
    duration FLOAT, bandwidth FLOAT, mean FLOAT[], log_var FLOAT[], class_name VARCHAR,
    class_probability FLOAT, novelty_p FLOAT, f_max FLOAT, block_duration FLOAT,
    status VARCHAR, flags VARCHAR[], label VARCHAR, split VARCHAR, latent_spread FLOAT,
    view_agreement FLOAT, code_stability FLOAT,
    model_digest VARCHAR, imaging_digest VARCHAR, part VARCHAR
);
"""


_KEYS = ("ifo", "event_id", "model_digest", "imaging_digest")


@contextmanager
def index(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection to an index of every readable part, for the length of the block.

    Raises:
        ArchiveError: the index is damaged where nothing but the rows in question shows it, or
            a query asks for more memory than there is.
    """
    connection = _up_to_date(root) or _in_memory(root)
    try:
        yield connection
    except duckdb.Error as error:
        words = str(error).strip().partition("\n")[0].rstrip(".")
        if _is_damaged(error) and _removed(root):
            raise ArchiveError(
                "the index is damaged and was removed",
                where=root / INDEX,
                found=words,
                remedy="Run the command again; the index is rebuilt from the parts.",
            ) from error
        raise ArchiveError("the archive cannot be queried", where=root, found=words) from error
    finally:
        connection.close()


def _up_to_date(root: Path) -> duckdb.DuckDBPyConnection | None:
    """Open the index file and update it; None if it cannot be opened."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return _read(root) or _refreshed(root)
        except duckdb.Error as error:
            if _is_damaged(error) and _removed(root):
                # Everything in it is in the parts, so that a damaged index is no loss.
                _LOG.warning("the index is made again: %s", str(error))
            elif _is_taken(error) and time.monotonic() < deadline:
                time.sleep(0.05)
            else:
                _LOG.info("reading the parts, not the index: %s", str(error))
                return None


def _is_taken(error: duckdb.Error) -> bool:
    return isinstance(error, duckdb.IOException) and "set lock" in str(error)


def _is_damaged(error: duckdb.Error) -> bool:
    broken = (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
    said = str(error)
    return isinstance(error, broken) or "not a valid DuckDB" in said or "Corrupt database" in said


def _removed(root: Path) -> bool:
    try:
        (root / INDEX).unlink()
    except OSError:
        return False
    (root / f"{INDEX}.wal").unlink(missing_ok=True)
    return True


def _read(root: Path) -> duckdb.DuckDBPyConnection | None:
    """Open the index read-only if it exists and is up to date."""
    if not (root / INDEX).exists():
        return None
    connection = _attach(root, "READ_ONLY")
    try:
        if _version(connection) == INDEX_VERSION and _indexed(connection) == _present(root):
            return connection
    except duckdb.Error:
        connection.close()
        raise
    connection.close()
    return None


def _refreshed(root: Path) -> duckdb.DuckDBPyConnection:
    connection = _attach(root, f"STORAGE_VERSION '{STORAGE_VERSION}'")
    try:
        _ingest(connection, root)
    except duckdb.Error:
        connection.close()
        raise
    return connection


def _in_memory(root: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    _ingest(connection, root)
    return connection


def _attach(root: Path, option: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    path = str(root / INDEX).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{path}' AS archive ({option})")
        connection.execute("USE archive")
    except duckdb.Error:
        connection.close()
        raise
    return connection


def _version(connection: duckdb.DuckDBPyConnection) -> int | None:
    try:
        row = connection.execute("SELECT version FROM about").fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):  # no such table or column
        return None
    return row[0] if row else None


def _present(root: Path) -> dict[str, str]:
    """Name and signature of every file that the index covers."""
    paths = [*part_files(root), *[root / LABELS] * (root / LABELS).exists()]
    # Models that are known under another name today have their parts read anew.
    signatures = {MODELS: digest(code_digests(root))}
    for path in paths:
        state = path.stat()
        signatures[path.name] = f"{state.st_size}-{state.st_mtime_ns}"
    return signatures


def _indexed(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, signature FROM files").fetchall())


def _ingest(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Add new files to the index; rebuild it if a file changed or was removed.

    What was added is kept every so many rows: DuckDB holds all of one transaction in memory.
    Each file is noted together with its rows, so that whoever comes after an end in between
    goes on from there.
    """
    present, version = _present(root), _version(connection)
    connection.execute("BEGIN")
    if version != INDEX_VERSION or _indexed(connection).items() - present.items():
        _begin_anew(connection)
    indexed, pending = _indexed(connection), 0
    for name, signature in present.items():
        if name in indexed:
            continue
        pending += _ingest_file(connection, root, name, signature)
        if pending >= _PENDING:
            connection.execute("COMMIT")
            connection.execute("BEGIN")
            pending = 0
    connection.execute("COMMIT")


def _begin_anew(connection: duckdb.DuckDBPyConnection) -> None:
    for (table,) in connection.execute("SHOW TABLES").fetchall():
        connection.execute(f'DROP TABLE "{table}"')
    connection.execute(_TABLES)
    connection.execute("INSERT INTO about VALUES (?, ?)", [INDEX_VERSION, uuid.uuid4().hex])


def _ingest_file(
    connection: duckdb.DuckDBPyConnection, root: Path, name: str, signature: str
) -> int:
    """Add one file to the index; returns its number of rows."""
    if name == LABELS:  # which cannot be had again: a damaged file is an error
        _ingest_labels(connection, root, signature)
        return 0
    if name == MODELS:
        _note(connection, name, signature)
        return 0
    try:
        return _ingest_part(connection, root, name, signature)
    except ArchiveError as error:
        _LOG.warning("left out: %s", error)
        return 0


def _ingest_labels(connection: duckdb.DuckDBPyConnection, root: Path, signature: str) -> None:
    connection.register("incoming", read_labels(root))
    connection.execute("INSERT INTO labels BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")
    _note(connection, LABELS, signature)


def _note(connection: duckdb.DuckDBPyConnection, name: str, signature: str) -> None:
    connection.execute("INSERT INTO files (name, signature) VALUES (?, ?)", [name, signature])


def _ingest_part(
    connection: duckdb.DuckDBPyConnection, root: Path, name: str, signature: str
) -> int:
    header = read_header(root / "parts" / name)
    rows = to_arrow(read_part(root / "parts" / name))  # as this version writes them
    model, imaging = header.origin
    origin = (code_digests(root).get(model, model), imaging)
    _insert_rows(connection, name, origin, rows)
    described = [header.metadata["model"], header.metadata["imaging"]]
    content = header.metadata.get(CONTENT_DIGEST, signature)
    connection.execute(
        "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [name, signature, *origin, header.size, *described, content],
    )
    return len(rows)


def _insert_rows(
    connection: duckdb.DuckDBPyConnection, part: str, origin: tuple[str, str], rows: pa.Table
) -> None:
    """Insert rows whose event is not indexed yet for the same model and imaging settings.

    An event that is there without a code gives way to one with a code.
    """
    constants = dict(zip(("model_digest", "imaging_digest", "part"), (*origin, part), strict=True))
    for name, value in constants.items():
        rows = rows.append_column(name, pa.array([value] * len(rows), pa.string()))
    connection.register("incoming", rows)
    keys = ", ".join(_KEYS)
    poorer = f"NOT {_coded('e')} AND {_coded('i')}"
    # The text is made of constants of this package; values never enter it. An anti-join with
    # all of `embeddings` would hash all of it anew for each part.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE there AS SELECT {keys}, e.rowid AS number,"  # noqa: S608
        f" bool_or({poorer}) AS poorer FROM embeddings e JOIN incoming i USING ({keys})"
        " GROUP BY ALL"
    )
    connection.execute(
        "DELETE FROM embeddings WHERE rowid IN (SELECT number FROM there WHERE poorer)"
    )
    connection.execute(
        f"INSERT INTO embeddings BY NAME SELECT * FROM incoming"  # noqa: S608
        f" ANTI JOIN (SELECT * FROM there WHERE NOT poorer) USING ({keys})"
    )
    connection.unregister("incoming")


def _coded(table: str) -> str:
    """SQL expression: whether a row of `table` has a code."""
    usable = ", ".join(f"'{status}'" for status in Status if status.usable)
    return f"{table}.status IN ({usable})"
