"""Queries of an archive's index: selection of the model, its rows, its codes."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from glitchvae.archive.classes import KEYS as CLASS_KEYS
from glitchvae.archive.neighbours import Codes
from glitchvae.archive.parts import DERIVED
from glitchvae.embedding import UNCERTAINTIES, Embeddings
from glitchvae.embedding.tables import assemble
from glitchvae.errors import ArchiveError

_COLUMNS = [f.name for f in Embeddings.columns()]


def choose_model(
    connection: duckdb.DuckDBPyConnection, root: Path, model: str | None
) -> dict[str, Any]:
    """Attributes and code size of the selected model."""
    rows = connection.execute(
        "SELECT DISTINCT ON (model_digest) model_digest, model, size FROM files"
        " WHERE model_digest IS NOT NULL"
    ).fetchall()
    # The digest in a part may be what an earlier version called the model by.
    known = [
        {"name": said["name"], "digest": digest, "older": said["digest"], "size": size}
        for digest, said, size in ((d, json.loads(text), size) for d, text, size in rows)
    ]
    meant = [m for m in known if model is None or is_called(m, model)]
    if not known:
        raise ArchiveError(
            "the archive holds no glitch yet", where=root, remedy="`glitchvae embed` adds glitches."
        )
    if len(meant) != 1:
        names = ", ".join(sorted(f"{m['name']} ({m['digest'][:12]})" for m in meant or known))
        raise ArchiveError(
            "the archive holds codes of several models"
            if meant
            else f"the archive holds no codes of model {model!r}",
            where=root,
            found=names,
            remedy="Name one with --model, by name or digest.",
        )
    return meant[0]


def is_called(model: dict[str, Any], wanted: str) -> bool:
    """Whether a model (name and digest) matches a name or the first digits of a digest."""
    digests = model["digest"], model.get("older", "")
    return wanted == model["name"] or (
        len(wanted) >= 6 and any(digest.startswith(wanted) for digest in digests)
    )


def no_event(connection: duckdb.DuckDBPyConnection, root: Path, event_id: str) -> ArchiveError:
    """Error for an unknown event, which names the most similar identifiers."""
    rows = connection.execute(
        "SELECT DISTINCT event_id FROM embeddings"
        " ORDER BY levenshtein(event_id, ?), event_id LIMIT 20",
        [event_id],
    ).fetchall()
    close = difflib.get_close_matches(event_id, [row[0] for row in rows], n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return ArchiveError(
        f"no event {event_id!r}{hint}",
        where=root,
        remedy="`glitchvae archive export` lists the identifiers.",
    )


def rows_of_event(
    connection: duckdb.DuckDBPyConnection, model: dict[str, Any], event_id: str
) -> int:
    """Number of rows of a model for one event."""
    query = "SELECT count(*) FROM embeddings WHERE model_digest = ? AND event_id = ?"
    return connection.execute(query, [model["digest"], event_id]).fetchall()[0][0]


def read_codes(
    connection: duckdb.DuckDBPyConnection, model: dict[str, Any]
) -> tuple[NDArray[np.int64], Codes]:
    """Row numbers and codes of everything that a model encoded."""
    table = connection.sql(
        f"SELECT rowid AS number, mean::FLOAT[{model['size']}] AS mean FROM embeddings"  # noqa: S608
        " WHERE model_digest = ? AND NOT isnan(mean[1])",
        params=[model["digest"]],
    ).to_arrow_table()
    # By `to_numpy`, Arrow would import pandas first.
    numbers = [np.from_dlpack(chunk) for chunk in table["number"].chunks]
    codes = [np.from_dlpack(chunk.flatten()) for chunk in table["mean"].chunks]
    mean = np.concatenate([np.empty(0, np.float32), *codes], dtype=np.float32)
    rows = np.concatenate([np.empty(0, np.int64), *numbers], dtype=np.int64)
    return rows, Codes.of(mean.reshape(-1, model["size"]))


def fetch(
    connection: duckdb.DuckDBPyConnection,
    model: dict[str, Any],
    where: str,
    values: Sequence[Any],
    order: str,
    limit: int | None,
    *,
    numbers: list[int] | None = None,
) -> Embeddings:
    """Read rows of a model from the table of classes; or rows by number, without classes."""
    named, source = numbers is None, "embeddings"
    if numbers is not None:
        source = "(SELECT * FROM embeddings WHERE rowid IN (SELECT unnest(?)))"
        values = [numbers, model["digest"], *values]
    else:
        values = [model["digest"], *values]
    flags = "list_concat(e.flags, c.flags)" if named else "e.flags"
    size = model["size"]
    special = {
        "mean": f"e.mean::FLOAT[{size}] AS mean",
        "log_var": f"e.log_var::FLOAT[{size}] AS log_var",
        "label": "coalesce(l.label, e.label, '') AS label",
        "split": "coalesce(e.split, '') AS split",
        **({name: f"c.{name}" for name in DERIVED} if named else {}),
        "flags": f"list_sort(list_distinct({flags})) AS flags",
        # Parts of earlier versions have none of these.
        **{name: f"coalesce(e.{name}, 'nan'::FLOAT) AS {name}" for name in UNCERTAINTIES},
    }
    same = " AND ".join(f"c.{key} = e.{key}" for key in CLASS_KEYS)
    columns = ", ".join(special.get(name, f"e.{name}") for name in _COLUMNS)
    table = connection.sql(
        f"SELECT {columns} FROM {source} e"  # noqa: S608
        " LEFT JOIN (SELECT DISTINCT event_id, label FROM labels) l ON l.event_id = e.event_id"
        + (f" JOIN classes c ON {same}" if named else "")
        + f" WHERE e.model_digest = ? AND {where} ORDER BY {order}"
        + ("" if limit is None else f" LIMIT {int(limit)}"),
        params=values,
    ).to_arrow_table()
    imaging = connection.execute(
        "SELECT DISTINCT imaging FROM files WHERE model_digest = ?", [model["digest"]]
    ).fetchall()
    attributes = {
        "model": {"name": model["name"], "digest": model["digest"]},
        "imaging": json.loads(imaging[0][0]) if len(imaging) == 1 else {},
    }
    return assemble(table, attributes)
