"""Initial guess of the fit: groups of events where the archive exceeds the known classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from glitchvae.classes.novelty import class_shares
from glitchvae.discovery.clustering import GroupingMethod, find_groups
from glitchvae.discovery.excess import Background, Excess, Sample

NEIGHBOURS = 15
"""Number of neighbours of an event among which archive and known events are counted."""

EXCESS = 0.7
"""Least share of the neighbourhood that known classes do not explain."""

MOST_ASKED = 20_000
"""Largest number of events tested for excess: those least like the known classes."""

MOST_GROUPED = 8_000
"""Largest number of events that are grouped: those with the largest excess."""


def known_only(archive: Sample) -> Excess:
    """The mixture of known classes alone."""
    events = len(archive.points) * class_shares(archive.log_known)
    return Excess(components=(), events=np.zeros(0), class_events=events)


def excess_rows(archive: Sample, background: Background) -> NDArray[np.int64]:
    """Rows of events in whose neighbourhood most events of the archive are in excess."""
    known = known_only(archive)
    weights = background.weights(known.claims(background.sample), known.claims(archive))
    asked = np.argsort(archive.log_known.max(axis=1), kind="stable")[:MOST_ASKED]
    pool = np.concatenate([archive.points, background.sample.points]).astype(np.float32)
    worth = np.concatenate([np.zeros(len(archive.points)), weights])
    count = min(NEIGHBOURS + 1, len(pool))
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(pool)
    near = search.kneighbors(pool[asked], return_distance=False)[:, 1:]
    seen = (near < len(archive.points)).sum(axis=1)
    share = seen / np.maximum(seen + worth[near].sum(axis=1), 1e-12)
    hot = np.argsort(-share, kind="stable")[:MOST_GROUPED]
    return np.sort(asked[hot[share[hot] > EXCESS]])


def first_guess(
    archive: Sample, rows: NDArray[np.int64], *, method: GroupingMethod, min_events: int, seed: int
) -> NDArray[np.float64]:
    """(N, J) membership of every event in groups of the events `rows`.

    Density-based groups are tight; a class that is wide and thin in many dimensions is left
    out by them and becomes components of a mixture.
    """
    points = archive.points[rows]
    groups = find_groups(points, method=method, min_events=min_events, seed=seed)
    if method == "hdbscan":
        stray = np.flatnonzero(groups < 0)
        others = find_groups(points[stray], method="gmm", min_events=min_events, seed=seed)
        groups[stray] = np.where(others < 0, -1, others + groups.max(initial=-1) + 1)
    guess = np.zeros((len(archive.points), groups.max(initial=-1) + 1))
    inside = groups >= 0
    guess[rows[inside], groups[inside]] = 1.0
    return guess
