"""Whether one method beats another, seed by seed and event by event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.probes.scores import CONFIDENCE

FEWEST_SEEDS = 3
"""With fewer trainings of a method nothing is said of it: their spread is not known."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Accuracy, or another score, of one method less that of another on the same events.

    Attributes:
        value: Mean over the seeds.
        interval: Lower and upper end.
        seeds: Difference of each pair of equal seeds.
    """

    value: float
    interval: tuple[float, float]
    seeds: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """Above zero "confirmed", below it "contradicted", across it "not decided".

        Of fewer than `FEWEST_SEEDS` seeds "cannot be judged".
        """
        low, high = self.interval
        if len(self.seeds) < FEWEST_SEEDS:
            return "cannot be judged"
        return "confirmed" if low > 0 else "contradicted" if high < 0 else "not decided"


def compare_paired(
    right: NDArray[np.bool_ | np.floating],
    other: NDArray[np.bool_ | np.floating],
    rng: np.random.Generator,
    *,
    groups: NDArray | None = None,
    resamples: int = 1000,
    confidence: float = CONFIDENCE,
) -> Difference:
    """How much more often one method is right than another.

    Args:
        right: (S, N) whether the method was right, or another score of it, by seed and test
            event.
        other: (S, N) the same of the other method, with the same seeds and events.
        rng: Draws the resamples.
        groups: (N,) events of one group, such as a day, are drawn together.
        resamples: Bootstrap resamples; each draws seeds and groups with replacement, so
            that the interval allows for other seeds as well as for other events.
        confidence: Of the interval, central.

    Raises:
        InputError: the two differ in shape, or hold nothing.
    """
    if right.shape != other.shape or right.size == 0:
        raise InputError(
            "no pairs to compare", expected="seeds and events of both",
            found=f"{right.shape} and {other.shape}",
        )  # fmt: skip
    gain = right.astype(np.float64) - other
    seeds, events = gain.shape
    owners = np.arange(events) if groups is None else np.unique(groups, return_inverse=True)[1]
    totals = np.stack([np.bincount(owners, row) for row in gain])  # (S, groups)
    sizes = np.bincount(owners)
    drawn = np.empty(resamples)
    for i in range(resamples):
        chosen = rng.integers(len(sizes), size=len(sizes))
        some = rng.integers(seeds, size=seeds)
        drawn[i] = totals[some][:, chosen].sum() / (seeds * sizes[chosen].sum())
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Difference(
        value=float(gain.mean()), interval=(float(low), float(high)),
        seeds=tuple(map(float, gain.mean(axis=1))),
    )  # fmt: skip
