"""DCI: disentanglement, completeness and informativeness, from boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

from glitchvae.statistics import Estimate, jackknife
from glitchvae.validation.disentanglement.protocol import Protocol, accuracy, two_samples


def dci(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """DCI from the importances of code dimensions for the prediction of each factor.

    Disentanglement: 1 - entropy over factors of a dimension's importances, dimensions
    weighted by all their importance. Completeness: 1 - entropy over dimensions of a
    factor's. Informativeness: accuracy of the predictions, mean over factors.

    Without refits the limits of the first two are NaN.

    Source: Eastwood & Williams (2018), A Framework for the Quantitative Evaluation of
    Disentangled Representations, section 2; learner and sizes of Locatello et al. (2019).

    Example:
        >>> factors = np.stack(np.indices((5, 4, 30)), axis=-1).reshape(-1, 3)[:, :2]
        >>> protocol = Protocol().scaled_to(len(factors))
        >>> codes, rng = factors.astype(float), np.random.default_rng(0)
        >>> found = dci(codes, factors, rng, protocol)
        >>> round(found["dci_disentanglement"].value, 2)
        1.0
    """
    train, test = two_samples(len(codes), protocol, rng)
    trees = _fit(codes[train], factors[train], protocol)
    right = np.column_stack(
        [t.predict(codes[test]) == v for t, v in zip(trees, factors[test].T, strict=True)]
    )
    importance = np.column_stack([gain_importance(t) for t in trees])
    values = np.array([disentanglement(importance), completeness(importance)])
    pair = [Estimate(float(value), np.nan, np.nan) for value in values]
    if protocol.refits:
        pair = _intervals(codes[train], factors[train], values, rng, protocol)
    return {
        "dci_disentanglement": pair[0],
        "dci_completeness": pair[1],
        "dci_informativeness": accuracy(right.mean(axis=1), protocol.groups, rng),
    }


def dci_exact(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """DCI with scikit-learn's exact boosted trees, the learner of published values.

    Importances are the trees' mean decrease of impurity. No intervals of the first two: one
    fit with the whole protocol takes minutes.

    Source: `disentanglement_lib` of Locatello et al. (2019), `dci.py`: scikit-learn's
    `GradientBoostingClassifier` with its defaults, which are 100 rounds and depth 3.
    """
    train, test = two_samples(len(codes), protocol, rng)
    columns, right = [], []
    for factor in factors.T:
        trees = GradientBoostingClassifier(
            n_estimators=protocol.rounds, max_depth=protocol.depth, random_state=0
        ).fit(codes[train], factor[train])
        columns.append(np.abs(trees.feature_importances_))
        right.append(trees.predict(codes[test]) == factor[test])
    importance, nan = np.column_stack(columns), float("nan")
    return {
        "dci_disentanglement_exact": Estimate(disentanglement(importance), nan, nan),
        "dci_completeness_exact": Estimate(completeness(importance), nan, nan),
        "dci_informativeness_exact": accuracy(np.mean(right, axis=0), protocol.groups, rng),
    }


def _intervals(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    values: NDArray[np.floating],
    rng: np.random.Generator,
    protocol: Protocol,
) -> list[Estimate]:
    """Intervals of both scores by refits, each without one group of the points."""
    kept: dict[bytes, NDArray[np.floating]] = {}

    def importance(rows: NDArray[np.int64]) -> NDArray[np.floating]:
        key = rows.tobytes()
        if key not in kept:
            trees = _fit(codes[rows], factors[rows], protocol)
            kept[key] = np.column_stack([gain_importance(t) for t in trees])
        return kept[key]

    seed = int(rng.integers(2**32))
    return [
        jackknife(
            lambda rows, of=of: of(importance(rows)),
            len(codes),
            protocol.refits,
            np.random.default_rng(seed),
            float(value),
        )
        for of, value in zip((disentanglement, completeness), values, strict=True)
    ]


def _fit(
    codes: NDArray[np.floating], factors: NDArray[np.integer], protocol: Protocol
) -> list[HistGradientBoostingClassifier]:
    """Fit one classifier a factor; a leaf may hold a single point, as in scikit-learn's trees."""
    options: dict[str, Any] = {
        "max_iter": protocol.rounds,
        "max_depth": protocol.depth,
        "max_leaf_nodes": None,
        "min_samples_leaf": 1,
        "early_stopping": False,
        "random_state": 0,
    }
    return [HistGradientBoostingClassifier(**options).fit(codes, factor) for factor in factors.T]


def gain_importance(trees: Any) -> NDArray[np.float64]:
    """(D,) share of each dimension in the gain of all splits of a fitted histogram booster.

    scikit-learn keeps the gains in its trees but does not sum them up.
    """
    total = np.zeros(trees.n_features_in_)
    for tree in (tree for round_ in trees._predictors for tree in round_):
        splits = tree.nodes[tree.nodes["is_leaf"] == 0]
        np.add.at(total, splits["feature_idx"], splits["gain"])
    return total / total.sum() if total.sum() > 0 else total


def disentanglement(importance: NDArray[np.floating]) -> float:
    """Disentanglement from importances (D, K)."""
    return _concentration(importance)


def completeness(importance: NDArray[np.floating]) -> float:
    """Completeness from importances (D, K)."""
    return _concentration(importance.T)


def _concentration(importance: NDArray[np.floating]) -> float:
    """1 minus normalised entropy of each row, weighted by row sums; 0 without importance."""
    weights = importance.sum(axis=1)
    if weights.sum() == 0:
        return 0.0
    if importance.shape[1] == 1:
        return 1.0
    p = importance[weights > 0] / weights[weights > 0, None]
    entropies = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1) / np.log(p.shape[1])
    return float(np.average(1 - entropies, weights=weights[weights > 0]))
