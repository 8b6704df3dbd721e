"""What a run will take, from a short trial on the data themselves."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding.encode import encode_spectrograms
from glitchvae.embedding.streaming import BATCH_SIZE, select_triggers
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet, make_spectrograms
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers, at_times, find_triggers

ASSUMED_RATE = 1 / 60
"""Glitches per second counted on where they are yet to be found: one a minute (O3: 0.3 to 1.2)."""

_TRIAL = 66.0  # seconds searched in the trial: the block of one cell of the search


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will take.

    Attributes:
        seconds: Length of strain.
        triggers: How many glitches, None where they are yet to be found.
        estimated_seconds: Wall clock, scaled from the trial.
        memory: Peak resident memory in bytes; it does not grow with the data.
    """

    seconds: float
    triggers: int | None
    estimated_seconds: float
    memory: int

    def __add__(self, other: Plan) -> Plan:
        """Both, one after the other."""
        unknown = self.triggers is None or other.triggers is None
        return Plan(
            seconds=self.seconds + other.seconds,
            triggers=None if unknown else (self.triggers or 0) + (other.triggers or 0),
            estimated_seconds=self.estimated_seconds + other.estimated_seconds,
            memory=max(self.memory, other.memory),
        )

    def __str__(self) -> str:
        """One line for people."""
        known = self.triggers is not None
        plural = "" if self.triggers == 1 else "es"
        triggers = f"{self.triggers:,} glitch{plural}" if known else "glitches to be found"
        strain = f"{self.seconds:,.0f} s of strain, " if self.seconds else ""
        basis = "" if known else f", at {60 * ASSUMED_RATE:g} glitch a minute"
        return (
            f"{strain}{triggers}: about"
            f" {_spell(self.estimated_seconds)} and {self.memory / 2**30:.1f} GiB"
            f" (from a short trial on these data{basis})"
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
) -> Plan:
    """What `embed_strain` will take with the same arguments.

    One block is searched and one batch imaged and encoded, in the middle of the longest
    stretch of the data; time scales with the seconds and the number of triggers, memory
    with neither, so that its peak in the trial is its peak in the run.

    Raises:
        InputError: no trigger is of the source's detector.
    """
    seconds = float(abs(source.segments))
    if triggers is None:
        chosen = None
        search = _search_speed(source, snr, device) * seconds
        expected = seconds * ASSUMED_RATE
    else:
        chosen = select_triggers(triggers, source.ifo)
        search, expected = 0.0, float(len(chosen))
    per_event = _imaging_speed(
        source, chosen, checkpoint, imaging, device=device, uncertainty=uncertainty
    )
    return Plan(
        seconds=seconds,
        triggers=None if chosen is None else len(chosen),
        estimated_seconds=search + per_event * expected,
        memory=peak_memory(),
    )


def plan_encoding(
    spectrograms: SpectrogramSet,
    checkpoint: Checkpoint,
    *,
    device: str,
    uncertainty: bool = False,
) -> Plan:
    """What encoding a set of images will take, from one batch of them."""
    trial = spectrograms.take(slice(0, BATCH_SIZE))
    elapsed = _elapsed(
        encode_spectrograms, trial, checkpoint, device=device, uncertainty=uncertainty
    )
    return Plan(
        seconds=0.0,
        triggers=len(spectrograms),
        estimated_seconds=elapsed * len(spectrograms) / max(len(trial), 1),
        memory=peak_memory(),
    )


def peak_memory() -> int:
    """Peak resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _search_speed(source: StrainSource, snr: float, device: str) -> float:
    """Seconds of work per second of strain."""
    start, end = _middle(source, _TRIAL)
    strain = source.read(start, end)
    return _elapsed(find_triggers, strain, snr=snr, device=device) / (end - start)


def _imaging_speed(
    source: StrainSource,
    triggers: Triggers | None,
    checkpoint: Checkpoint,
    imaging: ImagingSettings,
    *,
    device: str,
    uncertainty: bool,
) -> float:
    """Seconds of work per event; the second of two runs, as the first one fills caches."""
    if triggers is None:
        start, end = _middle(source, _TRIAL)
        triggers = at_times(np.linspace(start, end, BATCH_SIZE + 2)[1:-1], source.ifo)
    trial = triggers.take(slice(0, BATCH_SIZE))

    def image_and_encode() -> None:
        for images in make_spectrograms(source, trial, imaging, device=device):
            encode_spectrograms(images, checkpoint, device=device, uncertainty=uncertainty)

    image_and_encode()
    return _elapsed(image_and_encode) / len(trial)


def _middle(source: StrainSource, length: float) -> tuple[float, float]:
    """At most `length` seconds in the middle of the longest stretch."""
    start, end = max(source.segments, key=abs)
    spare = max(end - start - length, 0) / 2
    return float(start + spare), float(end - spare)


def _elapsed(function: Callable[..., Any], *args: Any, **options: Any) -> float:
    begin = time.perf_counter()
    function(*args, **options)
    return time.perf_counter() - begin


def _spell(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
