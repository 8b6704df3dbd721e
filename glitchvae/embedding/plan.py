"""Estimate of time and memory of a run, from a short trial on the data themselves."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from igwn_segments import segment, segmentlist

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding.streaming import BATCH_SIZE, select_triggers
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers, search_cells
from glitchvae.triggers.finding import CELL
from glitchvae.triggers.record import triggers_from

ASSUMED_RATE = 1 / 60
"""Assumed glitches per second before any search: one a minute (O3: 0.3 to 1.2)."""

_PLACES = 3  # spread over the data, as glitches come in spells
_MINUTES = 2  # searched at each of them


@dataclass(frozen=True, kw_only=True)
class Left:
    """Work left on strain that an archive knows in part.

    Attributes:
        time: Yet to be searched.
        waiting: Glitches that were found before and have no code; None: none.
        known: How many have one.
    """

    time: segmentlist
    waiting: Triggers | None = None
    known: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Estimated time and memory of a run.

    Attributes:
        seconds: Length of strain.
        triggers: How many glitches, None where they are yet to be found.
        expected: How many glitches are counted on.
        estimated_seconds: Wall clock, scaled from the trial.
        memory: Peak resident memory in bytes; it does not grow with the data.
        known: How many glitches more are done already.
    """

    seconds: float
    triggers: int | None
    expected: float
    estimated_seconds: float
    memory: int
    known: int = 0

    def __add__(self, other: Plan) -> Plan:
        """Add the estimates of two runs that follow each other."""
        unknown = self.triggers is None or other.triggers is None
        return Plan(
            seconds=self.seconds + other.seconds,
            triggers=None if unknown else (self.triggers or 0) + (other.triggers or 0),
            expected=self.expected + other.expected,
            estimated_seconds=self.estimated_seconds + other.estimated_seconds,
            memory=max(self.memory, other.memory),
            known=self.known + other.known,
        )

    def __str__(self) -> str:
        """The estimate in one line."""
        plural = "" if self.triggers == 1 else "es"
        triggers = (
            f"glitches to be found (about {self.expected:,.0f})"
            if self.triggers is None
            else f"{self.triggers:,} glitch{plural}"
        )
        if self.known:
            triggers += f", {self.known:,} known before"
        strain = f"{self.seconds:,.0f} s of strain, " if self.seconds else ""
        return (
            f"{strain}{triggers}: about"
            f" {_spell(self.estimated_seconds)} and {self.memory / 2**30:.1f} GiB"
            " (from a short trial on these data)"
        )


def plan_embedding(
    source: StrainSource,
    triggers: Triggers | None,
    checkpoint: Checkpoint,
    imaging: ImagingSettings,
    *,
    snr: float = 7.5,
    device: str = "cpu",
    uncertainty: bool = False,
    left: Left | None = None,
) -> Plan:
    """Estimate the cost of `embed_strain` with the same arguments.

    Some minutes, spread over the data, are searched; of the glitches in them one batch is
    imaged and encoded. Time scales with the seconds and with the number of glitches, for
    which the minutes searched give the rate; memory scales with neither, so that its peak
    in the trial is its peak in the run.

    `left` tells what an archive knows already, where nothing else is to be done.

    Raises:
        InputError: no trigger is of the source's detector.
    """
    seconds = float(abs(source.segments))
    search, waiting = 0.0, 0
    if left is not None:
        seconds, waiting = float(abs(left.time)), len(left.waiting or ())
        if not left.time:
            triggers = left.waiting
    if left is not None and not left.time and not waiting:
        return Plan(
            seconds=0.0,
            triggers=0,
            expected=0.0,
            estimated_seconds=0.0,
            memory=peak_memory(),
            known=left.known,
        )
    if triggers is None:
        within = source.segments if left is None else left.time
        trial, rate, speed = _search_trial(source, within, snr, device)
        search, expected = speed * seconds, rate * seconds + waiting
    else:
        trial = select_triggers(triggers, source.ifo)
        expected = float(len(trial))
    start, per_event = _imaging_trial(
        source, trial, checkpoint, imaging, device=device, uncertainty=uncertainty
    )
    return Plan(
        seconds=seconds,
        triggers=None if triggers is None else len(trial),
        expected=expected,
        estimated_seconds=search + start + per_event * expected,
        memory=peak_memory(),
        known=0 if left is None else left.known,
    )


