"""Codes of the glitches in strain: find, image and encode, one batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding.encode import encode_spectrograms
from glitchvae.embedding.record import Embeddings
from glitchvae.errors import InputError
from glitchvae.progress import Progress
from glitchvae.qtransform import Tiling
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet, make_spectrograms
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers, scan_source

BATCH_SIZE = 16
"""Events imaged and encoded together: what an interruption can cost, and the memory held."""

_LOG = logging.getLogger(__name__)


def embed_strain(
    source: StrainSource,
    triggers: Triggers | None,
    checkpoint: Checkpoint,
    imaging: ImagingSettings,
    *,
    snr: float = 7.5,
    device: str = "cpu",
    batch_size: int = BATCH_SIZE,
    done: Collection[str] = frozenset(),
    uncertainty: bool = False,
    configuration: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Embeddings, SpectrogramSet]]:
    """Codes and images of the glitches in `source`, batch by batch in time order.

    Only one stretch of strain and one batch of images are held at a time, so memory
    does not grow with the length of the data.

    Args:
        source: Strain of one detector.
        triggers: The glitches to embed, or None to find them in the strain.
        checkpoint: Model and prototypes.
        imaging: How strain becomes images.
        snr: Threshold of the search where `triggers` is None.
        device: Where images and codes are computed.
        batch_size: Events per batch.
        done: Identifiers of events that need no work.
        uncertainty: See `encode_spectrograms`.
        configuration: Options of the run, kept with the rows.
        progress: Called with the seconds searched, or the number of triggers dealt with.

    Yields:
        The rows of one batch and the images they were made from.

    Raises:
        InputError: no trigger is of the source's detector.
    """
    for batch in trigger_batches(
        source, triggers, snr=snr, device=device, batch_size=batch_size, progress=progress
    ):
        todo = batch.take(np.array([event not in done for event in batch.event_id], dtype=bool))
        yield from embed_triggers(
            source, todo, checkpoint, imaging, device=device, uncertainty=uncertainty,
            configuration=configuration,
        )  # fmt: skip


def embed_triggers(
    source: StrainSource,
    triggers: Triggers,
    checkpoint: Checkpoint,
    imaging: ImagingSettings,
    *,
    device: str = "cpu",
    batch_size: int = BATCH_SIZE,
    uncertainty: bool = False,
    configuration: dict[str, Any] | None = None,
) -> Iterator[tuple[Embeddings, SpectrogramSet]]:
    """Codes and images of triggers of the source's detector, batch by batch."""
    for images in make_spectrograms(
        source, triggers, imaging, device=device, batch_size=batch_size
    ):
        codes = encode_spectrograms(
            images, checkpoint, device=device, uncertainty=uncertainty, configuration=configuration
        )
        yield codes, images


def trigger_batches(
    source: StrainSource,
    triggers: Triggers | None,
    *,
    snr: float = 7.5,
    device: str = "cpu",
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Iterator[Triggers]:
    """The glitches to embed in full batches, found in the strain where none are given.

    Batches are cut from all triggers, done or not, so that a resumed run repeats the
    very batches that an uninterrupted one makes.

    Raises:
        InputError: no trigger is of the source's detector.
    """
    report = progress or (lambda _: None)
    if triggers is None:
        yield from _found(source, snr, device, batch_size, report)
        return
    chosen = select_triggers(triggers, source.ifo)
    for first in range(0, len(chosen), batch_size):
        batch = chosen.take(slice(first, first + batch_size))
        yield batch
        report(len(batch))


def select_triggers(triggers: Triggers, ifo: str) -> Triggers:
    """The triggers of one detector in time order; others are left out with a warning.

    Raises:
        InputError: there are triggers, but none of this detector.
    """
    chosen = triggers.of(ifo).sorted()
    if len(chosen) < len(triggers):
        others = ", ".join(f"{n} of {name}" for name, n in triggers.ifos.items() if name != ifo)
        _LOG.warning("triggers left out, as the strain is of %s: %s", ifo, others)
    if len(chosen) == 0:
        raise InputError("no triggers given", expected=f"at least one of {ifo}")
    return chosen


def usable_band(source: StrainSource, imaging: ImagingSettings) -> tuple[float, float]:
    """Frequencies in Hz that images of this strain can hold, given its sample rate."""
    tiling = Tiling(
        duration=imaging.min_block, sample_rate=min(source.sample_rate, imaging.sample_rate),
        qrange=imaging.qrange, frange=imaging.frange, mismatch=imaging.mismatch,
    )  # fmt: skip
    return tiling.band


def _found(
    source: StrainSource, snr: float, device: str, batch_size: int, report: Progress
) -> Iterator[Triggers]:
    waiting: list[Triggers] = []
    for cell, triggers in scan_source(source, snr=snr, device=device):
        waiting.append(triggers)
        while sum(map(len, waiting)) >= batch_size:
            joined = Triggers.join(waiting)
            yield joined.take(slice(0, batch_size))
            waiting = [joined.take(slice(batch_size, None))]
        report(round(cell[1] - cell[0]))
    if sum(map(len, waiting)):
        yield Triggers.join(waiting)
