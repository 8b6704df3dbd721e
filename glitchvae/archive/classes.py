"""Classes that rows were given later, when their model had learnt others: one table a model.

Parts stay as they were written; a table here, made anew each time, is what readers see.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from glitchvae.classes.prototypes import Classes
from glitchvae.embedding import Embeddings
from glitchvae.errors import ArchiveError
from glitchvae.store import replacing

_LOG = logging.getLogger(__name__)
KEYS = ("ifo", "event_id", "imaging_digest")
"""What tells the rows of one model apart."""

_PREFIX = "classes-"
_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("model_digest", *KEYS, "class_name"), pa.string()),
        **dict.fromkeys(("class_probability", "novelty"), pa.float32()),
    },
    metadata={"schema": "glitchvae.classes", "schema_version": "1"},
)


def class_files(root: Path) -> list[Path]:
    """The tables of all models."""
    return sorted(root.glob(f"{_PREFIX}*.parquet"))


def is_class_file(name: str) -> bool:
    """Whether a file of this name is such a table."""
    return name.startswith(_PREFIX)


def read_classes(path: Path) -> pa.Table:
    """The classes of one model's rows.

    Raises:
        ArchiveError: the table is damaged.
    """
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    if not table.schema.equals(_SCHEMA):
        raise _damaged(path, f"columns {', '.join(table.column_names)}")
    return table


def write_classes(root: Path, model_digest: str, rows: pa.Table, classes: Classes) -> None:
    """Give the rows of a model other classes, in place of all that were given before.

    Args:
        root: The archive.
        model_digest: Of the model.
        rows: Table of `KEYS`.
        classes: One entry for each row.

    Raises:
        StorageError: the disk refused the write; earlier classes are untouched.
    """
    columns = {
        "model_digest": pa.array([model_digest] * len(rows), pa.string()),
        **{key: rows[key] for key in KEYS},
        **{name: pa.array(values) for name, values in classes._asdict().items()},
    }
    with replacing(_table_of(root, model_digest)) as temporary:
        pq.write_table(pa.table(columns, schema=_SCHEMA), temporary, compression="zstd")


def with_classes(root: Path, rows: Embeddings, origin: tuple[str, str]) -> Embeddings:
    """Rows of a part with the classes they were given later.

    A damaged table is named in a warning and gives none.

    Args:
        root: The archive.
        rows: Of one model and imaging settings.
        origin: Digests of both.
    """
    path = _table_of(root, origin[0])
    if not path.exists():
        return rows
    try:
        table = read_classes(path)
    except ArchiveError as error:
        _LOG.warning("left out: %s", error)
        return rows
    # The table is of the whole archive, the rows are of one job: only theirs become objects.
    mine = table.filter(pc.field("event_id").isin(pa.array(rows.event_id, pa.string())))
    given = {
        (row["ifo"], row["event_id"]): row
        for row in mine.to_pylist()
        if (row["model_digest"], row["imaging_digest"]) == origin
    }
    values = {name: getattr(rows, name).copy() for name in Classes._fields}
    for number, event in enumerate(zip(rows.ifo, rows.event_id, strict=True)):
        if event in given and rows.usable[number]:
            for name, column in values.items():
                column[number] = given[event][name]
    return dataclasses.replace(rows, **values)


def _table_of(root: Path, model_digest: str) -> Path:
    return root / f"{_PREFIX}{model_digest[:12]}.parquet"


def _damaged(path: Path, found: object) -> ArchiveError:
    return ArchiveError(
        "the later classes cannot be read",
        where=path,
        found=found,
        remedy="Delete the file and run `glitchvae archive classify` again.",
    )
