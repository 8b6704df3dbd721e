"""Known classes that are held out and then searched for in an archive that holds them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.checkpoint import Checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery.comparing import Known, bouts_of, episodes_of, leave_out_faint
from glitchvae.discovery.displacement import Judged, judge
from glitchvae.discovery.excess import Sample
from glitchvae.discovery.membership import MEMBER
from glitchvae.discovery.rendering import Renderer
from glitchvae.discovery.searching import MOSTLY, find_and_count_often, number_of_tests, search
from glitchvae.discovery.settings import DiscoverySettings
from glitchvae.discovery.significance import told, uniform_p_value
from glitchvae.embedding import Embeddings
from glitchvae.errors import InputError
from glitchvae.triggers.episodes import BOUT

PURITY = 0.9
"""Least share of a candidate's members of the class, for the candidate to count as the class."""

COMPLETENESS = 0.7
"""Least share of the class's events that are members."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Trial with one class that was held out.

    Attributes:
        name: The class.
        held: Every class that was held out with it.
        members: Its events in the archive.
        purity: Of the candidate that holds most of it; 0 where there is none.
        completeness: Share of its events in that candidate.
        p_value: Of that candidate, 1 where there is none.
        candidates: Of the run.
        false: Candidates of the run that are mostly of classes that were not held out.
        displaced: Groups that are mostly of the classes that were held out and are called
            known ones, displaced: these are missed.
    """

    name: str
    held: tuple[str, ...]
    members: int
    purity: float
    completeness: float
    p_value: float
    candidates: int
    false: int
    displaced: int = 0

    @property
    def detected(self) -> bool:
        """Whether most members of a candidate are of this class."""
        return self.purity >= MOSTLY

    @property
    def recovered(self) -> bool:
        """Whether a candidate contains the class with high purity and completeness."""
        return self.purity >= PURITY and self.completeness >= COMPLETENESS


def name_events(embeddings: Embeddings) -> NDArray[np.object_]:
    """(N,) class of each event: its label, else its nearest known class."""
    names = embeddings.class_name.astype(str)
    if embeddings.label is None:
        return names.astype(object)
    labels = embeddings.label.astype(str)
    return np.where(labels == "", names, labels).astype(object)


def known_classes(checkpoint: Checkpoint) -> Prototypes:
    """The prototypes of a model.

    Raises:
        ModelError: it has none.
    """
    return checkpoint.require_prototypes("this model knows no class that could be held out")


def without(prototypes: Prototypes, names: Sequence[str], *, seed: int = 0) -> Prototypes:
    """Prototypes fitted again to the known events of the other classes.

    Raises:
        InputError: the prototypes keep no known events, or none of another class.
    """
    if prototypes.reference is None or prototypes.reference_owners is None:
        raise InputError(
            "these class prototypes keep no known events, so that no class can be held out",
            remedy="Fit them again with this version of glitchvae.",
        )
    labels = np.array(prototypes.names, dtype=object)[prototypes.reference_owners]
    kept = ~np.isin(labels.astype(str), names)
    return Prototypes.fit(prototypes.reference[kept], labels[kept], seed=seed)


def holdable_classes(
    truth: NDArray[np.object_], prototypes: Prototypes, wanted: Sequence[str], fewest: int
) -> list[str]:
    """Known classes with enough events, all of them or the requested ones.

    Raises:
        InputError: a class that is wanted is not known or has too few events, or none is left.
    """
    counts = {name: int((truth == name).sum()) for name in prototypes.names}
    for name in wanted:
        if counts.get(name, 0) < fewest:
            raise InputError(
                f"{name!r} cannot be held out",
                expected=f"a known class of {fewest} events",
                found=f"{counts[name]} events" if name in counts else "no such class",
                remedy=f"Known are {', '.join(prototypes.names)}.",
            )
    names = list(wanted) or [name for name, count in counts.items() if count >= fewest]
    if not names or len(prototypes.names) < 2:
        raise InputError(
            "no class can be held out",
            expected=f"two known classes, one with {fewest} events",
            found=", ".join(f"{name} {count}" for name, count in counts.items() if count) or "none",
        )
    return names


