"""Jobs: the glitches of one input into the archive, but for those that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from glitchvae.archive.archive import Archive
from glitchvae.archive.layout import time_span
from glitchvae.archive.parts import rows_between
from glitchvae.embedding import (
    Embeddings,
    Job,
    embed_images,
    embed_strain,
    select_triggers,
)
from glitchvae.errors import GlitchvaeError
from glitchvae.progress import Progress
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.store import digest
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers

AnyEvents = TypeVar("AnyEvents", Triggers, SpectrogramSet)


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
        [*source.whole.segments.extent(), *(() if chosen is None else chosen.gps.tolist())]
    )
    origin = (job.checkpoint.digest, digest(job.imaging.model_dump(mode="json")))
    todo = _Todo(archive.known(source.ifo, start, end, *origin))
    with archive.writing({source.ifo: (start, end)}) as journal:
        for codes, images in embed_strain(source, chosen, job, choose=todo, progress=progress):
            journal.add(codes, images)
    rows = rows_between(archive.path, source.ifo, start, end, origin, todo.seen)
    return Filled(rows=rows, known=todo.known_before, problems=tuple(problems))


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
    todo = _Todo(archive.known(ifo, start, end, *origin))
    with archive.writing() as journal:
        for codes, images in embed_images(spectrograms, job, choose=todo, progress=progress):
            journal.add(codes, images)
    rows = rows_between(archive.path, ifo, start, end, origin, todo.seen)
    return Filled(rows=rows, known=todo.known_before)


@dataclass(frozen=True)
class _Todo:
    """Which events of a batch need work: an unusable one is tried again, perhaps with more data.

    Attributes:
        known: Events that are there, and whether with a code.
        seen: Every event that was asked about.
    """

    known: Mapping[str, bool]
    seen: set[str] = field(default_factory=set)

    def __call__(self, events: AnyEvents) -> AnyEvents:
        self.seen.update(events.event_id)
        wanted = [not self.known.get(event, False) for event in events.event_id]
        return events.take(np.array(wanted, dtype=bool))

    @property
    def known_before(self) -> int:
        """How many of the events seen were there."""
        return len(self.seen & self.known.keys())
