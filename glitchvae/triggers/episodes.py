"""Episodes: triggers of one detector that follow each other closely count as one.

A train of arches or a bad half-minute is many triggers with one cause. What is counted (rates,
expected counts) is episodes, and for p-values bouts of them (`bouts`), since counts assume causes
that are independent of each other; pictures and codes stay one for each trigger.

The rule, for the triggers of one detector in the order of their starts:

1. Chain: a trigger that begins less than `GAP` after the last of the earlier ones has ended is of
   their chain. `GAP` or more of quiet begins a new chain.
2. Cut: an episode lasts `LONGEST` at most. The first trigger of a chain that begins `LONGEST` or
   more after the first one of the episode began begins a new episode, and so on from there. A
   single trigger is never cut, however long it is.

Episodes are no column of any file: they depend on which triggers there are, and so on the
SNR threshold. They are derived from the rows that are asked about.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError

GAP = 0.5
"""Seconds of quiet between two episodes."""

LONGEST = 30.0
"""Largest time (s) between the starts of the first and the last trigger of an episode."""

BOUT = 64.0
"""Largest time (s) between the starts of the first and the last episode of a bout."""


def episodes(
    gps: NDArray[np.floating],
    duration: NDArray[np.floating],
    ifo: NDArray[np.object_],
    *,
    gap: float = GAP,
    longest: float = LONGEST,
) -> NDArray[np.int64]:
    """Number the episode of each trigger.

    The order of the rows makes no difference to which triggers are of one episode. A trigger
    without a time is an episode of its own; one without a duration is an instant.

    Args:
        gps: (N,) times in the middle of the triggers (s), NaN where unknown.
        duration: (N,) of the triggers (s): each extends from `gps - duration / 2` to
            `gps + duration / 2`; NaN where unknown.
        ifo: (N,) detectors.
        gap: Seconds of quiet that part two episodes.
        longest: Seconds after its start at which an episode ends.

    Returns:
        (N,) 0, 1, ... by detector and in the order of time; those without a time come last.

    Raises:
        InputError: columns of different lengths, a negative duration, or a `gap` or `longest`
            that is not above 0.
    """
    times = np.asarray(gps, dtype=np.float64)
    lasting = np.asarray(duration, dtype=np.float64)
    _check(times, lasting, ifo, gap, longest)
    half = np.where(np.isfinite(lasting), lasting, 0.0) / 2
    start, end = times - half, times + half
    detector = np.unique(np.asarray(ifo).astype(str), return_inverse=True)[1]
    order = np.lexsort((start, detector, ~np.isfinite(times)))  # NaN sorts last within its key
    begins = _begins(
        start[order], end[order], detector[order], np.isfinite(times[order]), gap, longest
    )
    numbers = np.empty(len(times), dtype=np.int64)
    numbers[order] = np.cumsum(begins) - 1
    return numbers


def bouts(
    gps: NDArray[np.floating], episode: NDArray[np.int64], ifo: NDArray[np.object_]
) -> NDArray[np.int64]:
    """Number the bout of each trigger: episodes of one detector that begin within `BOUT`.

    Episodes have causes of their own, but not independent ones: while the ground moves, scattered
    light makes an arch every few seconds, each of which is an episode. What asks whether two counts
    agree by chance counts bouts, which are also about what shares one estimate of the noise.

    Args:
        gps: (N,) times (s), NaN where unknown.
        episode: (N,) number of each trigger's episode; no episode is in two bouts.
        ifo: (N,) detectors.

    Returns:
        (N,) 0, 1, ... by detector and in the order of time; those without a time come last, each
        by itself.
    """
    first = np.full(int(episode.max(initial=-1)) + 1, np.inf)
    with np.errstate(invalid="ignore"):  # a time that is unknown stays so
        np.minimum.at(first, episode, gps)
    return episodes(first[episode], np.zeros(len(gps)), ifo, gap=BOUT, longest=BOUT)


def _begins(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    detector: NDArray[np.int64],
    timed: NDArray[np.bool_],
    gap: float,
    longest: float,
) -> NDArray[np.bool_]:
    """(N,) whether a trigger, in the order of detector and start, begins an episode."""
    begins = np.ones(len(start), dtype=bool)
    bounds = [*np.flatnonzero(np.diff(detector[timed], prepend=-1)), int(timed.sum())]
    for first, last in pairwise(bounds):
        own = slice(int(first), int(last))
        reached = np.maximum.accumulate(end[own])
        begins[own][1:] = start[own][1:] - reached[:-1] >= gap
        _cut(begins[own], start[own], longest)
    return begins


def _cut(begins: NDArray[np.bool_], start: NDArray[np.float64], longest: float) -> None:
    """Divide chains that are too long into several episodes, in place."""
    first = np.flatnonzero(begins)
    after = np.append(first[1:], len(start))
    # Where each trigger's episode would end, if it began one.
    ends = np.searchsorted(start, start + longest, side="left")
    for k in np.flatnonzero(ends[first] < after):
        at = ends[first[k]]
        while at < after[k]:
            begins[at] = True
            at = ends[at]


def _check(
    times: NDArray[np.float64],
    lasting: NDArray[np.float64],
    ifo: NDArray[np.object_],
    gap: float,
    longest: float,
) -> None:
    if not (times.ndim == 1 and times.shape == lasting.shape == np.shape(ifo)):
        raise InputError(
            "the columns have different lengths",
            where="episodes",
            expected="gps, duration and ifo (N,)",
            found=f"{times.shape}, {lasting.shape} and {np.shape(ifo)}",
        )
    negative = np.flatnonzero(lasting < 0)
    if len(negative):
        raise InputError(
            "a trigger has a negative duration",
            where=f"row {negative[0]}",
            expected="0 s or more",
            found=f"{lasting[negative[0]]:g} s",
        )
    if not (gap > 0 and longest > 0):
        raise InputError(
            "gap and length of episodes are not valid",
            expected="gap and longest above 0 s",
            found=f"{gap} and {longest}",
        )
