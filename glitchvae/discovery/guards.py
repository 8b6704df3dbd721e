"""Checks of a group of events before it is named a class.

A p-value says that a group is there. It does not say that the group is a class: a faulty file, one
bad half-minute or pictures without any contrast make groups, too. Each guard is a number and a
sentence; some speak against a class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.archive.live import Live
from glitchvae.embedding import Embeddings
from glitchvae.shapes import ENERGY_CEILING
from glitchvae.spectrogram import SpectrogramSet

Pictures = Callable[[Embeddings], SpectrogramSet]
"""Function that returns the images of some rows, NaN if there are none: `Archive.thumbnails`."""

SHORTEST = 60.0
"""Least time range (s) of the members of a class."""

BLOCK = 64.0
"""Length (s) of strain with one estimate of the noise, for events that do not state it."""

FEWEST_EPISODES = 5
"""Least number of episodes of a class; `min_events` if that is smaller."""

FILE = 4096.0
"""Longest stretch (s) that counts as one file."""

SHARED = 0.5
"""Share of episodes in common with a more significant candidate from which both are one."""

SATURATED = 0.2
"""Share of a picture at the top of the colour scale above which it has no shape. Medians of known
classes are 0 to 0.1, of seven simulated Extremely_Loud 0.16 (0.04 to 0.42); of a file whose strain
begins in the middle, 0.37."""

_TOP = ENERGY_CEILING - 0.1  # kept pictures have steps of 0.1
_LOOKED_AT = 40  # pictures of a candidate
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Result of one check.

    Attributes:
        name: Column of candidates.csv.
        value: A number or a few words, "unknown" where it could not be looked at.
        sentence: For people.
        verdict: Why it is no class, in a word or two; "" where nothing speaks against one.
    """

    name: str
    value: float | str
    sentence: str
    verdict: str = ""


Guards = tuple[Guard, ...]

NAMES = ("within_s", "blocks", "episodes", "stretches", "co_occurs", "ceiling", "named")
"""Names of the checks, in their order."""


def guard(
    embeddings: Embeddings,
    episode: NDArray[np.int64],
    groups: Sequence[NDArray[np.int64]],
    *,
    live: Live,
    pictures: Pictures | None,
    min_events: int,
) -> list[Guards]:
    """Run all checks on every candidate.

    Args:
        embeddings: N events.
        episode: (N,) number of each one's episode.
        groups: Rows of the members of each candidate, the surest candidate first.
        live: Stretches that were searched, by detector.
        pictures: Where the images of the events are; None where there are none.
        min_events: Fewest events of a candidate.
    """
    shared = _shared(embeddings.gps, episode, groups)
    return [
        (
            _within(embeddings.gps[rows]),
            _blocks(embeddings, rows),
            _episodes(episode[rows], min(FEWEST_EPISODES, min_events)),
            _stretches(embeddings, rows, live),
            _co_occurs(number, shared[number]),
            _ceiling(embeddings, rows, pictures),
            _named(embeddings.class_name[rows]),
        )
        for number, rows in enumerate(groups)
    ]


def verdict_of(guards: Guards, advice: str) -> str:
    """Verdict in a word or two: the first objection of a check, else the advice."""
    against = [one.verdict for one in guards if one.verdict]
    if against:
        return against[0]
    return advice.split(":")[0].split(" of ")[0].split(" with ")[0]


def heed(guards: Guards, advice: str, reason: str) -> tuple[str, str]:
    """Advice and reason, replaced by the objections of checks if there are any."""
    against = [one for one in guards if one.verdict]
    if not against:
        return advice, reason
    return f"doubtful: {against[0].verdict}", " ".join(one.sentence for one in against)


def _within(gps: NDArray[np.float64]) -> Guard:
    times = gps[np.isfinite(gps)]
    if len(times) < len(gps):
        return Guard(
            name="within_s", value=UNKNOWN, sentence="The times of some members are unknown."
        )
    span = float(np.ptp(times))
    if span >= SHORTEST:
        return Guard(
            name="within_s", value=round(span, 3), sentence=f"The members span {_time(span)}."
        )
    return Guard(
        name="within_s",
        value=round(span, 3),
        sentence=f"All {len(gps)} members lie within {span:.1f} s.",
        verdict="one disturbance",
    )


def _time(seconds: float) -> str:
    """A duration as text, in the largest unit that gives at least 2."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _blocks(embeddings: Embeddings, rows: NDArray[np.int64]) -> Guard:
    """Check: number of blocks of strain in which the members' images were whitened."""
    gps, ifo = embeddings.gps[rows], embeddings.ifo[rows]
    if not np.isfinite(gps).all():
        return Guard(
            name="blocks", value=UNKNOWN, sentence="How many blocks of noise there are is unknown."
        )
    lengths = embeddings.block_duration[rows]
    lengths = lengths[np.isfinite(lengths) & (lengths > 0)]
    length = float(np.median(lengths)) if len(lengths) else BLOCK
    count = sum(_windows(np.sort(gps[ifo == name]), length) for name in set(ifo))
    if count > 1:
        return Guard(
            name="blocks",
            value=count,
            sentence=f"The members lie in {count} blocks of noise of {length:g} s.",
        )
    return Guard(
        name="blocks",
        value=count,
        sentence=f"All {len(rows)} members lie in one block of noise of {length:g} s.",
        verdict="one block",
    )


