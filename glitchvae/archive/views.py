"""Images of an archive: one byte per pixel, compressed, in Parquet.

Normalised energy is clipped to 0..25.5 by Gravity Spy's colour scale, so that ten
times the energy fills one byte: a step of 0.1, which no eye sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from glitchvae.errors import ArchiveError, reading
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet

STEPS_PER_ENERGY = 10.0
_REMEDY = "`glitchvae archive verify` lists all damaged files."
_SHAPE = (len(VIEWS), *IMAGE_SHAPE)
SCHEMA = pa.schema(
    {"event_id": pa.string(), "height": pa.int16(), "views": pa.binary(int(np.prod(_SHAPE)))},
    metadata={"schema": "glitchvae.views", "schema_version": "1"},
)


def pack_views(spectrograms: SpectrogramSet) -> pa.Table:
    """A table with a row for each usable image.

    `height` is the number of frequency rows that were computed, counted from the
    lowest; those above it are NaN in the image.
    """
    usable = spectrograms.take(spectrograms.usable)
    computed = np.isfinite(usable.images).all(axis=(1, 3))
    steps = np.nan_to_num(usable.images.astype(np.float32)) * STEPS_PER_ENERGY
    pixels = np.clip(np.round(steps), 0, 255).astype(np.uint8)
    columns = {
        "event_id": usable.event_id,
        "height": computed.sum(axis=1).astype(np.int16),
        "views": [image.tobytes() for image in pixels],
    }
    return pa.table(columns, schema=SCHEMA)


def unpack_views(table: pa.Table) -> dict[str, NDArray[np.float16]]:
    """Normalised energy (4, F, T) of each event, NaN where it was not computed."""
    images = {}
    for row in table.to_pylist():
        pixels = np.frombuffer(row["views"], np.uint8).reshape(_SHAPE)
        energy = (pixels / np.float32(STEPS_PER_ENERGY)).astype(np.float16)
        energy[:, row["height"] :] = np.nan
        images[row["event_id"]] = energy
    return images


def read_views(path: Path, event_ids: list[str]) -> dict[str, NDArray[np.float16]]:
    """The images of some events of one part; events without an image are left out.

    Raises:
        ArchiveError: the file cannot be read.
    """
    if not path.exists():
        return {}
    images = {}
    for packed in read_packed(path):
        images |= unpack_views(select_views(packed, event_ids))
    return images


def read_packed(path: Path) -> Iterator[pa.Table]:
    """Read the tables of `pack_views` from a file, one by one.

    Raises:
        ArchiveError: the file cannot be read, or holds something else.
    """
    with (
        reading(path, "the images cannot be read", kind=ArchiveError, remedy=_REMEDY),
        pq.ParquetFile(path) as file,
    ):
        found = file.schema_arrow
        if not found.equals(SCHEMA) or _version(found) != _version(SCHEMA):
            raise ArchiveError(
                "the images are of another version",
                where=path,
                expected=_spell(SCHEMA),
                found=_spell(found),
                remedy=_REMEDY,
            )
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            table.validate(full=True)
            if any(column.null_count for column in table.columns):
                raise ArchiveError("some rows have no image", where=path, remedy=_REMEDY)
            yield table


def _version(schema: pa.Schema) -> str:
    return (schema.metadata or {}).get(b"schema_version", b"1").decode(errors="replace")


def _spell(schema: pa.Schema) -> str:
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    return f"{columns}; version {_version(schema)}"


def select_views(packed: pa.Table, event_ids: list[str]) -> pa.Table:
    """The rows of some events."""
    # Of a list without entries Arrow cannot tell the type.
    return packed.filter(pc.field("event_id").isin(pa.array(event_ids, pa.string())))