def hold_out(
    embeddings: Embeddings,
    truth: NDArray[np.object_],
    prototypes: Prototypes,
    names: Sequence[str],
    settings: DiscoverySettings,
    *,
    renderer: Renderer | None = None,
) -> tuple[Trial, ...]:
    """Search for classes that were held out.

    Args:
        embeddings: N events, those of the classes among them.
        truth: (N,) class of each.
        prototypes: Of the other classes, as `without` gives them.
        names: The classes that were taken out.
        settings: Of the search.
        renderer: Renders known classes where the archive is, as `discover` does.
    """
    known = Known.of(prototypes, seed=settings.seed)
    archive, truth, events = _usable(embeddings, truth, known)
    judging = None if renderer is None else Judging(events, prototypes, renderer)
    return look_for(archive, truth, known, names, settings, judging)


class Judging(NamedTuple):
    """Data to tell displaced known classes from new ones: see `judge`."""

    events: Embeddings
    prototypes: Prototypes
    renderer: Renderer


def look_for(
    archive: Sample,
    truth: NDArray[np.object_],
    known: Known,
    names: Sequence[str],
    settings: DiscoverySettings,
    judging: Judging | None = None,
) -> tuple[Trial, ...]:
    """Search as `discover` does and compare the candidates with the held-out classes."""
    found = search(archive, known.background, settings, np.random.default_rng(settings.seed))
    judged = Judged.unrendered(found)
    if judging is not None:
        judged = judge(found, archive, known, *judging, settings)
    members, lost = (m > MEMBER for m in (judged.membership, judged.displaced))
    held = np.isin(truth.astype(str), names)
    displaced = int((lost[held].sum(axis=0) > MOSTLY * lost.sum(axis=0)).sum())
    inside = np.stack([members[truth == name].sum(axis=0) for name in names], axis=1)
    sizes = np.maximum(members.sum(axis=0), 1)
    false = int((inside.sum(axis=1) < MOSTLY * sizes).sum())
    trials = []
    for column, name in enumerate(names):
        count = int((truth == name).sum())
        best = int(inside[:, column].argmax()) if len(sizes) else None
        seen = 0 if best is None else int(inside[best, column])
        trials.append(
            Trial(
                name=name,
                held=tuple(names),
                members=count,
                purity=seen / int(sizes[best]) if best is not None else 0.0,
                completeness=seen / max(count, 1),
                p_value=float(told(judged.p_values)[best]) if seen else 1.0,
                candidates=len(sizes),
                false=false,
                displaced=displaced,
            )
        )
    return tuple(trials)


