"""Classes of an archive's rows, derived from codes, heads and catalogue, and kept as one table.

Parts hold no current class. `classes.parquet` is what all of them are called now: it is made
again whenever codes, a head or the catalogue differ from those it was made with, and can be
deleted at any time. Where it cannot be written, the same table is made in memory.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from glitchvae.archive.heads import FoundHead, find_head
from glitchvae.archive.labels import LABELS
from glitchvae.classes.prototypes import Prototypes
from glitchvae.classes.user import UserClasses, with_user_classes
from glitchvae.embedding import Embeddings, name_classes
from glitchvae.errors import ModelError, StorageError
from glitchvae.resources import shipped
from glitchvae.store import digest, replacing

_LOG = logging.getLogger(__name__)
CLASSES = "classes.parquet"
KEYS = ("part", "ifo", "event_id")
"""Columns common to rows of a part and their classes."""

_SCHEMA = pa.schema(
    {
        **dict.fromkeys((*KEYS, "model_digest", "imaging_digest", "class_name"), pa.string()),
        **dict.fromkeys(("class_probability", "novelty_p"), pa.float32()),
        "flags": pa.list_(pa.string()),
        "label": pa.string(),
    }
)
_BLOCK = 1 << 16  # codes in memory at once
_VERSION = "2"  # 1 was a table a model

CodesOf = Callable[[Sequence[str]], NDArray[np.float32]]
"""Function of identifiers that returns codes (M, Z) of those events that have one."""


def attach_classes(
    connection: duckdb.DuckDBPyConnection,
    root: Path,
    catalog: Path,
    columns: list[str] | None = None,
) -> None:
    """Attach the table `classes` with the current classes to the index.

    Args:
        connection: To the index, up to date.
        root: The archive.
        catalog: The user's own catalogue; there may be none.
        columns: What is asked for; None: everything.

    Raises:
        CatalogError: the catalogue is damaged.
    """
    heads = _heads(connection, root)
    key = {
        "schema": "glitchvae.classes",
        "schema_version": _VERSION,
        "codes": _codes_key(connection),
        "heads": digest({model: head.digest if head else "" for model, head in heads.items()}),
        "catalogue": _catalog_key(catalog),
        "labels": digest(root / LABELS) if (root / LABELS).exists() else "",
    }
    path = root / CLASSES
    table = _kept(path, key, columns)
    if table is None:
        table = _derived(connection, heads, catalog).replace_schema_metadata(key)
        try:
            with replacing(path) as temporary:
                pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        except StorageError as error:
            _LOG.info("classes are not kept: %s", error)
    connection.register("classes", table)


def classes_now(
    root: Path, rows: Embeddings, catalog: Path, codes_of: CodesOf | None = None
) -> Embeddings:
    """Rows of one model with their current classes; unchanged if no head is found.

    Args:
        root: The archive.
        rows: Of one model.
        catalog: The user's own catalogue; there may be none.
        codes_of: Looks events of the same model up.
    """
    head = find_head(root, rows.model_digest, rows.model.get("name", ""))
    prototypes = None if head is None else grown_head(head, catalog, codes_of)
    return rows if prototypes is None else name_classes(rows, prototypes)


def grown_head(head: FoundHead, catalog: Path, codes_of: CodesOf | None) -> Prototypes | None:
    """A head extended by the user's classes; None if it is damaged or knows no class."""
    try:
        prototypes = head.prototypes()
    except ModelError as error:
        _LOG.warning("%s", error)
        return None
    if prototypes is None:
        return None
    return user_classes(prototypes, head, catalog, codes_of).prototypes


def user_classes(
    prototypes: Prototypes, head: FoundHead, catalog: Path, codes_of: CodesOf | None
) -> UserClasses:
    """The user's classes added to the prototypes of a head."""
    return with_user_classes(prototypes, head.card.made, catalog, codes_of=codes_of)


def codes_of_events(
    connection: duckdb.DuckDBPyConnection, model_digest: str, events: Sequence[str]
) -> NDArray[np.float32]:
    """(M, Z) codes that a model gave to some events; events without a code are left out."""
    found = connection.execute(
        "SELECT mean FROM embeddings WHERE model_digest = ? AND NOT isnan(mean[1])"
        " AND event_id IN (SELECT unnest(?)) ORDER BY gps, event_id",
        [model_digest, list(events)],
    ).fetchall()
    return np.array([mean for (mean,) in found], dtype=np.float32)


def _heads(connection: duckdb.DuckDBPyConnection, root: Path) -> dict[str, FoundHead | None]:
    models = connection.execute(
        "SELECT DISTINCT ON (model_digest) model_digest, model FROM files"
        " WHERE model_digest IS NOT NULL ORDER BY model_digest"
    ).fetchall()
    heads = {}
    for model, text in models:
        name = json.loads(text)["name"]
        heads[model] = find_head(root, model, name)
        if heads[model] is None:
            _LOG.warning(
                "%s: the head of model %s (%s) is not here: its events keep the class they were"
                " given when they were embedded; `glitchvae embed` with --model brings it",
                root,
                name,
                model[:12],
            )
    return heads


