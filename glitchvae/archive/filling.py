"""Jobs: the glitches of one input into the archive, but for those that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.archive.archive import Archive
from glitchvae.archive.layout import time_span
from glitchvae.archive.parts import rows_between
from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding import (
    Embeddings,
    embed_triggers,
    encode_spectrograms,
    select_triggers,
    trigger_batches,
)
from glitchvae.errors import GlitchvaeError
from glitchvae.progress import Progress
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet
from glitchvae.store import digest
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers

_IMAGES_PER_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Job:
    """How inputs are turned into codes.

    Attributes:
        checkpoint: Model and prototypes.
        imaging: How strain becomes images.
        snr: Threshold where glitches are searched for.
        device: Where to compute.
        uncertainty: Whether rows say how their codes change with small changes.
        configuration: The options of the run, kept with the rows.
    """

    checkpoint: Checkpoint
    imaging: ImagingSettings
    snr: float = 7.5
    device: str = "cpu"
    uncertainty: bool = True
    configuration: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What the archive holds of one input after a job.

    Attributes:
        rows: Every glitch of the input, None where there is none.
        known: How many of them were there before.
        problems: Errors of files that could not be read to their end.
    """

    rows: Embeddings | None
    known: int
    problems: tuple[GlitchvaeError, ...] = ()


def fill_from_strain(
    archive: Archive,
    source: StrainSource,
    triggers: Triggers | None,
    job: Job,
    *,
    progress: Progress | None = None,
) -> Filled:
    """Find, image, encode and store the glitches of strain; what is done is skipped.

    A file that cannot be read, or that is gone, is a gap in the strain from then on.

    Raises:
        InputError: no trigger is of the source's detector.
        StorageError: the disk refused a write; finished batches are kept.
    """
    problems: list[GlitchvaeError] = []
    source = source.with_gaps(problems.append)
    chosen = None if triggers is None else select_triggers(triggers, source.ifo)
    start, end = time_span(
        [*source.segments.extent(), *(() if chosen is None else chosen.gps.tolist())]
    )
    origin = (job.checkpoint.digest, digest(job.imaging.model_dump(mode="json")))
    known = archive.known(source.ifo, start, end, *origin)
    seen: set[str] = set()
    with archive.writing({source.ifo: (start, end)}) as journal:
        for batch in trigger_batches(
            source, chosen, snr=job.snr, device=job.device, progress=progress
        ):
            seen.update(batch.event_id)
            todo = batch.take(_without_code(known, batch))
            for codes, images in embed_triggers(
                source, todo, job.checkpoint, job.imaging, device=job.device,
                uncertainty=job.uncertainty, configuration=job.configuration,
            ):  # fmt: skip
                journal.add(codes, images)
    rows = rows_between(archive.path, source.ifo, start, end, origin, seen)
    return Filled(rows=rows, known=len(seen & known.keys()), problems=tuple(problems))


def fill_from_images(
    archive: Archive,
    spectrograms: SpectrogramSet,
    job: Job,
    *,
    progress: Progress | None = None,
) -> Filled:
    """Encode and store images; those that are there already are skipped.

    Raises:
        StorageError: the disk refused a write; finished batches are kept.
    """
    filled = [
        _fill_detector(archive, spectrograms.take(spectrograms.ifo == ifo), job, progress)
        for ifo in dict.fromkeys(spectrograms.ifo)
    ]
    rows = [part.rows for part in filled if part.rows is not None]
    return Filled(
        rows=Embeddings.join(rows) if rows else None, known=sum(part.known for part in filled)
    )


def _fill_detector(
    archive: Archive, spectrograms: SpectrogramSet, job: Job, progress: Progress | None
) -> Filled:
    """Images of one detector."""
    ifo, (start, end) = spectrograms.ifo[0], time_span(spectrograms.gps)
    origin = (job.checkpoint.digest, digest(spectrograms.imaging))
    known = archive.known(ifo, start, end, *origin)
    with archive.writing() as journal:
        for first in range(0, len(spectrograms), _IMAGES_PER_BATCH):
            batch = spectrograms.take(slice(first, first + _IMAGES_PER_BATCH))
            todo = batch.take(_without_code(known, batch))
            codes = encode_spectrograms(
                todo, job.checkpoint, device=job.device, uncertainty=job.uncertainty,
                configuration=job.configuration,
            )  # fmt: skip
            journal.add(codes, todo)
            if progress is not None:
                progress(len(batch))
    seen = set(spectrograms.event_id)
    rows = rows_between(archive.path, ifo, start, end, origin, seen)
    return Filled(rows=rows, known=len(seen & known.keys()))


def _without_code(
    known: Mapping[str, bool], events: Triggers | SpectrogramSet
) -> NDArray[np.bool_]:
    """(N,) the events to embed: an unusable one is tried again, perhaps with more data."""
    return np.array([not known.get(event, False) for event in events.event_id], dtype=bool)
