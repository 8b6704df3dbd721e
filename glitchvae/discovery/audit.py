"""Audit of labels by the labels of nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from glitchvae.discovery.record import AuditRow

AGREEMENT = 0.8
"""Share of the neighbours that must agree on another label."""

MOST_ASKED = 20_000
"""Largest number of labelled events among which neighbours are searched."""


def audit_labels(
    points: NDArray[np.float64],
    labels: NDArray[np.object_],
    rows: NDArray[np.int64],
    neighbours: int,
    rng: np.random.Generator,
) -> tuple[AuditRow, ...]:
    """Events whose labelled neighbours mostly share another label.

    Args:
        points: (N, Z) whitened codes.
        labels: (N,) "" where there is none.
        rows: (N,) what each event is called in the result.
        neighbours: How many are asked.
        rng: Draws whom to ask where labels are very many.

    Returns:
        The most doubtful label first.
    """
    labelled = np.flatnonzero(labels != "")
    if len(labelled) <= neighbours:
        return ()
    asked = rng.permutation(labelled)[:MOST_ASKED]
    search = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="brute").fit(points[asked])
    near = asked[search.kneighbors(points[labelled], return_distance=False)]
    found = (
        _doubt(labels[row], labels[beside[beside != row][:neighbours]], int(rows[row]))
        for row, beside in zip(labelled, near, strict=True)
    )
    doubtful = [row for row in found if row.suggested != row.label and row.agreement >= AGREEMENT]
    return tuple(sorted(doubtful, key=lambda row: (-row.agreement, row.row)))


def _doubt(label: str, others: NDArray[np.object_], row: int) -> AuditRow:
    names, counts = np.unique(others.astype(str), return_counts=True)
    most = int(counts.argmax())
    return AuditRow(
        row=row,
        label=str(label),
        suggested=str(names[most]),
        agreement=float(counts[most] / len(others)),
    )
