"""What people said about events: a CSV beside the parts, the last word on each event."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from glitchvae.errors import ArchiveError
from glitchvae.store import replacing

LABELS = "labels.csv"
_SCHEMA = pa.schema({"event_id": pa.string(), "label": pa.string()})


def read_labels(root: Path) -> pa.Table:
    """Table of `event_id` and `label`, empty where nobody labelled anything.

    Raises:
        ArchiveError: the file is damaged.
    """
    path = root / LABELS
    if not path.exists():
        return _SCHEMA.empty_table()
    options = pyarrow.csv.ConvertOptions(
        column_types=_SCHEMA, include_columns=_SCHEMA.names, strings_can_be_null=False
    )
    try:
        return pyarrow.csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        raise ArchiveError(
            "the labels cannot be read",
            where=path,
            found=error,
            expected="columns event_id and label",
        ) from error


def write_labels(root: Path, labels: Mapping[str, str]) -> None:
    """Add labels of events, in place of earlier ones of the same events.

    Raises:
        StorageError: the disk refused the write; earlier labels are untouched.
    """
    earlier = read_labels(root)
    known = dict(zip(earlier["event_id"].to_pylist(), earlier["label"].to_pylist(), strict=True))
    known |= labels
    table = pa.table([list(known), list(known.values())], schema=_SCHEMA)
    with replacing(root / LABELS) as temporary:
        pyarrow.csv.write_csv(table, temporary)
