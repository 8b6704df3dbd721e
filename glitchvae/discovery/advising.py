"""Advice on a candidate: a new class, part of a known one, to be merged or to be split."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

SURE, LIKELY = 0.9, 0.5
"""Class probabilities from which a member is surely, or more likely than not, of that class."""

TYPICAL = 0.1
"""Least share of a class's known events that are less typical than an event inside the class."""

NEAR = 3.0
"""Distance of medoids, in radii of the larger group, below which two groups may be one."""

SPLIT = 0.2
"""Least share of the smaller of two parts for which a split is advised."""

_CLEARLY = 6.0  # separation of the halves in their standard deviations (Ashman's D of 6)


def nearest_classes(
    medoid: NDArray[np.float64],
    centres: NDArray[np.float64],
    owners: NDArray[np.int64],
    names: tuple[str, ...],
) -> tuple[tuple[str, float], ...]:
    """Known classes and the distances of their nearest centres, the nearest first.

    Distances are in the standard deviations of a known class around its centre.
    """
    apart = np.linalg.norm(centres - medoid, axis=1)
    pairs = [(name, float(apart[owners == k].min())) for k, name in enumerate(names)]
    return tuple(sorted(pairs, key=lambda pair: pair[1]))


def advise(
    number: int,
    groups: list[NDArray[np.float64]],
    typicality: dict[str, NDArray[np.float64]],
    nearest: tuple[tuple[str, float], ...],
    *,
    seed: int,
) -> tuple[str, str]:
    """Advice on a group, with the reason.

    What members are named plays no part: where part of the events that are named X are a new
    shape, the name says nothing. It is a remark (`remark_on`).

    Args:
        number: Which of the groups.
        groups: Whitened codes of the members of every group, the medoid first: one of each
            episode, so that one disturbance says no more than any other event.
        typicality: Of each member (n,) in each class, by name: see `Background.typicality`. A
            class is compared with its own known events. The novelty of single events is not
            asked: its background is of all classes, the widest of which would swallow groups
            that lie beside a narrow one.
        nearest: Known classes and distances.
        seed: Of the attempt to split.
    """
    shares = {name: float(np.mean(own > TYPICAL)) for name, own in typicality.items()}
    around = max(shares, key=lambda name: shares[name])
    inside = shares[around]
    if inside > 0.5:
        return f"sub-class of {around}", (
            f"{inside:.0%} of the members lie where known events of {around} lie, yet there are"
            " more than it brings along"
        )
    other, apart = _closest(number, groups)
    if other is not None and other < number and apart < NEAR:
        return f"merge with candidate-{other + 1}", (
            f"the medoids are {apart:.1f} radii of the larger group apart"
        )
    share, separation = _two_parts(groups[number], seed)
    if share >= SPLIT and separation >= _CLEARLY:
        return "split", (
            f"two parts, the smaller {share:.0%}, lie {separation:.1f} standard deviations apart"
        )
    return "new class", (
        f"{1 - inside:.0%} of the members are less typical of every known class than"
        f" {1 - TYPICAL:.0%} of its known events; the nearest class, {nearest[0][0]}, is"
        f" {nearest[0][1]:.1f} standard deviations away"
    )


def remark_on(names: NDArray[np.object_], probability: NDArray[np.floating]) -> str:
    """The class that most members are assigned to, with its probability level; "" if none.

    Args:
        names: (n,) class of each member, "" where it fits none.
        probability: (n,) of that class.
    """
    for level in (SURE, LIKELY):
        counts = Counter(names[(probability > level) & (names != "")].tolist())
        for name, count in counts.most_common(1):
            if 2 * count > len(names):
                return (
                    f"perhaps known: {count} of {len(names)} members are named {name} with"
                    f" probability > {level:g}, which alone is no reason"
                )
    return ""


def _closest(number: int, groups: list[NDArray[np.float64]]) -> tuple[int | None, float]:
    """The group with the nearest medoid, and its distance in radii of the larger one."""
    apart = {
        other: float(
            np.linalg.norm(points[0] - groups[number][0])
            / max(_radius(points), _radius(groups[number]))
        )
        for other, points in enumerate(groups)
        if other != number
    }
    other = min(apart, key=lambda key: apart[key], default=None)
    return (None, np.inf) if other is None else (other, apart[other])


def _radius(points: NDArray[np.float64]) -> float:
    return float(np.median(np.linalg.norm(points - points[0], axis=1))) or 1.0


def _two_parts(points: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Fraction of the smaller of two parts, and the separation of the parts along their line."""
    if len(points) < 20:
        return 0.0, 0.0
    model = GaussianMixture(2, covariance_type="diag", reg_covar=1e-3, random_state=seed)
    second = model.fit_predict(points) == 1
    if second.all() or not second.any():
        return 0.0, 0.0
    line = points[second].mean(axis=0) - points[~second].mean(axis=0)
    along = points @ (line / np.linalg.norm(line))
    spread = np.sqrt(0.5 * (along[second].var() + along[~second].var()))
    share = float(min(second.mean(), 1 - second.mean()))
    return share, float(np.linalg.norm(line) / max(spread, 1e-12))
