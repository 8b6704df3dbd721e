"""Novelty of codes: densities of the known classes and a calibrated tail.

Distance to the nearest centre treats all classes as equally wide. Here every class is a
mixture of a few Gaussians with covariances of their own, shrunk where events are few, and
an event's novelty is the share of known events that lie in thinner parts of their class.
Beyond the last known events the share follows a generalised Pareto tail (Pickands 1975,
"Statistical inference using extreme order statistics"), so that it is finer than one
over their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp
from sklearn.cluster import KMeans

from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError

EVENTS_PER_COMPONENT = 40
MOST_COMPONENTS = 3
SHRINKAGE = 20.0
"""Weight of the round covariance in a shrunk covariance, in events."""

_DRAWN = 200  # stand-ins for each class of prototypes that keep no events
_BLOCK = 4096  # points whose products of coordinates are held at once
_TAIL = 0.1  # share of the known events that the Pareto tail is fitted to


class Reference(NamedTuple):
    """Known events: whitened codes (R, Z) and the class of each (R,) as an index."""

    points: NDArray[np.float64]
    owners: NDArray[np.int64]


def reference_of(prototypes: Prototypes, rng: np.random.Generator) -> Reference:
    """Known events in whitened code space.

    Prototypes of an older file keep none: draws around their centres stand in, at the
    distances that known events had.
    """
    if prototypes.reference is not None and prototypes.reference_owners is not None:
        points = prototypes.reference.astype(np.float64) @ prototypes.whitener
        return Reference(points, prototypes.reference_owners)
    centres = np.concatenate(
        [
            rng.choice(np.flatnonzero(prototypes.owners == k), _DRAWN)
            for k in range(len(prototypes.names))
        ]
    )
    way = rng.standard_normal((len(centres), prototypes.whitener.shape[1]))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    far = rng.choice(prototypes.known_distances, len(centres))
    points = prototypes.centres[centres] @ prototypes.whitener + far[:, None] * way
    return Reference(points, prototypes.owners[centres])


def metric_axes(prototypes: Prototypes) -> NDArray[np.float64]:
    """(Z, Z) map from whitened codes to the space in which classes are separated best."""
    return np.asarray(np.linalg.solve(prototypes.whitener, prototypes.class_metric), np.float64)


class Gaussian(NamedTuple):
    """A normal density: mean (Z,), whitening matrix `root` (Z, Z), logarithm of its determinant."""

    mean: NDArray[np.float64]
    root: NDArray[np.float64]
    log_volume: float


def log_densities(
    components: Sequence[Gaussian], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, J) logarithms of the densities of J Gaussians at N points.

    A Gaussian is of the exponential family: its log-density is linear in the products of two
    coordinates, the coordinates and 1. So that one matrix product gives those of all components.
    """
    found = np.empty((len(points), len(components)))
    if components:
        parameters = np.stack([_natural_parameters(component) for component in components])
        for begin in range(0, len(points), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            found[block] = (parameters @ _sufficient_statistics(points[block])).T
    return found


def _sufficient_statistics(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F, N) products of each coordinate with itself and those after it, coordinates, and 1."""
    count, size = points.shape
    columns = np.ascontiguousarray(points.T)
    found = np.empty((size * (size + 1) // 2 + size + 1, count))
    begin = 0
    for i in range(size):
        end = begin + size - i
        np.multiply(columns[i], columns[i:], out=found[begin:end])
        begin = end
    found[begin:-1], found[-1] = columns, 1.0
    return found


def _natural_parameters(component: Gaussian) -> NDArray[np.float64]:
    """(F,) factor of each of the sufficient statistics in the log-density."""
    mean, root, log_volume = component
    precision = root @ root.T
    twice = 2.0 * precision - np.diag(np.diag(precision))
    constant = log_volume - 0.5 * (mean @ precision @ mean + len(mean) * np.log(2 * np.pi))
    upper = np.triu_indices(len(mean))
    return np.concatenate([-0.5 * twice[upper], precision @ mean, [constant]])


def shrunk_gaussian(
    mean: NDArray[np.float64], covariance: NDArray[np.float64], events: float
) -> Gaussian:
    """A Gaussian with covariance shrunk towards a multiple of the identity if events are few.

    Args:
        mean: (Z,).
        covariance: (Z, Z), symmetric; negative eigenvalues, as a difference of two
            samples may have, count as small ones.
        events: How many it was estimated from.
    """
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.02 * max(values.mean(), 1e-12))
    values = (events * values + SHRINKAGE * values.mean()) / (events + SHRINKAGE)
    return Gaussian(mean, vectors / np.sqrt(values), float(-0.5 * np.log(values).sum()))


@dataclass(frozen=True, kw_only=True)
class KnownDensity:
    """Densities of the known classes.

    Attributes:
        components: Gaussians of all classes.
        owners: (C,) index of each one's class.
        log_weights: (C,) its share of the class.
        classes: K, how many classes there are; one without events has density 0.
    """

    components: tuple[Gaussian, ...]
    owners: NDArray[np.int64]
    log_weights: NDArray[np.float64]
    classes: int

    @classmethod
    def fit(cls, reference: Reference, classes: int, *, seed: int = 0) -> Self:
        """Fit the densities of the classes to known events.

        Raises:
            InputError: there is no known event.
        """
        if len(reference.points) == 0:
            raise InputError("no known event", where="known classes", expected="at least one")
        components, owners, weights = [], [], []
        for k in np.unique(reference.owners):
            own = reference.points[reference.owners == k]
            for part in _parts(own, seed):
                spread = (
                    np.cov(part, rowvar=False, bias=True) if len(part) > 1 else np.eye(own.shape[1])
                )
                components.append(
                    shrunk_gaussian(part.mean(axis=0), np.atleast_2d(spread), len(part))
                )
                owners.append(k)
                weights.append(np.log(len(part) / len(own)))
        return cls(
            components=tuple(components),
            owners=np.array(owners),
            log_weights=np.array(weights),
            classes=classes,
        )

    def log_density(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K) logarithm of the density of each class."""
        found = np.full((len(points), self.classes), -np.inf)
        joint = log_densities(self.components, points) + self.log_weights
        for k in np.unique(self.owners):
            found[:, k] = logsumexp(joint[:, self.owners == k], axis=1)
        return found

    def log_density_of(self, k: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) logarithm of the density of class `k`, which must have events."""
        own = np.flatnonzero(self.owners == k)
        joint = log_densities([self.components[c] for c in own], points) + self.log_weights[own]
        return np.asarray(logsumexp(joint, axis=1), dtype=np.float64)


def _parts(points: NDArray[np.float64], seed: int) -> list[NDArray[np.float64]]:
    count = int(np.clip(len(points) // EVENTS_PER_COMPONENT, 1, MOST_COMPONENTS))
    kmeans: Any = KMeans  # its stubs know n_init as text only
    labels = kmeans(count, n_init=3, random_state=seed).fit_predict(points)
    return [points[labels == label] for label in np.unique(labels)]


def halves(owners: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """(R,) random assignment to the first half of each class; an odd event is in the second."""
    order = rng.permutation(len(owners))
    order = order[np.argsort(owners[order], kind="stable")]
    rank = np.arange(len(order)) - np.searchsorted(owners[order], owners[order])
    first = np.empty(len(owners), dtype=bool)
    first[order] = (np.bincount(owners)[owners[order]] - rank) % 2 == 0
    return first


def cross_fitted(
    reference: Reference, classes: int, first: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], KnownDensity]:
    """Log-densities of known events under classes fitted to the other half.

    Args:
        reference: R known events.
        classes: K, how many classes there are.
        first: (R,) which of two halves each event is in.

    Returns:
        (R, K) log-densities of each half under the other, and the density of the first half.
    """
    found = np.empty((len(reference.points), classes))
    models = []
    for own in (first, ~first):
        half = Reference(reference.points[own], reference.owners[own])
        model = KnownDensity.fit(half, classes)
        found[~own] = model.log_density(reference.points[~own])
        models.append(model)
    return found, models[0]


def class_shares(log_density: NDArray[np.float64], *, steps: int = 50) -> NDArray[np.float64]:
    """(K,) class proportions of maximum likelihood.

    Expectation-maximisation with the densities held (Saerens et al. 2002, "Adjusting the
    outputs of a classifier to new a priori probabilities").
    """
    events, count = log_density.shape
    shares = np.full(count, 1.0 / count)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    for _ in range(steps):
        shares = shares * ((1.0 / (density @ shares)) @ density) / events + 1e-12
    return shares / shares.sum()


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Share of known events with a larger score, extrapolated by a Pareto tail.

    Attributes:
        scores: Sorted scores of known events.
        threshold: Where the Pareto tail begins.
        shape: Its shape parameter.
        scale: Its scale.
    """

    scores: NDArray[np.float64]
    threshold: float
    shape: float
    scale: float

    @classmethod
    def fit(cls, scores: NDArray[np.float64]) -> Self:
        """Fit to the scores of known events."""
        scores = np.sort(scores[np.isfinite(scores)])
        threshold = float(np.quantile(scores, 1 - _TAIL))
        beyond = scores[scores > threshold] - threshold
        if len(beyond) < 10 or np.ptp(beyond) == 0:
            return cls(scores=scores, threshold=np.inf, shape=0.0, scale=1.0)
        fitted: Any = stats.genpareto.fit(beyond, floc=0.0)
        return cls(
            scores=scores, threshold=threshold, shape=float(fitted[0]), scale=float(fitted[2])
        )

    def exceedance(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) probability that a known event scores higher; NaN stays NaN."""
        below = np.searchsorted(self.scores, scores, side="left")
        counted = (len(self.scores) - below + 0.5) / (len(self.scores) + 1.0)
        beyond = np.maximum(scores - self.threshold, 0.0)
        fitted = _TAIL * stats.genpareto(self.shape, scale=self.scale).sf(beyond)
        chance = np.where(scores > self.threshold, fitted, counted)
        return np.where(np.isnan(scores), np.nan, np.clip(chance, 0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Novelty of codes: 0 is in the middle of a known class, 1 is unlike every class.

    Attributes:
        metric: (Z, Z) of the prototypes.
        density: Of the known classes.
        tail: Of the scores of known events under classes fitted without them.
    """

    metric: NDArray[np.float64]
    density: KnownDensity
    tail: Tail

    @classmethod
    def fit(cls, prototypes: Prototypes, *, seed: int = 0) -> Self:
        """Fit to the known events of prototypes."""
        rng = np.random.default_rng(seed)
        points, owners = reference_of(prototypes, rng)
        reference = Reference(points @ metric_axes(prototypes), owners)
        classes = len(prototypes.names)
        log_known, _ = cross_fitted(reference, classes, halves(owners, rng))
        return cls(
            metric=prototypes.class_metric,
            density=KnownDensity.fit(reference, classes, seed=seed),
            tail=Tail.fit(-log_known.max(axis=1)),
        )

    def score(self, codes: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N,) negative log-density under the likeliest class; NaN for a code with NaN."""
        found = np.full(len(codes), np.nan)
        usable = np.isfinite(codes).all(axis=1)
        points = np.asarray(codes[usable], dtype=np.float64) @ self.metric
        found[usable] = -self.density.log_density(points).max(axis=1)
        return found

    def novelty(self, codes: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N,) one minus the probability that a known event scores higher."""
        return 1.0 - self.tail.exceedance(self.score(codes))
