"""`discover`: from codes and known classes to tested candidates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from glitchvae.archive.live import Live, months
from glitchvae.classes.catalog import read_catalog
from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery.advising import advise, nearest_classes, remark_on
from glitchvae.discovery.audit import audit_labels
from glitchvae.discovery.classed import by_class, from_medoid
from glitchvae.discovery.comparing import (
    FEWEST_EVENTS,
    Known,
    bouts_of,
    comparable_rows,
    episodes_of,
    leave_out_faint,
    left_out,
)
from glitchvae.discovery.describing import describe
from glitchvae.discovery.displacement import VERDICT, Cause, Judged, judge
from glitchvae.discovery.excess import Sample
from glitchvae.discovery.guards import Pictures, guard, heed, verdict_of
from glitchvae.discovery.membership import MEMBER
from glitchvae.discovery.record import Candidate, Discovery, KnownClass
from glitchvae.discovery.rendering import Renderer
from glitchvae.discovery.searching import SearchResult, search
from glitchvae.discovery.settings import DiscoverySettings
from glitchvae.discovery.significance import told
from glitchvae.discovery.stability import stabilities
from glitchvae.embedding import Embeddings
from glitchvae.progress import Progress

_EDGES = 8  # least typical members that are shown


# Its many small fits gain nothing from threads, which wait for each other on shared cores.
@threadpool_limits.wrap(limits=1)
def discover(
    embeddings: Embeddings,
    prototypes: Prototypes,
    settings: DiscoverySettings | None = None,
    *,
    live: Live | None = None,
    pictures: Pictures | None = None,
    renderer: Renderer | None = None,
    progress: Progress | None = None,
) -> Discovery:
    """Find groups of events that no known class explains.

    Args:
        embeddings: N events with the codes of one model; those without a code and those below
            `settings.min_snr` are counted and take no part.
        prototypes: The known classes in the code space of that model.
        settings: Options.
        live: Stretches that were searched, by detector; without them there are no rates.
        pictures: Where the images of the events are, such as `Archive.thumbnails`; without
            them nobody can say whether they are saturated.
        renderer: Renders known classes where the archive is; without it no group can be told to
            be a known class that is displaced there.
        progress: Called with the steps just done, about `settings.bootstraps + 2` in all.

    Returns:
        Candidates and known classes; of fewer than 20 events with a code the classes alone, since
        so few say nothing about groups.

    Raises:
        InputError: all codes the same, or codes of another size than the prototypes'.
    """
    settings = settings or DiscoverySettings()
    live = {ifo: stretches for ifo, stretches in (live or {}).items() if abs(stretches) > 0}
    report = progress or (lambda _: None)
    embeddings, faint = leave_out_faint(embeddings, settings.min_snr)
    rows = comparable_rows(embeddings, prototypes)
    if len(rows) < FEWEST_EVENTS:
        few = f"{len(rows)} event{'' if len(rows) == 1 else 's'} with a code"
        why = f"groups were not looked for: {few}, where it takes {FEWEST_EVENTS}"
        named = by_class(embeddings, why=why, live=live, settings=settings)
        return replace(named, excluded={**named.excluded, **faint})
    known = Known.of(prototypes, seed=settings.seed)
    episode = episodes_of(embeddings)
    bout = bouts_of(embeddings, episode)
    archive = known.sample(embeddings.mean[rows], episode[rows], bout[rows])
    report(1)
    rng = np.random.default_rng(settings.seed)
    found = search(archive, known.background, settings, rng)
    report(1)
    usable = embeddings.take(rows)
    judged = judge(found, archive, known, usable, prototypes, renderer, settings)
    both = np.concatenate([judged.membership, judged.displaced], axis=1)
    found = replace(
        found,
        membership=both,
        p_values=told(np.concatenate([judged.p_values, judged.displaced_p])),
    )
    stable = stabilities(archive, known.background, found, settings, rng, report)
    members = _members(archive, found)
    cluster = np.full(len(rows), -1)
    for number, own in enumerate(members):
        cluster[own] = number
    labels = np.full(len(rows), "") if embeddings.label is None else embeddings.label[rows]
    groups = _candidates(
        embeddings,
        prototypes,
        known,
        archive,
        rows,
        members,
        found,
        judged,
        stable,
        settings,
        live,
        episode,
    )
    count = judged.membership.shape[1]
    candidates, displaced = (
        _guarded(embeddings, episode, part, settings, live, pictures)
        for part in (groups[:count], groups[count:])
    )
    return Discovery(
        embeddings=embeddings,
        cluster=_spread(cluster, rows, len(embeddings), -1),
        episode=episode,
        candidates=candidates,
        displaced=tuple(
            _displaced(group, cause)
            for group, cause in zip(displaced, judged.displaced_by, strict=True)
        ),
        known=_known_classes(
            embeddings, archive, rows, cluster, known.names, labels, found, live, episode
        ),
        audit=audit_labels(archive.codes, labels, rows, settings.neighbours, rng),
        excluded={**left_out(embeddings, rows), **faint},
        settings=settings,
        live=live,
        model=embeddings.model,
        rendered=judged.rendered,
    )


def _members(archive: Sample, found: SearchResult) -> list[NDArray[np.int64]]:
    """Members of each group: the medoid first, then by distance from it."""
    return [
        from_medoid(archive.codes, np.flatnonzero(membership > MEMBER))
        for membership in found.membership.T
    ]


def _one_of_each(own: NDArray[np.int64], episode: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first row of each episode, in the order of the rows."""
    return own[np.sort(np.unique(episode[own], return_index=True)[1])]


