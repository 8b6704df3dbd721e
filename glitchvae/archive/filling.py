"""Jobs that add the glitches of one input to an archive, except those already stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from igwn_segments import segmentlist

from glitchvae.archive.archive import Archive
from glitchvae.archive.coverage import survey
from glitchvae.archive.layout import time_span
from glitchvae.archive.ledger import Search, joined
from glitchvae.archive.notes import Notes, given_search, note_given
from glitchvae.archive.parts import rows_between
from glitchvae.embedding import (
    Embeddings,
    Job,
    Left,
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
    """Content of the archive for one input after a job.

    Attributes:
        rows: Every glitch of the input, None where there is none.
        known: How many of them were there before.
        problems: Errors of files that could not be read to their end.
        coverage: What is known now to have been searched of the input; None for images,
            and for triggers without segments.
    """

    rows: Embeddings | None
    known: int
    problems: tuple[GlitchvaeError, ...] = ()
    coverage: Covered | None = None


@dataclass(frozen=True, kw_only=True)
class Covered:
    """Searched time of one input, in this job or before.

    Attributes:
        ifo: Detector.
        snr: Threshold.
        covered: Good samples.
        searched: Where triggers were looked for.
    """

    ifo: str
    snr: float
    covered: segmentlist
    searched: segmentlist


def fill_from_strain(
    archive: Archive,
    source: StrainSource,
    triggers: Triggers | None,
    job: Job,
    *,
    within: segmentlist | None = None,
    progress: Progress | None = None,
) -> Filled:
    """Find, image, encode and store the glitches of strain; finished work is skipped.

    Strain that was searched before is not searched again: its triggers come from the ledger.
    The ledger is told of the rest. Triggers that are given are a search of the segments that
    limit the source (`--segments`), and of nothing where there are none.

    A file that cannot be read, or that is gone, is a gap in the strain from then on.

    Args:
        archive: Where to.
        source: Strain of one detector.
        triggers: Glitches that are given; None: they are searched for.
        job: How.
        within: Search this time alone, whose ends are whole cells of the search; the rest of the
            source is context, so that pieces give what the whole gives.
        progress: Told of seconds that were searched, or of glitches that were given.

    Raises:
        InputError: no trigger is of the source's detector.
        StorageError: the disk refused a write; finished batches are kept.
    """
    problems: list[GlitchvaeError] = []
    archive.keep_model(job.checkpoint)
    source = source.with_gaps(problems.append)
    if triggers is None:
        filled = _fill_searched(archive, source, job, problems, within, progress)
    else:
        filled = _fill_given(archive, source, triggers, job, progress)
    return dataclasses.replace(filled, problems=tuple(problems))


def _fill_searched(
    archive: Archive,
    source: StrainSource,
    job: Job,
    problems: list[GlitchvaeError],
    within: segmentlist | None,
    progress: Progress | None,
) -> Filled:
    """Search strain and store the glitches; stored results of earlier searches are reused."""
    if not (source.segments if within is None else source.segments & within):
        return Filled(rows=None, known=0)
    ledger, origin = archive.ledger(), _origin_of(job)
    coverage = survey(source, ledger, job.snr, problems.append, within=within)
    start, end = time_span(coverage.region.extent())
    todo = _Todo(archive.known(source.ifo, start, end, *origin))
    with archive.writing({source.ifo: (start, end)}) as journal:
        notes = Notes(journal, coverage, ledger, origin, problems)
        for codes, images in embed_strain(
            coverage.source,
            None,
            job,
            choose=todo,
            cells=coverage.cells(device=job.device),
            finished=lambda cells: notes.add(cells, todo.coded),
            progress=progress,
        ):
            journal.add(codes, images)
            todo.done(codes)
    rows = rows_between(archive.path, source.ifo, start, end, origin, todo.seen)
    own = joined(coverage.own, coverage.todo)
    rows = _within(rows, own)
    seen = {e for e, gps in todo.times.items() if gps in own}
    return Filled(
        rows=rows,
        known=len(seen & todo.known.keys()),
        coverage=_covered(archive, coverage.search, own),
    )


def left_to_do(archive: Archive, source: StrainSource, job: Job) -> Left:
    """Time of a source left to search, and known glitches with and without a code."""
    coverage = survey(source.with_gaps(lambda _: None), archive.ledger(), job.snr, lambda _: None)
    found = coverage.triggers
    if found is None:
        return Left(time=coverage.todo)
    start, end = time_span(coverage.region.extent())
    todo = _Todo(archive.known(source.ifo, start, end, *_origin_of(job)))
    return Left(
        time=coverage.todo,
        waiting=todo(found),
        known=sum(todo.coded(event) for event in found.event_id),
    )


def _fill_given(
    archive: Archive,
    source: StrainSource,
    triggers: Triggers,
    job: Job,
    progress: Progress | None,
) -> Filled:
    """Image, encode and store triggers of another search."""
    chosen, origin = select_triggers(triggers, source.ifo), _origin_of(job)
    start, end = time_span([*source.whole.segments.extent(), *chosen.gps.tolist()])
    todo = _Todo(archive.known(source.ifo, start, end, *origin))
    told = given_search(source, triggers, job.configuration)
    with archive.writing({source.ifo: (start, end)}) as journal:
        for codes, images in embed_strain(source, chosen, job, choose=todo, progress=progress):
            journal.add(codes, images)
            todo.done(codes)
        if told is not None:
            note_given(journal, source, chosen, told, origin, todo.coded)
    return Filled(
        rows=rows_between(archive.path, source.ifo, start, end, origin, todo.seen),
        known=todo.known_before,
        coverage=None if told is None else _covered(archive, told, joined(source.segments)),
    )


def _origin_of(job: Job) -> tuple[str, str]:
    return job.checkpoint.digest, digest(job.imaging.model_dump(mode="json"))


def _within(rows: Embeddings | None, time: segmentlist) -> Embeddings | None:
    """Rows within some time; None if there are none."""
    if rows is None:
        return None
    rows = rows.take(np.array([gps in time for gps in rows.gps], dtype=bool))
    return rows if len(rows) else None


def _covered(archive: Archive, search: Search, time: segmentlist) -> Covered:
    """Covered and searched time of some stretch according to the ledger."""
    (start, end), ledger = time_span(time.extent() if time else ()), archive.ledger()
    files = ledger.files(search, start, end)
    return Covered(
        ifo=search.ifo,
        snr=search.snr,
        covered=joined(*(file.covered for file in files)) & time,
        searched=joined(*(file.searched for file in files)) & time,
    )


def fill_from_images(
    archive: Archive,
    spectrograms: SpectrogramSet | Iterable[SpectrogramSet],
    job: Job,
    *,
    progress: Progress | None = None,
) -> Filled:
    """Encode and store images; those already stored are skipped.

    Args:
        archive: Where they go.
        spectrograms: A set, or its parts one by one, of which one at a time is held.
        job: How they are encoded.
        progress: Called with the number of events dealt with.

    Raises:
        StorageError: the disk refused a write; finished batches are kept.
    """
    archive.keep_model(job.checkpoint)
    parts = [spectrograms] if isinstance(spectrograms, SpectrogramSet) else spectrograms
    todos: dict[tuple[str, str], _Todo] = {}
    with archive.writing() as journal:
        for part in parts:
            for ifo in dict.fromkeys(part.ifo):
                own, imaging = part.take(part.ifo == ifo), digest(part.imaging)
                if (todo := todos.get((ifo, imaging))) is None:
                    # Once for all parts, whose times are not known before they are read.
                    known = archive.known(ifo, -np.inf, np.inf, job.checkpoint.digest, imaging)
                    todo = todos[ifo, imaging] = _Todo(known)
                for codes, images in embed_images(own, job, choose=todo, progress=progress):
                    journal.add(codes, images)
    rows = [
        rows_between(
            archive.path,
            ifo,
            *time_span(todo.times.values()),
            (job.checkpoint.digest, imaging),
            todo.seen,
        )
        for (ifo, imaging), todo in todos.items()
    ]
    found = [each for each in rows if each is not None]
    return Filled(
        rows=Embeddings.join(found) if found else None,
        known=sum(todo.known_before for todo in todos.values()),
    )


@dataclass(frozen=True)
class _Todo:
    """Selection of the events of a batch that need work; events without a code are tried again.

    Attributes:
        known: Events that are there, and whether with a code.
        times: Every event that was asked about, and its time.
        made: Events that were given a code by this job.
    """

    known: Mapping[str, bool]
    times: dict[str, float] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)

    def __call__(self, events: AnyEvents) -> AnyEvents:
        self.times.update(zip(events.event_id.tolist(), events.gps.tolist(), strict=True))
        wanted = [not self.known.get(event, False) for event in events.event_id]
        return events.take(np.array(wanted, dtype=bool))

    @property
    def seen(self) -> set[str]:
        """Identifiers of all events offered."""
        return set(self.times)

    def done(self, rows: Embeddings) -> None:
        """Record the events that have a code now."""
        self.made.update(rows.event_id[rows.usable])

    def coded(self, event: str) -> bool:
        """Whether an event has a code."""
        return event in self.made or self.known.get(event, False)

    @property
    def known_before(self) -> int:
        """Number of offered events that were in the archive before."""
        return len(self.seen & self.known.keys())