def _codes_key(connection: duckdb.DuckDBPyConnection) -> str:
    files = connection.execute(
        "SELECT name, content, model_digest FROM files WHERE model_digest IS NOT NULL"
    ).fetchall()
    return digest({name: [content, model] for name, content, model in files})


def _catalog_key(own: Path) -> str:
    """Digest of all class cards, shipped and the user's, and of the events of user classes."""
    files = [*(shipped("catalog") / "classes").glob("*.toml"), *(own / "classes").glob("*")]
    return digest({path.name: digest(path) for path in files if path.is_file()})


def _kept(path: Path, key: dict[str, str], columns: list[str] | None) -> pa.Table | None:
    """The stored table of classes, if codes, heads and catalogue have not changed since."""
    if not path.exists():
        return None
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            found = file.schema_arrow.metadata or {}
            if {name: found.get(name.encode(), b"").decode() for name in key} != key:
                return None
            if not file.schema_arrow.equals(_SCHEMA):
                return None
            table = file.read(columns)  # by `read_table`, Arrow would import pandas
        table.validate(full=True)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        _LOG.warning("%s is made again: %s", path, error)
        return None
    return table


def _derived(
    connection: duckdb.DuckDBPyConnection, heads: dict[str, FoundHead | None], catalog: Path
) -> pa.Table:
    tables = [_SCHEMA.empty_table()]
    for model, head in heads.items():
        prototypes = None
        if head is not None:
            prototypes = grown_head(head, catalog, partial(codes_of_events, connection, model))
        tables.append(_rows_of(connection, model, prototypes))
    return pa.concat_tables(tables)


def _rows_of(
    connection: duckdb.DuckDBPyConnection, model: str, prototypes: Prototypes | None
) -> pa.Table:
    """Classes of a model's rows; without a head those stored at embedding."""
    (size,) = connection.execute(
        "SELECT size FROM files WHERE model_digest = ? LIMIT 1", [model]
    ).fetchall()[0]
    rows = connection.sql(
        f"SELECT e.rowid AS number, {', '.join(f'e.{key}' for key in KEYS)}, model_digest,"  # noqa: S608
        " imaging_digest, class_name, class_probability, novelty_p,"
        " coalesce(l.label, e.label, '') AS label"
        " FROM embeddings e LEFT JOIN labels l ON l.event_id = e.event_id"
        " WHERE model_digest = ? ORDER BY gps, e.event_id, part",
        params=[model],
    ).to_arrow_table()
    columns = {name: rows[name] for name in _SCHEMA.names if name in rows.column_names}
    columns["flags"] = pa.array([[]] * len(rows), pa.list_(pa.string()))
    if prototypes is not None:
        columns |= _classified(connection, model, size, prototypes, rows["number"])
    return pa.table(columns, schema=_SCHEMA)


def _classified(
    connection: duckdb.DuckDBPyConnection,
    model: str,
    size: int,
    prototypes: Prototypes,
    rows: pa.ChunkedArray,
) -> dict[str, pa.Array]:
    """Classes that prototypes give to rows of a model, in the order of row numbers."""
    numbers = [np.asarray(np.from_dlpack(chunk), np.int64) for chunk in rows.chunks]
    wanted = np.concatenate([np.empty(0, np.int64), *numbers])
    place = np.full(int(wanted.max(initial=-1)) + 1, -1)
    place[wanted] = np.arange(len(wanted))
    names, flags = np.full((2, len(wanted)), "", dtype=object)
    probability, novelty_p = np.full((2, len(wanted)), np.nan, dtype=np.float32)
    words: dict[str, list[str]] = {}
    for first in range(0, len(place), _BLOCK):
        block = connection.sql(
            f"SELECT rowid AS number, f_max, mean::FLOAT[{size}] AS mean FROM embeddings"  # noqa: S608
            " WHERE model_digest = ? AND rowid >= ? AND rowid < ?",
            params=[model, first, first + _BLOCK],
        ).to_arrow_table()
        row, f_max, mean = (column.combine_chunks() for column in block.columns)
        own = place[np.asarray(np.from_dlpack(row), np.int64)]
        codes = np.asarray(np.from_dlpack(mean.flatten()), np.float32).reshape(len(own), size)
        found = prototypes.classify(codes, np.asarray(np.from_dlpack(f_max), np.float32))
        names[own], flags[own] = found.class_name, found.flags
        probability[own], novelty_p[own] = found.class_probability, found.novelty_p
    told = [words.setdefault(text, text.split()) for text in flags]
    return {
        "class_name": pa.array(names, pa.string()),
        "class_probability": pa.array(probability),
        "novelty_p": pa.array(novelty_p),
        "flags": pa.array(told, pa.list_(pa.string())),
    }
