"""Excess over the known classes: a mixture model with a fixed background.

The archive's events are known classes, whose densities are held, plus a few new Gaussians
(fixed-background model: Kuusela et al. 2012, "Semi-supervised anomaly detection", J. Phys.
Conf. Ser. 368, 012032). No density of a known class is exact, and a free Gaussian settles
where one is wrong. So known events compete for the Gaussians too: what they claim of one,
in the proportions of the archive, is taken off its events, mean and covariance. Where the
archive holds no more than the known classes bring along, a Gaussian dwindles and is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.sparse import csr_array
from scipy.special import logsumexp, softmax

from glitchvae.classes.novelty import Gaussian, class_shares, log_densities, shrunk_gaussian

ROUNDS = 10
"""Number of iterations over the counts of the known classes."""

STEPS = 8
"""Number of steps of the new components in each iteration."""

_SETTLED = 1e-3  # relative change of a component's events at which it has come to rest
_REACH = 1e-5  # probability from which an event counts for a component


class Sample(NamedTuple):
    """Events with their codes and densities under the known classes.

    Attributes:
        codes: (N, Z) whitened.
        points: (N, D) in the space of the search.
        log_known: (N, K) log-densities there under the known classes.
        log_half: (N, K) the same under the first half of the known events; those of that
            half themselves are under the second.
        episode: (N,) number of each one's episode (`triggers.episodes`).
        bout: (N,) number of each one's bout, which holds whole episodes.
    """

    codes: NDArray[np.float64]
    points: NDArray[np.float64]
    log_known: NDArray[np.float64]
    log_half: NDArray[np.float64]
    episode: NDArray[np.int64]
    bout: NDArray[np.int64]

    @classmethod
    def join(cls, one: Sample, other: Sample) -> Sample:
        """Join the events of two samples."""
        return cls(
            codes=np.concatenate([one.codes, other.codes]),
            points=np.concatenate([one.points, other.points]),
            log_known=np.concatenate([one.log_known, other.log_known]),
            log_half=np.concatenate([one.log_half, other.log_half]),
            episode=np.concatenate([one.episode, other.episode]),
            bout=np.concatenate([one.bout, other.bout]),
        )

    def take(self, rows: NDArray) -> Sample:
        """Some of the events."""
        return Sample(
            codes=self.codes[rows],
            points=self.points[rows],
            log_known=self.log_known[rows],
            log_half=self.log_half[rows],
            episode=self.episode[rows],
            bout=self.bout[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Background:
    """Known events to compare with.

    Attributes:
        sample: Their codes, and densities fitted without them.
        owners: (R,) index of each one's class.
        first: (R,) which are in the half that the search looks at.
    """

    sample: Sample
    owners: NDArray[np.int64]
    first: NDArray[np.bool_]

    def take(self, rows: NDArray) -> Background:
        """Some of the events."""
        return Background(
            sample=self.sample.take(rows), owners=self.owners[rows], first=self.first[rows]
        )

    def typicality(self, log_known: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K) share of the known events of each class that are less typical than an event.

        Known events have densities that they took no part in.

        Args:
            log_known: (N, K) log-density of each class at the events.

        Returns:
            (N, K) from 0, outside a class, to 1, at its very middle.
        """
        known = self.sample.log_known
        shares = [
            np.searchsorted(own, log_known[:, k]) / max(len(own), 1)
            for k in range(known.shape[1])
            for own in [np.sort(known[self.owners == k, k])]
        ]
        return np.stack(shares, axis=1)

    def weights(
        self, claims: NDArray[np.float64], archive_claims: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(R,) number of archive events that each known event stands for.

        A density that is a little wrong miscounts its class. So the counts are not those of
        the densities, but those that bring along what the archive shows: each class of known
        events fills the known classes in proportions of its own (Lipton et al. 2018,
        "Detecting and correcting for label shift", with probabilities).

        Args:
            claims: (R, K) probability of each known class for each known event.
            archive_claims: (N, K) the same for the archive's events.
        """
        held = np.bincount(self.owners, minlength=claims.shape[1])
        filled = np.stack(
            [np.bincount(self.owners, column, len(held)) for column in claims.T]
        ) / np.maximum(held, 1)
        seen = archive_claims.sum(axis=0)
        scale = 1.0 / np.sqrt(seen + 1.0)
        events, _ = nnls(filled * scale[:, None], seen * scale)
        return (events / np.maximum(held, 1))[self.owners]


@dataclass(frozen=True, kw_only=True)
class Excess:
    """New components beside the known classes.

    Attributes:
        components: A Gaussian for each.
        events: (J,) archive events of each, known ones taken off; those of one episode count
            as one.
        class_events: (K,) archive events that each known class's density claims, counted alike.
    """

    components: tuple[Gaussian, ...]
    events: NDArray[np.float64]
    class_events: NDArray[np.float64]

    def claims(self, sample: Sample) -> NDArray[np.float64]:
        """(N, J + K) membership probabilities of events in new components and known classes."""
        joint = np.empty((len(sample.points), len(self.components) + len(self.class_events)))
        count = len(self.components)
        with np.errstate(divide="ignore"):
            joint[:, :count] = log_densities(self.components, sample.points) + np.log(self.events)
            joint[:, count:] = sample.log_known + np.log(self.class_events)
        return softmax(joint, axis=1)


def fit_excess(
    archive: Sample,
    background: Background,
    start: NDArray[np.float64],
    *,
    min_events: float,
    rounds: int = ROUNDS,
) -> tuple[Excess, NDArray[np.int64]]:
    """Fit by expectation-maximisation from a first guess.

    In each round the new components settle over known classes that are held; then the
    classes are counted anew. Only events that a component reaches take part in the former.

    Args:
        archive: N events.
        background: Known events.
        start: (N, J) first responsibilities, such as the groups of a clustering.
        min_events: A component with fewer events is dropped.
        rounds: At most.

    Returns:
        The components that are left, and which of the J they were.
    """
    class_events = len(archive.points) * class_shares(archive.log_known, steps=20)
    excess = Excess(components=(), events=np.zeros(0), class_events=class_events)
    inside, own = excess.claims(archive), excess.claims(background.sample)
    members, claimed = start, np.zeros((len(own), start.shape[1]))
    left = np.arange(start.shape[1])
    for _ in range(rounds):
        weights = background.weights(own, once(inside, archive.episode))
        components, events, kept = _settle(
            _reached(archive, members, class_events, np.ones(len(members))),
            _reached(background.sample, claimed, class_events, weights),
            min_events,
        )
        before, left = excess.events, left[kept]
        excess = Excess(components=components, events=events, class_events=class_events)
        (members, inside), (claimed, own) = (
            np.split(excess.claims(sample), [len(events)], axis=1)
            for sample in (archive, background.sample)
        )
        class_events = once(inside, archive.episode).sum(axis=0)
        if len(before) == len(events) and np.allclose(before, events, rtol=_SETTLED):
            break
    return excess, left


def once(claims: NDArray[np.float64], episode: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, J) memberships, limited so that an episode counts at most once in each component.

    What one disturbance brings is alike: it neither makes a component nor moves one more than
    a single event does.

    Args:
        claims: (N, J) probability of each component for each event.
        episode: (N,) number of each one's episode.
    """
    names, place = np.unique(episode, return_inverse=True)
    if len(names) == len(place):
        return claims
    rows = np.arange(len(place))
    together = csr_array((np.ones(len(place)), (place, rows)), (len(names), len(place))) @ claims
    return claims / np.maximum(together, 1.0)[place]


class _Reached(NamedTuple):
    """Events with a membership in new components.

    Attributes:
        points: In the space of the search.
        log_known: Log-density of all known classes together.
        members: Memberships.
        weights: Archive events that each stands for.
        episode: Number of each one's episode.
    """

    points: NDArray[np.float64]
    log_known: NDArray[np.float64]
    members: NDArray[np.float64]
    weights: NDArray[np.float64]
    episode: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.float64]:
        """(n, J) weight of each event in each component; an episode counts at most once."""
        return self.weights[:, None] * once(self.members, self.episode)


