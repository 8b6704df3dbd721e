"""p-values: groups are found in one half of an archive's bouts and counted in the other half.

A group that was found because events happened to lie close, or because known events happened
to leave a hole, has no more events in the other half than known classes bring there: known
events are halved likewise. The count of the other half is compared with that of
known events, which stand for more or fewer archive events each: the ratio of two Poisson
counts (Przyborowski & Wilenski 1940), with weighted events as one count of equal relative
error (Bohm & Zech 2014, "Statistics of weighted Poisson events", NIM A 748).

Poisson counts are of things that happen independently of each other. So bouts are counted, on
both sides: those with an event in the group, and those that known classes would put one there.
Episodes are not enough: trains of arches, each an episode, gave p-values of 1e-10 on real strain
with seven bouts in it. A sample for counting has the bouts for its episodes (`find_and_count`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from glitchvae.discovery.excess import Background, Excess, Sample

FINEST = 1e-10
"""Least p-value that is reported. A smaller one would claim too much precision of known classes;
archives without a new class check p-values to 1e-2 or 1e-3, the rest is Poisson's law."""

UNSEEN = 1.0
"""Least number of archive events that each known class stands for."""


class Count(NamedTuple):
    """Bouts of one group in the half that was not fitted.

    Attributes:
        seen: Bouts of the archive with an event in it.
        expected: Such bouts that known classes bring.
        unit: Such bouts that one known event stands for there.
    """

    seen: int
    expected: float
    unit: float


def count_events(excess: Excess, archive: Sample, background: Background) -> list[Count]:
    """Count the events of each component in the half that was not fitted."""
    new = len(excess.components)
    inside, outside = excess.claims(archive), excess.claims(background.sample)
    weights = background.weights(outside[:, new:], inside[:, new:])
    # A class of which none is seen may hold an event: else a p-value would have no floor.
    held = np.bincount(background.owners)
    weights = np.maximum(weights, UNSEEN / held[background.owners])
    return [
        _count(archive.episode, inside[:, j], inside[:, new:], outside[:, j], weights, background)
        for j in range(new)
    ]


def weights_of_classes(
    background: Background, weights: NDArray[np.float64], classes: int
) -> NDArray[np.float64]:
    """(K,) number of archive events that one known event of each class stands for."""
    held = np.bincount(background.owners, minlength=classes)
    return np.bincount(background.owners, weights, classes) / np.maximum(held, 1)


def _count(
    episode: NDArray[np.int64],
    inside: NDArray[np.float64],
    known: NDArray[np.float64],
    outside: NDArray[np.float64],
    weights: NDArray[np.float64],
    background: Background,
) -> Count:
    shares = weights_of_classes(background, weights, known.shape[1])
    region, claimed = inside > 0.5, weights[outside > 0.5]
    seen = len(np.unique(episode[region]))
    events = float(claimed.sum())
    if events == 0:
        # No known event lies there: take the class that would have come nearest.
        parts = known[region].sum(axis=0)
        unit = float(parts @ shares / parts.sum()) if parts.sum() > 0 else float(shares.mean())
        return Count(seen, 0.0, max(unit, 1e-6))
    hits = np.bincount(background.owners[outside > 0.5], minlength=len(shares))
    # Archive events that each class brings there, spread over the events that may be of it.
    each, there = shares * hits, known.sum(axis=0)
    rare = there < UNSEEN
    brought = np.where(rare, 0.0, each / np.maximum(there, 1e-12))
    together = expected_episodes(known @ brought, episode) + float(each[rare].sum())
    expected = min(together, events)
    unit = float((claimed**2).sum() / events) * expected / events
    return Count(seen, expected, max(unit, 1e-6))


def expected_episodes(expected: NDArray[np.float64], episode: NDArray[np.int64]) -> float:
    """Expected number of episodes in a group, from the expected number of events.

    Several events of one episode put it there once at most. That is a bound: where they are
    not alike, fewer episodes are expected, and the p-value is on the safe side.

    Args:
        expected: (N,) events in the group that each archive event stands for.
        episode: (N,) number of each one's episode.
    """
    names, place = np.unique(episode, return_inverse=True)
    together = np.bincount(place, expected, len(names))
    most = np.ones(len(names))
    np.maximum.at(most, place, expected)
    return float(np.minimum(together, most).sum())


def p_value(count: Count) -> float:
    """Probability of at least the observed number of archive events under the background."""
    if count.seen == 0:
        return 1.0
    share = count.unit / (1.0 + count.unit)
    return float(betainc(count.seen, count.expected / count.unit + 1.0, share))


def told(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values as they are reported: none below `FINEST`."""
    return np.maximum(p_values, FINEST)


def spell(p_value: float) -> str:
    """A p-value in two figures, "< 1e-10" at the smallest."""
    return f"< {FINEST:.0e}" if p_value <= FINEST else f"{p_value:.2g}"


def uniform_p_value(count: Count, rng: np.random.Generator) -> float:
    """Randomised p-value, uniform under the null hypothesis despite whole counts."""
    known, share = count.expected / count.unit, count.unit / (1.0 + count.unit)
    more = float(betainc(count.seen + 1, known, share)) if known > 0 else 0.0
    return more + float(rng.random()) * (p_value(count) - more)