def _candidates(
    embeddings: Embeddings,
    prototypes: Prototypes,
    known: Known,
    archive: Sample,
    rows: NDArray[np.int64],
    members: list[NDArray[np.int64]],
    found: SearchResult,
    judged: Judged,
    stable: NDArray[np.float64],
    settings: DiscoverySettings,
    live: Live,
    episode: NDArray[np.int64],
) -> tuple[Candidate, ...]:
    """Describe the candidates, followed by displaced known classes."""
    centres = prototypes.centres @ prototypes.whitener
    groups = [archive.codes[_one_of_each(own, archive.episode)] for own in members]
    names, month = _names(embeddings), months(live, set(embeddings.ifo))
    remainder = _remainder()
    count, candidates = judged.membership.shape[1], []
    for number, own in enumerate(members):
        nearest = nearest_classes(groups[number][0], centres, prototypes.owners, prototypes.names)
        advice, reason = advise(
            number,
            groups,
            {
                name: typicality
                for name, typicality in zip(
                    known.names, known.background.typicality(archive.log_known[own]).T, strict=True
                )
                if name not in remainder
            },
            nearest,
            seed=settings.seed,
        )
        causes = judged.causes[number] if number < count else ()
        remark = remark_on(names[rows[own]], embeddings.class_probability[rows[own]])
        chance = float(found.p_values[number])
        candidates.append(
            Candidate(
                name=f"candidate-{number + 1}"
                if number < count
                else f"displaced-{number + 1 - count}",
                members=rows[own],
                medoid=int(rows[own[0]]),
                edges=rows[own[-_EDGES:][::-1]],
                stability=float(stable[number]),
                p_value=chance,
                expected_per_month=chance * found.tests / month,
                nearest=nearest,
                advice=advice,
                reason=". ".join([reason, *_tried(causes)]),
                verdict="",
                guards=(),
                causes=causes,
                remark=remark,
                **describe(embeddings, rows[own], episode, live),
            )
        )
    return tuple(candidates)


def _guarded(
    embeddings: Embeddings,
    episode: NDArray[np.int64],
    candidates: tuple[Candidate, ...],
    settings: DiscoverySettings,
    live: Live,
    pictures: Pictures | None,
) -> tuple[Candidate, ...]:
    """Add the results of the checks to the candidates and correct their advice."""
    looked_at = guard(
        embeddings,
        episode,
        [c.members for c in candidates],
        live=live,
        pictures=pictures,
        min_events=settings.min_events,
    )
    told = []
    for c, guards in zip(candidates, looked_at, strict=True):
        advice, reason = heed(guards, c.advice, c.reason)
        verdict = verdict_of(guards, advice)
        told.append(replace(c, guards=guards, verdict=verdict, advice=advice, reason=reason))
    return tuple(told)


def _tried(causes: tuple[Cause, ...]) -> list[str]:
    """The reasons why a known class is not the cause although it leaves nothing unexplained."""
    if not causes:
        return []
    against = "; ".join(cause.against for cause in causes)
    return [f"Known classes rendered here explain it, but that is not sure: {against}"]


def _displaced(group: Candidate, cause: Cause) -> Candidate:
    """Describe a group as a displaced known class."""
    return replace(
        group,
        verdict=VERDICT,
        advice=f"{VERDICT}: {cause.name}",
        reason=cause.sentence,
        causes=(cause,),
    )


def _names(embeddings: Embeddings) -> NDArray[np.object_]:
    """(N,) class of each event, "" for none and for classes that mean "none of the above"."""
    return np.where(np.isin(embeddings.class_name, _remainder()), "", embeddings.class_name)


def _remainder() -> list[str]:
    """Names of classes that mean "none of the above", which have no sub-classes."""
    return [card.name for card in read_catalog().cards if card.kind == "remainder"]


def _known_classes(
    embeddings: Embeddings,
    archive: Sample,
    rows: NDArray[np.int64],
    cluster: NDArray[np.int64],
    names: tuple[str, ...],
    labels: NDArray[np.object_],
    found: SearchResult,
    live: Live,
    episode: NDArray[np.int64],
) -> tuple[KnownClass, ...]:
    """Events of no group by class, as every table names them.

    A person's label goes before the model's class. Events without either, such as codes of any
    model, are of the class that explains them best.
    """
    inside = found.excess.claims(archive)[:, len(found.excess.components) :]
    best = np.where(cluster < 0, inside.argmax(axis=1), -1)
    for given in (embeddings.class_name[rows], labels):
        for k, name in enumerate(names):
            best[(cluster < 0) & (given == name)] = k
    classes = []
    for k in np.unique(best[best >= 0]):
        own = np.flatnonzero(best == k)
        own = own[np.argsort(-archive.log_known[own, k], kind="stable")]
        classes.append(
            KnownClass(
                name=names[k],
                members=rows[own],
                **describe(embeddings, rows[own], episode, live),
            )
        )
    return tuple(sorted(classes, key=lambda known: -len(known.members)))


def _spread(values: NDArray[Any], rows: NDArray[np.int64], count: int, blank: Any) -> NDArray[Any]:
    """`values` placed in their rows, `blank` in the others."""
    spread = np.full(count, blank, dtype=values.dtype)
    spread[rows] = values
    return spread