def plan_encoding(
    spectrograms: SpectrogramSet,
    checkpoint: Checkpoint,
    *,
    total: int,
    device: str,
    uncertainty: bool = False,
) -> Plan:
    """Estimate the cost of encoding a set of images, from one batch of them.

    Args:
        spectrograms: The first events of the set.
        checkpoint: The model.
        total: Number of events of the set.
        device: Where to compute.
        uncertainty: Whether codes are given with their small changes.
    """
    from glitchvae.embedding.encode import encode_spectrograms

    trial = spectrograms.take(slice(0, BATCH_SIZE))
    elapsed = _elapsed(
        encode_spectrograms, trial, checkpoint, device=device, uncertainty=uncertainty
    )
    return Plan(
        seconds=0.0,
        triggers=total,
        expected=float(total),
        estimated_seconds=elapsed * total / max(len(trial), 1),
        memory=peak_memory(),
    )


def peak_memory() -> int:
    """Peak resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _search_trial(
    source: StrainSource, left: segmentlist, snr: float, device: str
) -> tuple[Triggers, float, float]:
    """Triggers of a few minutes, their rate (1/s), and seconds of work per second of strain."""
    within = trial_places(left)
    begin = time.perf_counter()
    found = [cell.triggers for cell in search_cells(source, snr=snr, within=within, device=device)]
    elapsed = time.perf_counter() - begin
    triggers = Triggers.join(found)
    # The neighbours of a cell are transformed for its sake; in a whole run each is only once.
    reach = segmentlist([segment(a - CELL, b + CELL) for a, b in within]).coalesce()
    searched, transformed = (float(abs(source.segments & times)) for times in (within, reach))
    if searched < float(abs(left)):
        # A minute of what is usual beside what was seen: few minutes may hold no glitch at all.
        rate = (len(triggers) + CELL * ASSUMED_RATE) / (searched + CELL)
    else:
        rate = len(triggers) / searched
    return triggers, rate, elapsed / transformed


def trial_places(segments: segmentlist) -> segmentlist:
    """Segments of the trial: whole cells in the middle of equal shares of the data."""
    total, places = float(abs(segments)), segmentlist()
    if total <= _PLACES * _MINUTES * CELL:
        return segments
    for number in range(_PLACES):
        middle = time_after(segments, total * (number + 0.5) / _PLACES)
        first = math.floor(middle / CELL) * CELL
        places.append(segment(first, first + _MINUTES * CELL))
    return places.coalesce()


def time_after(segments: segmentlist, seconds: float) -> float:
    """GPS time at which the segments have passed a number of seconds."""
    for start, end in segments:
        if seconds <= end - start:
            return float(start + seconds)
        seconds -= float(end - start)
    return float(segments[-1][1])


def _imaging_trial(
    source: StrainSource,
    triggers: Triggers,
    checkpoint: Checkpoint,
    imaging: ImagingSettings,
    *,
    device: str,
    uncertainty: bool,
) -> tuple[float, float]:
    """Seconds of work before the first event and for each event; measured in a second run."""
    from glitchvae.embedding.encode import encode_spectrograms
    from glitchvae.spectrogram import make_spectrograms

    if len(triggers) == 0:
        start, end = max(source.segments, key=abs)
        times = np.linspace(float(start), float(end), BATCH_SIZE + 2)[1:-1]
        triggers = triggers_from({"gps": times, "ifo": [source.ifo] * len(times)})
    trial = triggers.take(slice(0, BATCH_SIZE))

    def image_and_encode() -> None:
        for images in make_spectrograms(source, trial, imaging, device=device):
            encode_spectrograms(images, checkpoint, device=device, uncertainty=uncertainty)

    first, second = _elapsed(image_and_encode), _elapsed(image_and_encode)
    return max(first - second, 0.0), second / len(trial)


def _elapsed(function: Callable[..., Any], *args: Any, **options: Any) -> float:
    begin = time.perf_counter()
    function(*args, **options)
    return time.perf_counter() - begin


def _spell(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
