"""Test whether groups are known classes displaced by the noise of the archive.

A group stands out from the known classes as the model knows them. The same engine is asked again
with rendered events among the known ones. A group that it still finds is a candidate. One that
it finds no longer is a known class X, displaced, where all of this holds:

1. Rendered events of X lie elsewhere than X as the model knows it (a two-sample test rejects).
2. Rendered events of X land on the group, and a two-sample test that could have seen half the way
   to the next class does not tell them from the members. Both are chosen by the components that
   were found in the other half of the events, so that neither was fitted to.
3. The offset is shared: events of X outside the group, of its detectors and sample rates, lie
   nearer to where X is rendered than to where the model knows it.

Otherwise it stays a candidate. What its members are named plays no part but to say which classes
are tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery.advising import nearest_classes
from glitchvae.discovery.comparing import Known
from glitchvae.discovery.excess import Sample
from glitchvae.discovery.local import Local, LocalClass, localise
from glitchvae.discovery.membership import MEMBER
from glitchvae.discovery.rendering import (
    Rendered,
    Renderer,
    cells_of,
    places_of,
    rate_of,
    renderable,
)
from glitchvae.discovery.searching import MOSTLY, SearchResult, search
from glitchvae.discovery.seeds import known_only
from glitchvae.discovery.settings import DiscoverySettings
from glitchvae.discovery.two_samples import Units, power, two_sample_p
from glitchvae.embedding import Embeddings
from glitchvae.spectrogram import ImagingSettings

CLASSES = 4
"""Number of known classes rendered for a group."""

REJECTED, ELSEWHERE = 0.05, 0.01
"""Largest p-values at which members differ from rendered events, and at which those are offset."""

POWER = 0.8
"""Least power of the first of these tests for half the distance to the next class."""

FEWEST_LANDED, FEWEST_MEMBERS, FEWEST_OTHERS = 10, 4, 5
"""Least numbers of rendered glitches, of episodes of the group, and outside it, for a test."""

VERDICT = "known class, displaced here"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Result of the test of one known class as the cause of a group.

    Attributes:
        name: The class.
        rendered: Glitches of it that were rendered.
        landed: Those with a trigger in the group.
        offset: From the class as the model knows it to where it is rendered, in standard
            deviations of a known class.
        offset_p: p-value of no offset.
        members: Episodes of the group that were tested.
        landing_p: p-value that these and the landed ones are of one distribution.
        power: How often that test sees a shift of `sees`.
        sees: Half the distance to the next class, in standard deviations.
        others: Episodes of the class outside the group, at its detectors and sample rates.
        shared: Where those lie: 0 at the class as the model knows it, 1 where it is rendered; NaN
            where there are too few.
        simulated_noise: The strain of some place is gone, and its noise was simulated.
        against: Why it is not the cause, "" where it is.
    """

    name: str
    rendered: int
    landed: int
    offset: float
    offset_p: float
    members: int
    landing_p: float
    power: float
    sees: float
    others: int
    shared: float
    simulated_noise: bool
    against: str

    @property
    def holds(self) -> bool:
        """Whether the class is the cause of the group."""
        return not self.against

    @property
    def sentence(self) -> str:
        """The result as text."""
        told = (
            f"{self.landed} of {self.rendered} rendered {self.name} land on the group;"
            f" two samples: p = {self.landing_p:.2g} for {self.members} episodes of it"
            f" (a shift of {self.sees:.1f} is seen in {self.power:.0%});"
            f" {self.name} is rendered {self.offset:.1f} standard deviations from where the model"
            f" knows it"
        )
        if np.isfinite(self.shared):
            told += f"; {self.others} episodes of it outside the group lie at {self.shared:.0%}"
            told += " of that way"
        else:
            told += "; too few of it outside the group to ask"
        if self.simulated_noise:
            told += "; strain is gone or not quiet, and noise of the detector's curve stood in"
        return f"{told}."


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Groups of a search after comparison with rendered known classes.

    Attributes:
        membership: (N, G) probability of each candidate for each event.
        p_values: (G,) of each, the larger of those with and without rendered events.
        causes: (G,) what was tested of each: nothing where rendered events left it standing.
        displaced: (N, D) the same of groups that are a known class, displaced.
        displaced_p: (D,) p-values of these without rendered events.
        displaced_by: (D,) the cause of each.
        rendered: Glitches that were rendered, by class.
    """

    membership: NDArray[np.float64]
    p_values: NDArray[np.float64]
    causes: tuple[tuple[Cause, ...], ...]
    displaced: NDArray[np.float64]
    displaced_p: NDArray[np.float64]
    displaced_by: tuple[Cause, ...]
    rendered: dict[str, int]

    @classmethod
    def unrendered(cls, found: SearchResult) -> Judged:
        """All groups as candidates, without rendering."""
        groups = found.membership.shape[1]
        return cls(
            membership=found.membership,
            p_values=found.p_values,
            causes=((),) * groups,
            displaced=found.membership[:, :0],
            displaced_p=np.empty(0),
            displaced_by=(),
            rendered={},
        )


def judge(
    found: SearchResult,
    archive: Sample,
    known: Known,
    events: Embeddings,
    prototypes: Prototypes,
    renderer: Renderer | None,
    settings: DiscoverySettings,
) -> Judged:
    """Repeat the search with rendered events, and test the causes of groups that vanish.

    Args:
        found: What was found among the known classes as the model knows them.
        archive: N events.
        known: Those classes.
        events: The same N events.
        prototypes: Of the model.
        renderer: Renders known classes; None: all groups stay candidates.
        settings: Of the search.
    """
    groups = found.membership.T > MEMBER
    if renderer is None or not len(groups):
        return Judged.unrendered(found)
    tried = [shortlist(archive, events, own, prototypes, renderer.imaging) for own in groups]
    rendered = renderer.render(
        sorted({name for names in tried for name in names}),
        cells_of(events.take(np.flatnonzero(groups.any(axis=0))), renderer.imaging),
        threshold_of(events),
    )
    if rendered is None:
        return Judged.unrendered(found)
    local = localise(known, rendered, archive, events.gps)
    again = search(
        local.archive, local.known.background, settings, np.random.default_rng(settings.seed)
    )
    return _settle(found, again, archive, known, local, rendered, events, tried, renderer)


def threshold_of(events: Embeddings) -> float:
    """SNR threshold of the search that found some events, from the faintest of them."""
    known = events.snr[np.isfinite(events.snr)]
    return float(max(np.floor(10 * known.min()) / 10, 4.0)) if len(known) else 7.5


def shortlist(
    archive: Sample,
    events: Embeddings,
    own: NDArray[np.bool_],
    prototypes: Prototypes,
    imaging: ImagingSettings,
) -> list[str]:
    """Known classes that may be the cause of a group: its nearest and its assigned classes."""
    middle = np.median(archive.codes[own], axis=0)
    centres = prototypes.centres @ prototypes.whitener
    near = nearest_classes(middle, centres, prototypes.owners, prototypes.names)
    named = [str(name) for name, _ in Counter(events.class_name[own]).most_common()]
    rate = rate_of(float(np.median(events.f_max[own])), imaging)
    ordered = [
        *renderable(named, rate)[: CLASSES // 2],
        *renderable((name for name, _ in near), rate),
    ]
    return [name for name in dict.fromkeys(ordered) if name in prototypes.names][:CLASSES]


def _settle(
    found: SearchResult,
    again: SearchResult,
    archive: Sample,
    known: Known,
    local: Local,
    rendered: Rendered,
    events: Embeddings,
    tried: Sequence[Sequence[str]],
    renderer: Renderer,
) -> Judged:
    """Divide groups into candidates and displaced known classes."""
    groups, still = found.membership.T > MEMBER, again.membership.T > MEMBER
    common = still.astype(float) @ groups.T
    owner = np.where(
        common.max(axis=1, initial=0.0) > MOSTLY * still.sum(axis=1),
        common.argmax(axis=1) if len(groups) else 0,
        -1,
    )
    evidence = _Evidence(
        found=found,
        archive=archive,
        known=known,
        local=local,
        free=~np.asarray(np.concatenate([groups, still]).any(axis=0)),
        places=np.array(
            [f"{p.ifo} {p.sample_rate:g}" for p in places_of(events, renderer.imaging)]
        ),
        claims=known_only(local.archive).claims(local.archive),
        simulated_noise=bool(rendered.shipped),
        seed=renderer.seed,
    )
    kept: list[tuple[NDArray[np.float64], float, tuple[Cause, ...]]] = []
    displaced: list[tuple[NDArray[np.float64], float, Cause]] = []
    for g, p_value in enumerate(found.p_values):
        left = np.flatnonzero(owner == g)
        kept += [
            (again.membership[:, h], max(float(p_value), float(again.p_values[h])), ())
            for h in left
        ]
        rest = groups[g] & ~still[left].any(axis=0)
        if len(left) and rest.sum() <= MOSTLY * groups[g].sum():
            continue
        causes = tuple(
            _test(own, g, rest, evidence) for own in local.classes if own.name in tried[g]
        )
        holding = [cause for cause in causes if cause.holds]
        if holding:
            best = max(holding, key=lambda cause: cause.landing_p)
            membership = np.where(rest, found.membership[:, g], 0.0)
            displaced.append((membership, float(p_value), best))
        elif not len(left):
            kept.append((found.membership[:, g], float(p_value), causes))
    kept.sort(key=lambda one: one[1])
    blank = found.membership[:, :0]
    return Judged(
        membership=np.stack([one[0] for one in kept], axis=1) if kept else blank,
        p_values=np.array([one[1] for one in kept]),
        causes=tuple(one[2] for one in kept),
        displaced=np.stack([one[0] for one in displaced], axis=1) if displaced else blank,
        displaced_p=np.array([one[1] for one in displaced]),
        displaced_by=tuple(one[2] for one in displaced),
        rendered={own.name: own.units.count for own in local.classes},
    )


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """Data with which every class is tested as the cause of every group.

    Attributes:
        found: The groups among the known classes as the model knows them.
        archive: N events.
        known: Those classes.
        local: The same with rendered classes.
        free: (N,) which events are in no group.
        places: (N,) detector and rate of each event.
        claims: (N, K) of known and rendered classes alone.
        simulated_noise: Whether some were rendered in noise that is no strain of the archive.
        seed: Of the tests.
    """

    found: SearchResult
    archive: Sample
    known: Known
    local: Local
    free: NDArray[np.bool_]
    places: NDArray[np.str_]
    claims: NDArray[np.float64]
    simulated_noise: bool
    seed: int

    def claimed(self, group: int, sample: Sample) -> NDArray[np.bool_]:
        """(N,) events claimed by the components of a group, from the most significant half."""
        half = sample._replace(log_known=sample.log_half)
        claims = self.found.tested[self.found.surest[group]].excess.claims(half)
        return claims[:, self.found.parts[group]].sum(axis=1) > MOSTLY

    def reference(self, name: str) -> NDArray[np.float64]:
        """Whitened codes of the known events of a class."""
        background = self.known.background
        return background.sample.codes[background.owners == self.known.names.index(name)]


def _test(own: LocalClass, group: int, rest: NDArray[np.bool_], evidence: _Evidence) -> Cause:
    """Test one class as the cause of a group."""
    found, archive, known = evidence.found, evidence.archive, evidence.known
    rng = np.random.default_rng(evidence.seed)
    reference = evidence.reference(own.name)
    # Where it lies.
    as_known = Units(reference, np.arange(len(reference)))
    offset = own.codes.mean(axis=0) - reference.mean(axis=0)
    offset_p = two_sample_p(own.units, as_known, rng)
    # What lands.
    landed = evidence.claimed(group, known.sample_whitened(own.codes))
    looked = found.tested[found.surest[group]].looked
    rows = np.flatnonzero(rest & ~looked & evidence.claimed(group, archive))
    members = Units(evidence.local.back(own, rows), archive.episode[rows])
    there = Units(own.codes[landed], own.unit[landed])
    landing_p = two_sample_p(members, there, rng)
    sees = 0.5 * _next_class(own.name, known)
    enough = there.count >= FEWEST_LANDED and members.count >= FEWEST_MEMBERS
    seen = power(there, members.count, sees, REJECTED, rng) if enough else 0.0
    others, shared = _shared(own, group, rest, evidence)
    against = ""
    if offset_p > ELSEWHERE:
        against = f"{own.name} lies here where the model knows it"
    elif there.count < FEWEST_LANDED:
        against = f"{there.count} rendered {own.name} land on the group, {FEWEST_LANDED} are needed"
    elif members.count < FEWEST_MEMBERS:
        against = f"{members.count} episodes are left to test, {FEWEST_MEMBERS} are needed"
    elif landing_p <= REJECTED:
        against = f"the members are no {own.name} as rendered here (p = {landing_p:.2g})"
    elif seen < POWER:
        against = f"too few to tell (power {seen:.0%})"
    elif shared < 0.5:
        against = f"other {own.name} lie here where the model knows them"
    return Cause(
        name=own.name,
        rendered=own.units.count,
        landed=there.count,
        offset=float(np.linalg.norm(offset)),
        offset_p=offset_p,
        members=members.count,
        landing_p=landing_p,
        power=seen,
        sees=sees,
        others=others,
        shared=shared,
        simulated_noise=evidence.simulated_noise,
        against=against,
    )


def _next_class(name: str, known: Known) -> float:
    """Distance from the mean of a class to the mean of the nearest other class."""
    codes, owners = known.background.sample.codes, known.background.owners
    present = np.unique(owners)
    middles = np.stack([codes[owners == k].mean(axis=0) for k in present])
    apart = np.linalg.norm(middles - middles[present == known.names.index(name)], axis=1)
    return float(np.sort(apart)[1]) if len(apart) > 1 else float(apart[0])


def _shared(
    own: LocalClass, group: int, rest: NDArray[np.bool_], evidence: _Evidence
) -> tuple[int, float]:
    """Ungrouped episodes of a class at the places of a group, and their position on the offset.

    The events compared with, as the model knows the class and as it is rendered, are those that the
    group does not claim: what is left outside is chosen alike.
    """
    archive, known, places = evidence.archive, evidence.known, evidence.places
    columns = [known.names.index(own.name), own.number]
    of_class = evidence.claims[:, columns].sum(axis=1) > MOSTLY
    rows = np.flatnonzero(of_class & evidence.free & np.isin(places, np.unique(places[rest])))
    count = len(np.unique(archive.episode[rows]))
    ends = []
    for codes in (evidence.reference(own.name), own.codes):
        outside = codes[~evidence.claimed(group, known.sample_whitened(codes))]
        ends.append(outside if len(outside) >= FEWEST_OTHERS else codes)
    start, end = (codes.mean(axis=0) for codes in ends)
    way = end - start
    length = float(way @ way)
    if count < FEWEST_OTHERS or length == 0.0:
        return count, float("nan")
    along = (archive.codes[rows] - start) @ way / length
    episode = archive.episode[rows]
    means = [float(along[episode == e].mean()) for e in np.unique(episode)]
    return count, float(np.mean(means))
