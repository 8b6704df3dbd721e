"""A user's inputs as tasks, each of which can be planned and carried out by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from glitchvae.archive.archive import Archive
from glitchvae.archive.filling import Filled, fill_from_images, fill_from_strain, left_to_do
from glitchvae.archive.layout import MARKER
from glitchvae.dataset import count_images, stream_images
from glitchvae.embedding import (
    Job,
    Plan,
    Walk,
    assign_triggers,
    embed_images,
    embed_strain,
    plan_embedding,
    plan_encoding,
    usable_band,
)
from glitchvae.errors import GlitchvaeError, InputError, reading
from glitchvae.progress import Progress
from glitchvae.shapes import AXIS_FREQUENCIES
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers

Problem = Callable[[GlitchvaeError], None]
"""Function that is told of files that cannot be read to their end."""


class Task(Protocol):
    """One input to process; `size` counts the units of work that `fill` reports."""

    @property
    def unit(self) -> str:
        """Name of the unit that `size` counts."""
        ...

    @property
    def name(self) -> str:
        """Name of the input."""
        ...

    @property
    def size(self) -> int:
        """Number of units of work."""
        ...

    def facts(self, job: Job) -> str:
        """Summary of the input in one line, without any processing."""
        ...

    def plan(self, job: Job, archive: Path | None = None) -> Plan:
        """Estimate time and memory from a trial, without work that is finished in an archive."""
        ...

    def walk(self, job: Job, progress: Progress, problem: Problem) -> Walk:
        """Process the input and yield the results batch by batch."""
        ...

    def fill(self, archive: Archive, job: Job, progress: Progress) -> Filled:
        """Process the input and store the results."""
        ...


@dataclass(frozen=True, kw_only=True)
class StrainTask:
    """Strain of one detector, to be searched for glitches if no triggers are given."""

    source: StrainSource
    triggers: Triggers | None = None

    @property
    def unit(self) -> str:
        """Unit of work: "s" of strain for a search, "glitches" for given triggers."""
        return "s" if self.triggers is None else "glitches"

    @property
    def name(self) -> str:
        """Detector and number of files."""
        files = len(self.source.files)
        return f"{self.source.ifo}, {files} file{'s' if files > 1 else ''}"

    @property
    def size(self) -> int:
        """Seconds of strain, or number of triggers."""
        return round(abs(self.source.segments)) if self.triggers is None else len(self.triggers)

    def facts(self, job: Job) -> str:
        """Summary: seconds of strain, number of glitches, frequency range of the images."""
        top, axis = usable_band(self.source, job.imaging)[1], AXIS_FREQUENCIES[1]
        covered, whole = (
            f"{float(abs(s.segments)):,.0f} s" for s in (self.source, self.source.whole)
        )
        limits = f" (of {whole}; {', '.join(self.source.limits)})" if covered != whole else ""
        seconds = f"{covered} of strain{limits}"
        work = (
            f"glitches to be found above SNR {job.snr:g}"
            if self.triggers is None
            else f"{len(self.triggers):,} trigger{'' if len(self.triggers) == 1 else 's'} given"
        )
        return (
            f"{self.name}: {seconds}, {work}; at {self.source.sample_rate:g} Hz images reach"
            f" {min(top, axis):.0f} Hz of {axis:.0f} Hz"
        )

    def plan(self, job: Job, archive: Path | None = None) -> Plan:
        """Estimate from a trial on the strain; time in the ledger is not searched again."""
        left = None
        searching = self.triggers is None and self.source.segments
        if searching and archive is not None and (archive / MARKER).is_file():
            left = left_to_do(Archive(archive), self.source, job)
        return plan_embedding(
            self.source,
            self.triggers,
            job.checkpoint,
            job.imaging,
            snr=job.snr,
            device=job.device,
            uncertainty=job.uncertainty,
            left=left,
        )

    def walk(self, job: Job, progress: Progress, problem: Problem) -> Walk:
        """Search, image and encode."""
        source = self.source.with_gaps(problem)
        return embed_strain(source, self.triggers, job, progress=progress)

    def fill(self, archive: Archive, job: Job, progress: Progress) -> Filled:
        """Search, image, encode and store."""
        return fill_from_strain(archive, self.source, self.triggers, job, progress=progress)


@dataclass(frozen=True, kw_only=True)
class ImagesTask:
    """A set of existing images.

    Attributes:
        path: Their file or folder, which is read part by part; a name for those in memory.
        size: Number of events, at most.
        spectrograms: The images, where they are in memory.
    """

    path: Path
    size: int
    spectrograms: SpectrogramSet | None = None

    @property
    def unit(self) -> str:
        """Unit of work: images."""
        return "images"

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def parts(self, problem: Problem | None = None) -> Iterator[SpectrogramSet]:
        """The images, some hundred events at a time.

        Args:
            problem: Told where the file cannot be read to its end, which then ends the parts;
                None raises.
        """
        if self.spectrograms is not None:
            yield self.spectrograms
            return
        try:
            with reading(self.path):
                yield from stream_images(self.path)
        except GlitchvaeError as error:
            if problem is None:
                raise
            problem(error)

    def facts(self, job: Job) -> str:
        """Number of images."""
        return f"{self.name}: {self.size:,} images"

    def plan(self, job: Job, archive: Path | None = None) -> Plan:
        """Estimate from one batch."""
        first = next(self.parts(), None)
        if first is None:
            raise InputError("the set holds no event", where=self.path)
        return plan_encoding(
            first,
            job.checkpoint,
            total=self.size,
            device=job.device,
            uncertainty=job.uncertainty,
        )

    def walk(self, job: Job, progress: Progress, problem: Problem) -> Walk:
        """Encode the images."""
        for part in self.parts(problem):
            yield from embed_images(part, job, progress=progress)

    def fill(self, archive: Archive, job: Job, progress: Progress) -> Filled:
        """Encode and store the images."""
        problems: list[GlitchvaeError] = []
        parts = self.parts(problems.append)
        filled = fill_from_images(archive, parts, job, progress=progress)
        return replace(filled, problems=tuple(problems))


def strain_tasks(
    sources: Sequence[StrainSource], triggers: Triggers | None = None
) -> list[StrainTask]:
    """A task for each source of strain with work to do.

    That is strain to search, within what limits it, or some of the given triggers.

    Raises:
        InputError: none of the triggers is of a detector that there is strain of.
    """
    if triggers is None:
        return [StrainTask(source=source) for source in sources if source.segments]
    return [StrainTask(source=s, triggers=t) for s, t in assign_triggers(triggers, sources)]


def image_tasks(paths: Sequence[Path]) -> tuple[list[ImagesTask], list[GlitchvaeError]]:
    """A task for each readable set of images, and the errors of the others.

    Of each set the first events are read, so that what is no set is told before any work.
    """
    tasks, problems = [], []
    for path in paths:
        try:
            with reading(path):
                task = ImagesTask(path=path, size=count_images(path))
            for part in islice(task.parts(), 1):
                _ = part.usable  # states that nobody knows are found here
        except GlitchvaeError as error:
            problems.append(error)
        else:
            tasks.append(task)
    return tasks, problems