def _windows(times: NDArray[np.float64], length: float) -> int:
    """Number of windows that cover all times (N,) in ascending order."""
    count = place = 0
    while place < len(times):
        place = int(np.searchsorted(times, times[place] + length, side="left"))
        count += 1
    return count


def _episodes(numbers: NDArray[np.int64], fewest: int) -> Guard:
    held = np.unique(numbers, return_counts=True)[1]
    count, largest = len(held), int(held.max())
    said = f"The {len(numbers)} members are {count} episode{'' if count == 1 else 's'}"
    said += f"; the largest holds {largest}" if 1 < largest < len(numbers) else ""
    if count >= fewest:
        return Guard(name="episodes", value=count, sentence=f"{said}.")
    return Guard(
        name="episodes",
        value=count,
        sentence=f"{said}; a class needs {fewest}.",
        verdict="few episodes",
    )


def _stretches(embeddings: Embeddings, rows: NDArray[np.int64], live: Live) -> Guard:
    """Check: number of stretches of live time with members; a faulty file has one."""
    gps, ifo = embeddings.gps[rows], embeddings.ifo[rows]
    names = sorted(set(ifo))
    if not np.isfinite(gps).all() or any(name not in live for name in names):
        return Guard(
            name="stretches",
            value=UNKNOWN,
            sentence="Live time is unknown, and so is how many of its stretches hold members.",
        )
    lengths = {
        (name, place): float(abs(one))
        for name in names
        for place, one in enumerate(live[name])
        if any(float(one[0]) <= time <= float(one[1]) for time in gps[ifo == name])
    }
    count, total = len(lengths), sum(len(live[name]) for name in names)
    searched = sum(float(abs(live[name])) for name in names)
    length = max(lengths.values(), default=0.0)
    if count == 1 and total > 1 and length <= min(FILE, searched / 2):
        return Guard(
            name="stretches",
            value=count,
            sentence=f"All members lie in one stretch of {_time(length)},"
            f" {100 * length / searched:.2g} % of the live time.",
            verdict="one file",
        )
    return Guard(
        name="stretches",
        value=count,
        sentence=f"{count} of {total} stretches of live time hold members.",
    )


def _shared(
    gps: NDArray[np.float64],
    episode: NDArray[np.int64],
    groups: Sequence[NDArray[np.int64]],
) -> list[Mapping[int, tuple[float, float]]]:
    """For each candidate: other candidates, share of common episodes, time apart (s)."""
    held = [np.unique(episode[rows]) for rows in groups]
    found: list[Mapping[int, tuple[float, float]]] = []
    for one, rows in enumerate(groups):
        both = {
            other: np.intersect1d(held[one], held[other])
            for other in range(len(groups))
            if other != one
        }
        found.append(
            {
                other: (
                    len(common) / len(held[one]),
                    max(
                        _apart(
                            gps[rows[episode[rows] == number]],
                            gps[groups[other][episode[groups[other]] == number]],
                        )
                        for number in common
                    ),
                )
                for other, common in both.items()
                if len(common)
            }
        )
    return found


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Smallest time difference (s) between two sets of times."""
    return float(np.abs(a[:, None] - b).min())


def _co_occurs(number: int, shared: Mapping[int, tuple[float, float]]) -> Guard:
    if not shared:
        return Guard(
            name="co_occurs", value="", sentence="It shares no episode with another candidate."
        )
    # The surest one that it is a part of, else the one with which it shares most.
    surer = [other for other in shared if other < number and shared[other][0] >= SHARED]
    other = min(surer) if surer else max(shared, key=lambda other: shared[other][0])
    share, apart = shared[other]
    told = f"candidate-{other + 1} within {apart:.1f} s: {100 * share:.0f} %"
    return Guard(
        name="co_occurs",
        value=told,
        sentence=f"It co-occurs with {told} of its episodes.",
        verdict="co-occurs" if surer else "",
    )


def _ceiling(embeddings: Embeddings, rows: NDArray[np.int64], pictures: Pictures | None) -> Guard:
    share = float("nan")
    if pictures is not None:
        looked = rows[np.unique(np.linspace(0, len(rows) - 1, _LOOKED_AT).astype(int))]
        share = ceiling(pictures(embeddings.take(looked)).images)
    if np.isnan(share):
        return Guard(
            name="ceiling",
            value=UNKNOWN,
            sentence="No pictures are kept, and whether they are saturated is unknown.",
        )
    return Guard(
        name="ceiling",
        value=round(share, 4),
        sentence=f"{100 * share:.2g} % of a typical picture lies at the top of the colour scale.",
        verdict="saturated" if share >= SATURATED else "",
    )


def ceiling(images: NDArray[np.floating]) -> float:
    """Median over images of the share of pixels at the top of the colour scale.

    Args:
        images: (N, 4, F, T) normalised energy, NaN where it was not computed.

    Returns:
        0 to 1, NaN where no image is there.
    """
    computed = np.isfinite(images).sum(axis=(1, 2, 3))
    there = computed > 0
    top = (images[there] >= _TOP).sum(axis=(1, 2, 3))
    return float(np.median(top / computed[there])) if there.any() else float("nan")


def _named(names: NDArray[np.object_]) -> Guard:
    counts = Counter(names[names != ""].tolist())
    if not counts:
        return Guard(name="named", value="", sentence="No member has a name.")
    ((name, count),) = counts.most_common(1)
    return Guard(
        name="named",
        value=f"{name} {100 * count / len(names):.0f} %",
        sentence=f"{count} of {len(names)} members are named {name}.",
    )
