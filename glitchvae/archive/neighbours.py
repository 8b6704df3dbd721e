"""Nearest neighbours among many codes held in memory: one search or all of them.

Exact, by brute force: at 200,000 codes a search reads 26 MB, which takes milliseconds, and
an index would lose recall without being faster. An archive on disk answers a single
question by itself (`Archive.nearest`); this is for many.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.progress import Progress
from glitchvae.store import replacing

_SPARE = 16
"""Candidates beyond k whose distances are computed anew, in double precision."""

_BLOCK = 512


class Graph(NamedTuple):
    """The k nearest codes of every code.

    Attributes:
        rows: (N, k) their rows, nearest first; -1 for a code that is not finite, and where
            there are fewer than k others.
        distances: (N, k) Euclidean distances; NaN there.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float32]


class Neighbours:
    """Codes ready to be searched; those that are not finite are never found.

    Args:
        codes: (N, Z).

    Raises:
        InputError: no code is finite.
    """

    def __init__(self, codes: NDArray[np.floating]) -> None:
        usable = np.isfinite(codes).all(axis=1)
        if not usable.any():
            raise InputError("no code to search", found=f"{len(codes)} rows, none with a code")
        self.count = len(codes)
        self.rows = np.flatnonzero(usable)
        self.codes = np.ascontiguousarray(codes[self.rows], dtype=np.float32)
        self._norms = np.einsum("ij,ij->i", self.codes, self.codes)

    def nearest(
        self, code: NDArray[np.floating], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows and Euclidean distances (k,) of the codes nearest to one code (Z,).

        Raises:
            InputError: another number of dimensions, or a code that is not finite.
        """
        wanted = np.asarray(code, dtype=np.float32)
        if wanted.shape != self.codes.shape[1:] or not np.isfinite(wanted).all():
            raise InputError(
                "not a code of these", expected=f"{self.codes.shape[1]} finite numbers",
                found=f"shape {wanted.shape}",
            )  # fmt: skip
        closeness = self.codes @ wanted
        closeness -= 0.5 * self._norms
        chosen = _largest(closeness[None], min(k + _SPARE, len(self.rows)))
        found, distances = self._exact(wanted[None], chosen)
        return self.rows[found[0, :k]], distances[0, :k]

    def graph(self, k: int, *, progress: Progress = lambda _: None) -> Graph:
        """The k nearest others of every code.

        Args:
            k: How many.
            progress: Called with the number of codes just done.
        """
        most = min(k, len(self.rows) - 1)
        rows = np.full((self.count, k), -1, dtype=np.int64)
        distances = np.full((self.count, k), np.nan, dtype=np.float32)
        for start in range(0, len(self.rows), _BLOCK):
            block = self.codes[start : start + _BLOCK]
            closeness = block @ self.codes.T
            closeness -= 0.5 * self._norms
            own = np.arange(len(block))
            closeness[own, start + own] = -np.inf
            chosen = _largest(closeness, min(most + _SPARE, len(self.rows) - 1))
            found, near = self._exact(block, chosen)
            owners = self.rows[start : start + _BLOCK]
            rows[owners, :most] = self.rows[found[:, :most]]
            distances[owners, :most] = near[:, :most]
            progress(len(block))
        return Graph(rows, distances)

    def _exact(
        self, wanted: NDArray[np.float32], chosen: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Candidates (B, M) in the order of their distances, and those distances."""
        difference = self.codes[chosen].astype(np.float64) - wanted[:, None]
        distances = np.linalg.norm(difference, axis=-1)
        order = np.lexsort((chosen, distances))
        return np.take_along_axis(chosen, order, 1), np.take_along_axis(distances, order, 1)


def write_graph(path: str | Path, graph: Graph, event_id: NDArray[np.object_]) -> int:
    """Write a graph as CSV or Parquet, by suffix: one line for each pair.

    Args:
        path: Where it goes; the columns are event_id, neighbour_id, rank (1 is the nearest)
            and distance.
        graph: Of N codes.
        event_id: (N,) their events.

    Returns:
        Number of lines.

    Raises:
        InputError: another suffix.
        StorageError: the disk refused the write.
    """
    path = Path(path)
    if path.suffix not in {".csv", ".parquet"}:
        raise InputError("unknown kind of table", where=path, expected=".csv or .parquet")
    rows, ranks = np.nonzero(graph.rows >= 0)
    table = pa.table({
        "event_id": event_id[rows], "neighbour_id": event_id[graph.rows[rows, ranks]],
        "rank": ranks + 1, "distance": graph.distances[rows, ranks],
    })  # fmt: skip
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(table, temporary)
        else:
            pyarrow.parquet.write_table(table, temporary)
    return len(table)


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """(B, count) columns of the largest values of each row, in any order."""
    if count >= values.shape[1]:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    return np.argpartition(values, -count, axis=1)[:, -count:]
