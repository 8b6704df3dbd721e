"""Members of a significant group, by classification.

A search needs densities, and those of a few hundred known events are rough: where a group
meets a known class, they put the boundary in the wrong place. A classifier only has to know the
boundary. It learns the known classes from known events, as often as the archive has them, and
the groups from the events that the search gave them (one round of self-training: Scudder 1965,
"Probability of error of some adaptive pattern-recognition machines"; Lee 2013).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from glitchvae.discovery.excess import Background, Sample

MEMBER = 2 / 3
"""Least probability of a member of a candidate."""

APART = 2.0
"""Distance from other episodes, relative to a typical one, at which an episode lies apart."""

_PENALTY = 0.1  # inverse strength, for whitened codes
_STEPS = 100
_REACH = 1e-3  # weight below which an event teaches nothing


def redraw(
    archive: Sample,
    background: Background,
    weights: NDArray[np.float64],
    first: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(N, G) probability of each group for each event, by logistic regression on codes.

    Args:
        archive: N events.
        background: Known events.
        weights: (R,) archive events that each of them stands for.
        first: (N, G) memberships that the search found.
    """
    if first.shape[1] == 0:
        return first
    rows, groups = np.nonzero(first > _REACH)
    classes = background.owners.max() + 1
    model = LogisticRegression(C=_PENALTY, max_iter=_STEPS, tol=1e-3).fit(
        np.concatenate([background.sample.codes, archive.codes[rows]]),
        np.concatenate([background.owners, classes + groups]),
        sample_weight=np.concatenate([np.maximum(weights, _REACH), first[rows, groups]]),
    )
    found = np.zeros_like(first)
    new = model.classes_ >= classes
    found[:, model.classes_[new] - classes] = model.predict_proba(archive.codes)[:, new]
    return found


def without_disturbances(
    codes: NDArray[np.float64], episode: NDArray[np.int64], membership: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Memberships (N, G) without episodes that lie apart from the rest of their group.

    The events of one bad stretch of strain lie close together, and far from everything known. They
    are too few to be a group, since they count once, and so fall to the group that is nearest. An
    episode of several members leaves the group where they are farther from the members of other
    episodes than is usual in it.

    Args:
        codes: (N, Z) whitened.
        episode: (N,) number of each one's episode.
        membership: (N, G) probabilities.
    """
    kept = membership.copy()
    for g in range(membership.shape[1]):
        own = np.flatnonzero(membership[:, g] > MEMBER)
        names, place, held = np.unique(episode[own], return_inverse=True, return_counts=True)
        if len(names) < 3 or held.max() < 2:
            continue
        away = _from_others(codes[own], place)
        typical = np.array([np.median(away[place == n]) for n in range(len(names))])
        apart = (held > 1) & (typical > APART * np.median(typical))
        kept[own[apart[place]], g] = 0.0
    return kept


def _from_others(points: NDArray[np.float64], place: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) distance of each point from the nearest point of another episode."""
    most = int(np.bincount(place).max()) + 1
    search = NearestNeighbors(n_neighbors=min(most, len(points)), algorithm="brute").fit(points)
    distance, near = search.kneighbors(points)
    return np.where(place[near] == place[:, None], np.inf, distance).min(axis=1)
