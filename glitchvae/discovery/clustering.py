"""Clustering of codes by two methods, and agreement of groups with classes.

Both give labels 0, 1, ... in the order of size, and -1 for what is in no group.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster, metrics, mixture

from glitchvae.errors import InputError

GroupingMethod = Literal["hdbscan", "gmm"]

MOST_GROUPS = 40
"""Largest number of groups that the mixture model tries."""


def find_groups(
    points: NDArray[np.floating],
    *,
    method: GroupingMethod = "hdbscan",
    min_events: int = 10,
    groups: int | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Find groups of points in a space whose axes share one scale.

    Args:
        points: (N, Z).
        method: "hdbscan" (density; leaves stray points out) or "gmm" (a Gaussian mixture,
            as many as the BIC prefers).
        min_events: Fewest points of a group; smaller ones are dissolved.
        groups: How many groups the mixture has, instead of the BIC's choice.
        seed: Of the mixture.

    Returns:
        (N,) group of each point, the largest being 0, and -1 for none.

    Raises:
        InputError: a point is not finite.
    """
    points = np.asarray(points, dtype=np.float64)
    if not np.isfinite(points).all():
        raise InputError("codes with NaN or infinity cannot be grouped", expected="no NaN")
    if len(points) < max(min_events, 2):
        return np.full(len(points), -1, dtype=np.int64)
    if method == "hdbscan":
        return _by_size(_hdbscan(points, min_events), min_events)
    return _by_size(_mixture(points, min_events, groups, seed), min_events)


def _hdbscan(points: NDArray[np.float64], min_events: int) -> NDArray[np.int64]:
    known: Any = cluster.HDBSCAN  # its stubs know copy as text only
    return known(
        min_cluster_size=min_events,
        min_samples=max(2, min(5, min_events)),
        cluster_selection_method="leaf",
        copy=True,
    ).fit_predict(points)


def _mixture(
    points: NDArray[np.float64], min_events: int, groups: int | None, seed: int
) -> NDArray[np.int64]:
    """The mixture with the lowest BIC among 1, 2, 3, 5, 8, ... components."""
    most = max(1, min(MOST_GROUPS, len(points) // (2 * min_events)))
    tried = [groups] if groups else [n for n in (1, 2, 3, 5, 8, 13, 21, 34) if n <= most]
    # Equal points are in one component: there is none to begin another from.
    distinct = len(np.unique(points, axis=0))
    tried = sorted({min(n, distinct) for n in tried})
    models = [
        mixture.GaussianMixture(
            n, covariance_type="diag", reg_covar=1e-4 * _scale(points), random_state=seed
        ).fit(points)
        for n in tried
    ]
    return min(models, key=lambda model: model.bic(points)).predict(points)


def _scale(points: NDArray[np.float64]) -> float:
    """Mean variance of the axes; 1 if all points are equal."""
    return float(points.var(axis=0).mean()) or 1.0


def _by_size(labels: NDArray[np.int64], min_events: int) -> NDArray[np.int64]:
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    ordered = np.full(len(labels), -1, dtype=np.int64)
    for place, group in enumerate(order[counts[order] >= min_events]):
        ordered[labels == names[group]] = place
    return ordered


class Agreement(NamedTuple):
    """Agreement of groups with classes.

    Attributes:
        purity: Share of events that are of the commonest class of their group.
        nmi: Normalised mutual information (arithmetic mean of the entropies).
        ari: Adjusted Rand index.
    """

    purity: float
    nmi: float
    ari: float


def agreement(groups: NDArray[np.int64], classes: NDArray[np.object_]) -> Agreement:
    """Compare groups with classes; points of no group (-1) count as one more group.

    Raises:
        InputError: lengths differ, or there is nothing to compare.
    """
    if len(groups) != len(classes) or len(groups) == 0:
        raise InputError(
            "groups and classes differ in length, or are empty", found=(len(groups), len(classes))
        )
    names = np.asarray(classes).astype(str)
    table = metrics.cluster.contingency_matrix(names, groups)
    return Agreement(
        purity=float(table.max(axis=0).sum() / table.sum()),
        nmi=float(metrics.normalized_mutual_info_score(names, groups)),
        ari=float(metrics.adjusted_rand_score(names, groups)),
    )


def jaccard(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Events in both sets over events in either, 0 where both are empty."""
    both = len(np.intersect1d(a, b))
    either = len(np.union1d(a, b))
    return both / either if either else 0.0
