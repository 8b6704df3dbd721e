"""Codes of the glitches in strain: find, image and encode, one stretch at a time."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding.encode import encode_spectrograms
from glitchvae.embedding.record import Embeddings
from glitchvae.errors import InputError
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet, make_spectrograms
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers, stream_triggers

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
    configuration: dict[str, Any] | None = None,
) -> Iterator[tuple[Embeddings, SpectrogramSet]]:
    """Codes and images of the glitches in `source`, batch by batch in time order.

    Only one stretch of strain and one batch of images are held at a time, so memory
    does not grow with the length of the data. Batches are cut the same way whatever
    is in `done`: a resumed run repeats the very batches that an uninterrupted one makes.

    Args:
        source: Strain of one detector.
        triggers: The glitches to embed, or None to find them in the strain.
        checkpoint: Model and prototypes.
        imaging: How strain becomes images.
        snr: Threshold of the search where `triggers` is None.
        device: Where images and codes are computed.
        batch_size: Events per batch.
        done: Identifiers of events that need no work.
        configuration: Options of the run, kept with the rows.

    Yields:
        The rows of one batch and the images they were made from.

    Raises:
        InputError: no trigger is of the source's detector.
    """
    for found in _stretches(source, triggers, snr, device):
        for batch in _batches(found, batch_size):
            todo = batch.take(np.array([event not in done for event in batch.event_id], bool))
            if len(todo) == 0:
                continue
            for images in make_spectrograms(
                source, todo, imaging, device=device, batch_size=batch_size
            ):
                codes = encode_spectrograms(
                    images, checkpoint, device=device, configuration=configuration
                )
                yield codes, images


def select_triggers(triggers: Triggers, ifo: str) -> Triggers:
    """The triggers of one detector in time order; others are left out with a warning.

    Raises:
        InputError: there are triggers, but none of this detector.
    """
    mine = triggers.ifo == ifo
    others = sorted(set(triggers.ifo[~mine]))
    if others and not mine.any():
        raise InputError(
            "no trigger is of the strain's detector", expected=ifo, found=", ".join(others),
            remedy=f"Give strain of {' or '.join(others)}, or triggers of {ifo}.",
        )  # fmt: skip
    if others:
        _LOG.warning(
            "%d of %d triggers left out: they are of %s, the strain is of %s",
            (~mine).sum(), len(mine), ", ".join(others), ifo,
        )  # fmt: skip
    chosen = triggers.take(mine)
    return chosen.take(np.argsort(chosen.gps, kind="stable"))


def _stretches(
    source: StrainSource, triggers: Triggers | None, snr: float, device: str
) -> Iterator[Triggers]:
    if triggers is None:
        return stream_triggers(source, snr=snr, device=device)
    return iter([select_triggers(triggers, source.ifo)])


def _batches(triggers: Triggers, size: int) -> Iterator[Triggers]:
    for first in range(0, len(triggers), size):
        yield triggers.take(slice(first, first + size))
