"""Two-sample test of codes, and its power.

The energy distance (Székely & Rizzo 2004, "Testing for equal distributions in high dimension",
InterStat 5) by permutation. What is permuted is units, such as episodes with all their events:
events of one unit are alike for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

PERMUTATIONS = 999
MOST_UNITS = 60
"""Largest number of units of each sample; thousands would reveal any error of simulation."""

_TRIALS = 100
_SHRINKAGE = 20.0  # units that a round covariance counts for, where the alternative is drawn


@dataclass(frozen=True)
class Units:
    """Events grouped in units: codes (N, Z) and the unit of each (N,)."""

    codes: NDArray[np.float64]
    unit: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of units."""
        return len(np.unique(self.unit))

    def thinned(self, most: int, rng: np.random.Generator) -> Units:
        """A random selection of at most `most` units."""
        names = np.unique(self.unit)
        if len(names) <= most:
            return self
        kept = np.isin(self.unit, rng.choice(names, most, replace=False))
        return Units(self.codes[kept], self.unit[kept])


def two_sample_p(
    one: Units, other: Units, rng: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> float:
    """p-value of the energy distance of two samples under the hypothesis of one distribution.

    Args:
        one: N events.
        other: M events.
        rng: Draws permutations, and units where there are more than `MOST_UNITS`.
        permutations: How many.

    Returns:
        (1 + as large) / (1 + permutations); 1 where a sample has fewer than two units.
    """
    samples = [sample.thinned(MOST_UNITS, rng) for sample in (one, other)]
    counts = [sample.count for sample in samples]
    if min(counts) < 2:
        return 1.0
    codes = np.concatenate([sample.codes for sample in samples])
    places = [np.unique(sample.unit, return_inverse=True)[1] for sample in samples]
    unit = np.concatenate([places[0], counts[0] + places[1]])
    share = (unit == np.arange(sum(counts))[:, None]).astype(float)
    share /= share.sum(axis=1, keepdims=True)
    apart = share @ pairwise_distances(codes) @ share.T
    np.fill_diagonal(apart, 0.0)
    return _p(apart, counts[0], rng, permutations)


def power(one: Units, count: int, shift: float, alpha: float, rng: np.random.Generator) -> float:
    """Power of the test against a shifted sample.

    Both samples are drawn from a Gaussian like `one`: as many units as it has, and `count` units
    shifted in a random direction.

    Args:
        one: N events.
        count: Units of the other sample.
        shift: Length of the shift.
        alpha: p-value up to which is rejected.
        rng: Draws them.
    """
    units = min(one.count, MOST_UNITS)
    names, place = np.unique(one.unit, return_inverse=True)
    means = np.stack([one.codes[place == n].mean(axis=0) for n in range(len(names))])
    spread = np.atleast_2d(np.cov(means, rowvar=False))
    size = len(spread)
    weight = len(means) / (len(means) + _SHRINKAGE)
    spread = weight * spread + (1 - weight) * np.trace(spread) / size * np.eye(size)
    root = np.linalg.cholesky(spread + 1e-9 * np.eye(size))
    count = min(count, MOST_UNITS)
    rejected = 0
    for _ in range(_TRIALS):
        way = rng.standard_normal(size)
        drawn = rng.standard_normal((count + units, size)) @ root.T
        drawn[:count] += shift * way / np.linalg.norm(way)
        rejected += _p(pairwise_distances(drawn), count, rng, 199) <= alpha
    return rejected / _TRIALS


def _p(
    apart: NDArray[np.float64], count: int, rng: np.random.Generator, permutations: int
) -> float:
    """p-value of the first `count` units against the others, from their distances (U, U)."""
    size = len(apart)
    inside = np.zeros((permutations + 1, size))
    inside[0, :count] = 1.0
    for row in inside[1:]:
        row[rng.permutation(size)[:count]] = 1.0
    rest = 1.0 - inside
    near, far = inside @ apart, rest @ apart
    own, other, both = (
        (near * inside).sum(axis=1) / count**2,
        (far * rest).sum(axis=1) / (size - count) ** 2,
        (near * rest).sum(axis=1) / (count * (size - count)),
    )
    energy = 2 * both - own - other
    return float((1 + (energy[1:] >= energy[0] - 1e-12).sum()) / (1 + permutations))
