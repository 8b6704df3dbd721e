"""Processing of strain in batches: triggers, images, codes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from igwn_segments import segmentlist

from glitchvae.embedding.job import Job
from glitchvae.embedding.record import Embeddings
from glitchvae.errors import InputError
from glitchvae.progress import Progress
from glitchvae.qtransform import usable_band as band_of
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet
from glitchvae.strain import StrainSource
from glitchvae.triggers import SearchedCell, Triggers, search_cells
from glitchvae.triggers.record import mark_bursts

BATCH_SIZE = 16
"""Number of events imaged and encoded together; at most these are lost by an interruption."""

IMAGES_PER_BATCH = 64
"""Number of existing images encoded together."""

Walk = Iterator[tuple[Embeddings, SpectrogramSet]]
"""Iterator over the rows of each batch and their images."""

_LOG = logging.getLogger(__name__)


def embed_strain(
    source: StrainSource,
    triggers: Triggers | None,
    job: Job,
    *,
    batch_size: int = BATCH_SIZE,
    choose: Callable[[Triggers], Triggers] = lambda batch: batch,
    cells: Iterable[SearchedCell] | None = None,
    finished: Callable[[Sequence[SearchedCell]], None] | None = None,
    progress: Progress | None = None,
) -> Walk:
    """Yield codes and images of the glitches in `source`, batch by batch in the order of time.

    Only one stretch of strain and one batch of images are held at a time, so memory
    does not grow with the length of the data.

    Args:
        source: Strain of one detector.
        triggers: The glitches to embed, or None to find them in the strain.
        job: How.
        batch_size: Events per batch.
        choose: Of each batch, the events that need work; it sees every event once.
        cells: What was found in the strain, cell by cell, in place of a search.
        finished: Told of cells all of whose events were yielded before, also of those
            without any.
        progress: Called with the seconds searched, or the number of triggers dealt with.

    Yields:
        The rows of one batch and the images they were made from.

    Raises:
        InputError: no trigger is of the source's detector.
    """
    report, told = progress or (lambda _: None), finished or (lambda _: None)
    if triggers is None:
        if cells is None:
            cells = search_cells(source, snr=job.snr, device=job.device)
        batches = _batches_of(cells, source.segments, batch_size, report)
    else:
        batches = ((batch, []) for batch in _batches(source, triggers, batch_size, report))
    for batch, done in batches:
        if len(chosen := choose(batch)):
            yield from _image_and_encode(source, chosen, job, batch_size)
        if done:
            told(done)


def _image_and_encode(source: StrainSource, triggers: Triggers, job: Job, batch_size: int) -> Walk:
    from glitchvae.spectrogram import make_spectrograms  # imports torch

    for images in make_spectrograms(
        source, triggers, job.imaging, device=job.device, batch_size=batch_size
    ):
        yield _encode(images, job), images


def embed_images(
    spectrograms: SpectrogramSet,
    job: Job,
    *,
    choose: Callable[[SpectrogramSet], SpectrogramSet] = lambda batch: batch,
    progress: Progress | None = None,
) -> Walk:
    """Yield codes of existing images, batch by batch in their order.

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
    from glitchvae.embedding.encode import encode_spectrograms  # imports torch

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
    """Full batches of triggers, which are searched for if none are given.

    Batches are cut from all triggers, done or not, so that a resumed run repeats the
    very batches that an uninterrupted one makes.

    Raises:
        InputError: no trigger is of the source's detector.
    """
    report = progress or (lambda _: None)
    if triggers is not None:
        yield from _batches(source, triggers, batch_size, report)
        return
    cells = search_cells(source, snr=snr, device=device)
    found = _batches_of(cells, source.segments, batch_size, report)
    yield from (batch for batch, _ in found if len(batch))


def _batches(
    source: StrainSource, triggers: Triggers, batch_size: int, report: Progress
) -> Iterator[Triggers]:
    """Full batches of given triggers."""
    chosen = select_triggers(triggers, source.ifo)
    for first in range(0, len(chosen), batch_size):
        batch = chosen.take(slice(first, first + batch_size))
        yield batch
        report(len(batch))


def select_triggers(triggers: Triggers, ifo: str) -> Triggers:
    """The triggers of one detector in the order of time; a warning for the others.

    Raises:
        InputError: there are triggers, but none of this detector.
    """
    chosen = triggers.of(ifo).sorted()
    if len(chosen) < len(triggers):
        others = ", ".join(f"{n} of {name}" for name, n in triggers.ifos.items() if name != ifo)
        _LOG.warning("triggers left out, as the strain is of %s: %s", ifo, others)
    if len(chosen) == 0:
        raise InputError("no triggers given", expected=f"at least one of {ifo}")
    return mark_bursts(chosen)


def usable_band(source: StrainSource, imaging: ImagingSettings) -> tuple[float, float]:
    """Frequency range (Hz) of images of this strain at its sample rate."""
    return band_of(
        min(source.sample_rate, imaging.sample_rate),
        qrange=imaging.qrange,
        frange=imaging.frange,
        mismatch=imaging.mismatch,
    )


def _batches_of(
    cells: Iterable[SearchedCell], segments: segmentlist, batch_size: int, report: Progress
) -> Iterator[tuple[Triggers, list[SearchedCell]]]:
    """Full batches of triggers, each with the cells that are finished after it."""
    waiting: list[Triggers] = []
    open_cells: list[SearchedCell] = []
    for cell in cells:
        waiting.append(cell.triggers)
        open_cells.append(cell)
        while sum(map(len, waiting)) >= batch_size:
            joined = Triggers.join(waiting)
            waiting = [joined.take(slice(batch_size, None))]
            # The rest is of this cell; where there is none, the cell is done, too.
            done = open_cells if not len(waiting[0]) else open_cells[:-1]
            open_cells = open_cells[len(done) :]
            yield joined.take(slice(0, batch_size)), done
        if not sum(map(len, waiting)):
            yield cell.triggers.take(slice(0, 0)), open_cells
            waiting, open_cells = [], []
        report(round(abs(segments & segmentlist([cell.span]))))  # cells reach beyond the strain
    if open_cells:
        yield Triggers.join(waiting), open_cells
