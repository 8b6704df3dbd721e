"""The walk of the data: strain to triggers to images to codes, one batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from glitchvae.embedding.encode import encode_spectrograms
from glitchvae.embedding.job import Job
from glitchvae.embedding.record import Embeddings
from glitchvae.errors import InputError
from glitchvae.progress import Progress
from glitchvae.qtransform import Tiling
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet, make_spectrograms
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers, scan_source

BATCH_SIZE = 16
"""Events imaged and encoded together: what an interruption can cost, and the memory held."""

IMAGES_PER_BATCH = 64
"""Events encoded together where their images are there already."""

Walk = Iterator[tuple[Embeddings, SpectrogramSet]]
"""The rows of one batch and the images they were made from, batch by batch."""

_LOG = logging.getLogger(__name__)


def embed_strain(
    source: StrainSource,
    triggers: Triggers | None,
    job: Job,
    *,
    batch_size: int = BATCH_SIZE,
    choose: Callable[[Triggers], Triggers] = lambda batch: batch,
    progress: Progress | None = None,
) -> Walk:
    """Codes and images of the glitches in `source`, batch by batch in time order.

    Only one stretch of strain and one batch of images are held at a time, so memory
    does not grow with the length of the data.

    Args:
        source: Strain of one detector.
        triggers: The glitches to embed, or None to find them in the strain.
        job: How.
        batch_size: Events per batch.
        choose: Of each batch, the events that need work; it sees every event once.
        progress: Called with the seconds searched, or the number of triggers dealt with.

    Yields:
        The rows of one batch and the images they were made from.

    Raises:
        InputError: no trigger is of the source's detector.
    """
    for batch in trigger_batches(
        source, triggers, snr=job.snr, device=job.device, batch_size=batch_size, progress=progress
    ):
        for images in make_spectrograms(
            source, choose(batch), job.imaging, device=job.device, batch_size=batch_size
        ):
            yield _encode(images, job), images


def embed_images(
    spectrograms: SpectrogramSet,
    job: Job,
    *,
    choose: Callable[[SpectrogramSet], SpectrogramSet] = lambda batch: batch,
    progress: Progress | None = None,
) -> Walk:
    """Codes of images that are there already, batch by batch in their order.

    Args:
        spectrograms: The images.
        job: How; its imaging settings are not used.
        choose: Of each batch, the events that need work; it sees every event once.
        progress: Called with the number of events dealt with.

    Yields:
        The rows of one batch and its images.
    """
    for first in range(0, len(spectrograms), IMAGES_PER_BATCH):
        batch = spectrograms.take(slice(first, first + IMAGES_PER_BATCH))
        images = choose(batch)
        if len(images):
            yield _encode(images, job), images
        if progress is not None:
            progress(len(batch))


def _encode(images: SpectrogramSet, job: Job) -> Embeddings:
    return encode_spectrograms(
        images,
        job.checkpoint,
        device=job.device,
        uncertainty=job.uncertainty,
        configuration=job.configuration,
    )


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
        duration=imaging.min_block,
        sample_rate=min(source.sample_rate, imaging.sample_rate),
        qrange=imaging.qrange,
        frange=imaging.frange,
        mismatch=imaging.mismatch,
    )
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
