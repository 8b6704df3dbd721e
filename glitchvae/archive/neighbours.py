"""The nearest neighbours of one code, or of every code as a table.

Exact, by brute force: an index would lose recall.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.progress import Progress
from glitchvae.store import replacing

_BLOCK = 4096
"""Codes between two reports of progress."""

_IN_CACHE = 1 << 14  # codes whose distances stay in a processor's cache


@dataclass(frozen=True)
class Codes:
    """Codes in memory, for nearest-neighbour queries.

    Attributes:
        mean: (N, Z) float32, all finite.
        squares: (N,) their squared norms.
    """

    mean: NDArray[np.float32]
    squares: NDArray[np.float32]

    @classmethod
    def of(cls, mean: NDArray[np.float32]) -> Codes:
        """Prepare an array (N, Z)."""
        return cls(mean, np.einsum("ij,ij->i", mean, mean))

    def near(self, code: NDArray[np.floating], k: int) -> NDArray[np.int64]:
        """Rows that contain the k nearest of a code (Z,), few more than k.

        One product in float32 bounds every distance; whoever computes those of the rows that
        are left exactly has the same k as from all.
        """
        if k >= len(self.mean):
            return np.arange(len(self.mean))
        query = np.asarray(code, dtype=np.float32)
        length = np.float32(query @ query)
        # Sums of Z products are off by Z roundings of their terms' sizes at most.
        rounding = np.float32(2 * (self.mean.shape[1] + 3) * np.finfo(np.float32).eps)
        kept: list[NDArray[np.int64]] = []
        least, most = np.empty((2, 0), np.float32)
        reach = np.float32(np.inf)
        for first in range(0, len(self.mean), _IN_CACHE):
            own = slice(first, first + _IN_CACHE)
            apart = self.squares[own] - 2 * (self.mean[own] @ query) + length
            off = rounding * (self.squares[own] + length)
            near = np.flatnonzero(apart - off <= reach)
            kept.append(near + first)
            least = np.concatenate([least, (apart - off)[near]])
            most = np.concatenate([most, (apart + off)[near]])
            if len(most) >= k:
                reach = np.partition(most, k - 1)[k - 1]
        return np.concatenate(kept)[least <= reach]


class Graph(NamedTuple):
    """The k nearest codes of every code.

    Attributes:
        rows: (N, k) their rows, nearest first; -1 for a code that is not finite, and where
            there are fewer than k others.
        distances: (N, k) Euclidean distances; NaN there.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


def neighbour_graph(
    codes: NDArray[np.floating], k: int, *, progress: Progress = lambda _: None
) -> Graph:
    """The k nearest others of every code.

    Args:
        codes: (N, Z); those that are not finite are never found and find nothing.
        k: How many.
        progress: Called with the number of codes just done, all of them in the end.

    Raises:
        InputError: no code is finite.
    """
    from sklearn.neighbors import NearestNeighbors

    usable = np.flatnonzero(np.isfinite(codes).all(axis=1))
    if len(usable) == 0:
        raise InputError("no code to search", found=f"{len(codes)} rows, none with a code")
    rows = np.full((len(codes), k), -1, dtype=np.int64)
    distances = np.full((len(codes), k), np.nan)
    # In float32 the squares of codes far from zero would cancel.
    pool = codes[usable].astype(np.float64)
    most = min(k, len(pool) - 1)
    search = NearestNeighbors(n_neighbors=most + 1, algorithm="brute").fit(pool)
    for start in range(0, len(pool), _BLOCK):
        owners = np.arange(start, min(start + _BLOCK, len(pool)))
        far, near = search.kneighbors(pool[owners])
        # A code finds itself, among equals perhaps not first; among very many not at all.
        own = near == owners[:, None]
        own[~own.any(axis=1), -1] = True
        rows[usable[owners], :most] = usable[near[~own].reshape(len(owners), most)]
        distances[usable[owners], :most] = far[~own].reshape(len(owners), most)
        progress(len(owners))
    progress(len(codes) - len(pool))
    return Graph(rows, distances)


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
    import pyarrow.csv
    import pyarrow.parquet

    path = Path(path)
    if path.suffix not in {".csv", ".parquet"}:
        raise InputError("unknown kind of table", where=path, expected=".csv or .parquet")
    rows, ranks = np.nonzero(graph.rows >= 0)
    table = pa.table(
        {
            "event_id": event_id[rows],
            "neighbour_id": event_id[graph.rows[rows, ranks]],
            "rank": ranks + 1,
            "distance": graph.distances[rows, ranks],
        }
    )
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(table, temporary)
        else:
            pyarrow.parquet.write_table(table, temporary)
    return len(table)