def _reached(
    sample: Sample,
    members: NDArray[np.float64],
    class_events: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> _Reached:
    rows = np.flatnonzero(members.sum(axis=1) > _REACH)
    with np.errstate(divide="ignore"):
        log_known = np.asarray(
            logsumexp(sample.log_known[rows] + np.log(class_events), axis=1), dtype=np.float64
        )
    return _Reached(
        sample.points[rows], log_known, members[rows], weights[rows], sample.episode[rows]
    )


def _settle(
    archive: _Reached, known: _Reached, min_events: float
) -> tuple[tuple[Gaussian, ...], NDArray[np.float64], NDArray[np.int64]]:
    """Fit components by some steps over fixed known classes."""
    components: tuple[Gaussian, ...] = ()
    events, numbers = np.zeros(0), np.arange(archive.members.shape[1])
    for _ in range(STEPS):
        counts = archive.counts, known.counts
        left = counts[0].sum(axis=0) - counts[1].sum(axis=0)
        kept = np.flatnonzero(left >= min_events)
        components = tuple(
            _component((archive.points, counts[0][:, j]), (known.points, counts[1][:, j]))
            for j in kept
        )
        before, events, numbers = events, left[kept], numbers[kept]
        archive, known = (_reassign(sample, components, events) for sample in (archive, known))
        if len(before) == len(events) and np.allclose(before, events, rtol=_SETTLED):
            break
    return components, events, numbers


def _reassign(
    sample: _Reached, components: tuple[Gaussian, ...], events: NDArray[np.float64]
) -> _Reached:
    joint = np.empty((len(sample.points), len(components) + 1))
    joint[:, :-1] = log_densities(components, sample.points) + np.log(events)
    joint[:, -1] = sample.log_known
    return sample._replace(members=softmax(joint, axis=1)[:, :-1])


def _component(
    archive: tuple[NDArray[np.float64], NDArray[np.float64]],
    known: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Gaussian:
    """Gaussian of the archive's members of a component minus the known events in it.

    Args:
        archive: Points and what each counts.
        known: The same of known events.
    """
    (a, w), (b, v) = (
        (points[counts > _REACH], counts[counts > _REACH]) for points, counts in (archive, known)
    )
    events = w.sum() - v.sum()
    mean = (w @ a - v @ b) / events
    a, b = a - mean, b - mean
    covariance = ((a * w[:, None]).T @ a - (b * v[:, None]).T @ b) / events
    return shrunk_gaussian(mean, covariance, events)