def look_for_injections(
    embeddings: Embeddings,
    injected: Embeddings,
    prototypes: Prototypes,
    settings: DiscoverySettings,
    populations: Sequence[int],
    *,
    renderer: Renderer | None = None,
    trials: int = 1,
    seconds: float = math.inf,
) -> Iterator[Trial]:
    """Search for growing numbers of injected events of one class in an archive.

    Args:
        embeddings: The archive.
        injected: Events of one class, as `inject` and `Renderer.render` make them: if it is
            known, it is taken from what is known.
        prototypes: Of all classes.
        settings: Of the search.
        populations: How many injections are added.
        renderer: Renders known classes where the archive is, as `discover` does.
        trials: Runs with other injections and other halves, for each number.
        seconds: Live time that the injections are spread over: two may fall into one bout.
    """
    if injected.label is None:
        raise InputError("the injected events have no label", expected="what `inject` returns")
    name = str(injected.label[0])
    taken = name in prototypes.names
    rest = without(prototypes, [name], seed=settings.seed) if taken else prototypes
    known = Known.of(rest, seed=settings.seed)
    embeddings, _ = leave_out_faint(embeddings, settings.min_snr)
    old, names, events = _usable(embeddings, name_events(embeddings), known)
    new, _, added = _usable(injected, injected.label, known)
    # Injected one by one: no two of them are one disturbance, nor part of what was there.
    single = len(embeddings) + np.arange(len(new.points))
    new = new._replace(episode=single, bout=single)
    other = np.flatnonzero(names != name)
    old, names, events = old.take(other), names[other], events.take(other)
    rng = np.random.default_rng(settings.seed)
    for population in (n for n in populations if n <= len(new.points)):
        for trial in range(trials):
            drawn = np.sort(rng.choice(len(new.points), population, replace=False))
            drawn = drawn[np.logical_not(added.snr[drawn] < np.float32(settings.min_snr))]
            part = Sample.join(old, _spread(new.take(drawn), seconds, rng))
            mixed = np.concatenate([names, np.full(len(drawn), name, object)])
            seeded = settings.model_copy(update={"seed": settings.seed + trial})
            judging = None
            if renderer is not None:
                both = Embeddings.join([events, added.take(drawn)])
                judging = Judging(both, rest, renderer)
            yield look_for(part, mixed, known, [name], seeded, judging)[0]


def _spread(new: Sample, seconds: float, rng: np.random.Generator) -> Sample:
    """Put events at random times; events of one window are one bout."""
    if not math.isfinite(seconds):
        return new
    windows = rng.integers(math.ceil(seconds / BOUT), size=len(new.points))
    return new._replace(bout=new.bout.min() + windows)


@dataclass(frozen=True, kw_only=True)
class NullRun:
    """A run on an archive without a new class.

    Attributes:
        candidates: All of them false.
        p_values: Of every component that was tested, uniform if they are right.
    """

    candidates: int
    p_values: NDArray[np.float64]


def null_runs(
    embeddings: Embeddings,
    truth: NDArray[np.object_],
    prototypes: Prototypes,
    settings: DiscoverySettings,
    rng: np.random.Generator,
    *,
    runs: int = 100,
    events: int = 2000,
) -> Iterator[NullRun]:
    """Runs on archives drawn from events of known classes outside the prototypes.

    No event occurs twice in one archive. Each archive has shares of the classes of its own:
    those of `truth`, each times a log-normal number.
    """
    known = Known.of(prototypes, seed=settings.seed)
    archive, truth, _ = _usable(embeddings, truth, known)
    allowed = np.isin(truth.astype(str), known.names)
    classes = np.unique(truth[allowed].astype(str), return_inverse=True)[1]
    rows = np.flatnonzero(allowed)
    for _ in range(runs):
        odds = np.exp(0.5 * rng.standard_normal(classes.max() + 1))[classes]
        drawn = rng.choice(rows, min(events, len(rows) // 2), replace=False, p=odds / odds.sum())
        part = archive.take(drawn)
        seed = settings.model_copy(update={"seed": int(rng.integers(2**31))})
        tested = find_and_count_often(part, known.background, seed, rng)
        most = settings.significance / max(number_of_tests(tested), 1)
        sure = max(int((one.p_values <= most).sum()) for one in tested)  # the same in another half
        uniform = [uniform_p_value(count, rng) for one in tested for count in one.counts]
        yield NullRun(candidates=sure, p_values=np.array(uniform))


def _usable(
    embeddings: Embeddings, truth: NDArray[np.object_], known: Known
) -> tuple[Sample, NDArray[np.object_], Embeddings]:
    """Events with a code: as a sample, their true classes, and their rows."""
    rows = np.flatnonzero(np.isfinite(embeddings.mean).all(axis=1))
    episode = episodes_of(embeddings)
    bout = bouts_of(embeddings, episode)
    sample = known.sample(embeddings.mean[rows], episode[rows], bout[rows])
    return sample, truth[rows], embeddings.take(rows)
