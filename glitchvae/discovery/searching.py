"""The search: new components, the candidates they form, and their p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from glitchvae.discovery.advising import TYPICAL
from glitchvae.discovery.excess import Background, Excess, Sample, fit_excess, once
from glitchvae.discovery.membership import MEMBER, redraw, without_disturbances
from glitchvae.discovery.seeds import excess_rows, first_guess
from glitchvae.discovery.settings import DiscoverySettings, fewest_bouts
from glitchvae.discovery.significance import Count, count_events, p_value

MOSTLY = 0.5
"""Least probability of membership of an event in a component."""

LINKED = 0.02
"""Least share of a component's neighbours in another component, to link the two."""

_PART = 0.5  # of the events that the search sees; the other half counts
_HALVINGS = 4
_MOST = 20_000  # events of all halvings together: an archive of so many finds with one
_NEIGHBOURS = 10


@dataclass(frozen=True, kw_only=True)
class Tested:
    """Components fitted to one half of the events and counted in the other.

    Attributes:
        excess: The components.
        counts: Bouts of each that the other half holds.
        p_values: (J,) chance of as many.
        looked: (N,) which events are in the half that they were found in.
    """

    excess: Excess
    counts: tuple[Count, ...]
    p_values: NDArray[np.float64]
    looked: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Significant components, and the groups of events that follow from them.

    Attributes:
        excess: Components, fitted to all events; sure ones that this fit loses are not among them.
        membership: (N, G) probability that an event belongs to each group.
        p_values: (G,) of each group: that of its surest component.
        tested: For each halving of the bouts, the components that were found in one half and
            counted in the other.
        surest: (G,) index of the halving that each group's p-value is of.
        parts: Which components of that halving lead to each group.
        seeds: Rows among which the search began.
    """

    excess: Excess
    membership: NDArray[np.float64]
    p_values: NDArray[np.float64]
    tested: tuple[Tested, ...]
    surest: NDArray[np.int64]
    parts: tuple[NDArray[np.int64], ...]
    seeds: NDArray[np.int64]

    @property
    def tests(self) -> int:
        """Number of components that were tested."""
        return number_of_tests(self.tested)


def find_and_count(
    archive: Sample,
    background: Background,
    settings: DiscoverySettings,
    rng: np.random.Generator,
) -> Tested:
    """Fit components in a random half of the bouts and count them in the other.

    The halves are drawn by bout, and bouts are what counts: events of one disturbance, or of
    one source while it lasts, are alike for that reason, and would be found in one half and
    counted in the other as if they had come by themselves.

    Known events are halved too. A hole among them draws a component; if they were counted as
    well, it would still be a hole, and a large archive would fill it with significance. Both
    sides of the count are under the densities of those that were looked at.
    """
    names, bout = np.unique(archive.bout, return_inverse=True)
    looked = (rng.permutation(len(names)) < _PART * len(names))[bout]
    beside, counted = background.take(background.first), background.take(~background.first)
    archive = archive._replace(log_known=archive.log_half, episode=bout)
    half, fewest = archive.take(looked), fewest_bouts(settings)
    guess = first_guess(
        half,
        excess_rows(half, beside),
        method=settings.method,
        min_events=fewest,
        seed=settings.seed,
    )
    excess, _ = fit_excess(half, beside, guess, min_events=fewest)
    counts = tuple(count_events(excess, archive.take(~looked), counted))
    p_values = np.array([p_value(count) for count in counts])
    return Tested(excess=excess, counts=counts, p_values=p_values, looked=looked)


def find_and_count_often(
    archive: Sample,
    background: Background,
    settings: DiscoverySettings,
    rng: np.random.Generator,
) -> tuple[Tested, ...]:
    """Repeat `find_and_count` for several halvings of the bouts, for small archives.

    Of thirty events fifteen are in the half that is looked at, and whether these make a component
    is chance: one halving misses as many classes as it finds. Each component of each halving is a
    test, and all of them share the significance (Bonferroni), so that more halvings make no
    more false candidates.
    """
    if len(np.unique(archive.bout)) < 2 * fewest_bouts(settings):
        return ()  # no half can hold a component
    count = min(max(_MOST // len(archive.points), 1), _HALVINGS)
    return tuple(find_and_count(archive, background, settings, rng) for _ in range(count))


def number_of_tests(tested: Sequence[Tested]) -> int:
    """Number of components of all halvings."""
    return sum(len(one.p_values) for one in tested)


def search(
    archive: Sample,
    background: Background,
    settings: DiscoverySettings,
    rng: np.random.Generator,
) -> SearchResult:
    """Find groups of events that known classes and chance do not explain."""
    tested = find_and_count_often(archive, background, settings, rng)
    start, which = _starts(tested, archive, settings)
    excess, left = fit_excess(archive, background, start, min_events=settings.min_events)
    (new, inside), (_, outside) = (
        np.split(excess.claims(sample), [len(left)], axis=1)
        for sample in (archive, background.sample)
    )
    lost = _lost_far_from_known(start, left, archive, background)
    held = start[:, lost] * (1.0 - new.sum(axis=1, keepdims=True))
    new = np.concatenate([new, held], axis=1)
    inside = inside * (1.0 - np.minimum(held.sum(axis=1, keepdims=True), 1.0))
    which = which[np.concatenate([left, lost])]
    each = np.array([tested[h].p_values[j] for h, j in which])
    groups, p_values = _surest_first(link(archive.points, new), each)
    weights = background.weights(outside, once(inside, archive.episode))
    membership = redraw(archive, background, weights, once(new @ groups, archive.episode))
    membership = without_disturbances(archive.codes, archive.episode, membership)
    kept = (membership > MEMBER).sum(axis=0) >= settings.min_events
    own = [which[column][np.argsort(each[column], kind="stable")] for column in groups.T[kept]]
    return SearchResult(
        excess=excess,
        membership=membership[:, kept],
        p_values=p_values[kept],
        tested=tested,
        surest=np.array([parts[0, 0] for parts in own], dtype=np.int64),
        parts=tuple(parts[parts[:, 0] == parts[0, 0], 1] for parts in own),
        seeds=excess_rows(archive, background),
    )


def _starts(
    tested: Sequence[Tested], archive: Sample, settings: DiscoverySettings
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """First guess of a final fit: each event in the most significant component that claims it.

    Returns:
        (N, J) claims of the components, and (J, 2) halving and index of each.
    """
    most = settings.significance / max(number_of_tests(tested), 1)
    sure = [(p, h, j) for h, one in enumerate(tested) for j, p in enumerate(one.p_values)]
    claims = [one.excess.claims(archive) for one in tested]
    taken = np.zeros(len(archive.points), dtype=bool)
    start, which = [], []
    for _, h, j in sorted(each for each in sure if each[0] <= most):
        own = claims[h][:, j] > MOSTLY
        # Another halving's component of the same events would share them, to the loss of both.
        if (own & taken).sum() <= MOSTLY * own.sum():
            start.append(claims[h][:, j])
            which.append((h, j))
            taken |= own
    empty = np.zeros((len(taken), 0))
    return (
        np.stack(start, axis=1) if start else empty,
        np.array(which, dtype=np.int64).reshape(-1, 2),
    )


def _lost_far_from_known(
    start: NDArray[np.float64],
    left: NDArray[np.int64],
    archive: Sample,
    background: Background,
) -> NDArray[np.int64]:
    """Significant components lost in the final fit although no known class explains them.

    What makes a component sure is the count, not this fit, in which known classes come to claim
    events. That is right where these are as typical of a class as its known events are: no density
    of a class is exact, and real events of it crowd. It is wrong where they are not, and such a
    component keeps the events that it was found with.
    """
    lost = np.setdiff1d(np.arange(start.shape[1]), left)
    apart = []
    for number in lost:
        typicality = background.typicality(archive.log_known[start[:, number] > MOSTLY])
        if (typicality > TYPICAL).mean(axis=0).max() <= MOSTLY:
            apart.append(number)
    return np.array(apart, dtype=np.int64)


def _surest_first(
    groups: NDArray[np.int64], p_values: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(J, G) membership of components in groups, and the least p-value of each group (G,)."""
    least = np.array([p_values[groups == g].min() for g in range(groups.max(initial=-1) + 1)])
    order = np.argsort(least, kind="stable")
    return groups[:, None] == order, least[order]


def link(points: NDArray[np.float64], members: NDArray[np.float64]) -> NDArray[np.int64]:
    """(J,) group of each component; components with neighbouring events are linked.

    Args:
        points: (N, Z).
        members: (N, J) responsibilities of the components.
    """
    count = members.shape[1]
    if count < 2:
        return np.zeros(count, dtype=np.int64)
    owner = np.where(members.max(axis=1) > MOSTLY, members.argmax(axis=1), count)
    rows = np.flatnonzero(owner < count)
    pool = points.astype(np.float32)
    search_in = NearestNeighbors(n_neighbors=_NEIGHBOURS + 1, algorithm="brute").fit(pool)
    near = owner[search_in.kneighbors(pool[rows], return_distance=False)[:, 1:]]
    seen = np.zeros((count, count + 1))
    np.add.at(seen, (np.repeat(owner[rows], near.shape[1]), near.ravel()), 1.0)
    shares = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1.0)
    groups = connected_components(csr_array(shares[:, :count] >= LINKED), directed=False)[1]
    return groups.astype(np.int64)
