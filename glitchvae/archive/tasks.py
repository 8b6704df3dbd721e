"""Tasks: a user's inputs as pieces of work, each of which plans and fills by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
from glitchvae.errors import GlitchvaeError, reading
from glitchvae.progress import Progress
from glitchvae.shapes import AXIS_FREQUENCIES
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.strain import StrainSource
from glitchvae.triggers import Triggers

Problem = Callable[[GlitchvaeError], None]
"""Told of a file that cannot be read to its end."""


class Task(Protocol):
    """One piece of work. `size` counts the units that `fill` reports as they are done."""

    @property
    def unit(self) -> str:
        """What `size` counts."""
        ...

    @property
    def name(self) -> str:
        """What it works on."""
        ...

    @property
    def size(self) -> int:
        """How many units it has."""
        ...

    def facts(self, job: Job) -> str:
        """What can be said of it without any work, in one line."""
        ...

    def plan(self, job: Job, archive: Path | None = None) -> Plan:
        """What it will take, from a trial, less what an archive holds already."""
        ...

    def walk(self, job: Job, progress: Progress, problem: Problem) -> Walk:
        """Do it, and hand on what comes of it batch by batch."""
        ...

    def fill(self, archive: Archive, job: Job, progress: Progress) -> Filled:
        """Do it, and store what comes of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class StrainTask:
    """Glitches of one detector's strain, searched for where no triggers are given."""

    source: StrainSource
    triggers: Triggers | None = None

    @property
    def unit(self) -> str:
        """Seconds are searched, triggers are imaged."""
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
        """Seconds of strain, glitches, and how much of the images' frequencies they can fill."""
        top, axis = usable_band(self.source, job.imaging)[1], AXIS_FREQUENCIES[1]
        covered, whole = (
            f"{float(abs(s.segments)):,.0f} s" for s in (self.source, self.source.whole)
        )
        limits = f" (of {whole}; {', '.join(self.source.limits)})" if covered != whole else ""
        seconds = f"{covered} of strain{limits}"
        work = (
            f"glitches to be found above SNR {job.snr:g}"
            if self.triggers is None
            else f"{len(self.triggers):,} given"
        )
        return (
            f"{self.name}: {seconds}, {work}; at {self.source.sample_rate:g} Hz images reach"
            f" {min(top, axis):.0f} Hz of {axis:.0f} Hz"
        )

    def plan(self, job: Job, archive: Path | None = None) -> Plan:
        """From a trial on the strain; what the ledger knows is not searched again."""
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
        """Search, image, encode."""
        source = self.source.with_gaps(problem)
        return embed_strain(source, self.triggers, job, progress=progress)

    def fill(self, archive: Archive, job: Job, progress: Progress) -> Filled:
        """Search, image, encode, store."""
        return fill_from_strain(archive, self.source, self.triggers, job, progress=progress)


@dataclass(frozen=True, kw_only=True)
class ImagesTask:
    """Images that are there already.

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
        """Images are encoded."""
        return "images"

    @property
    def name(self) -> str:
        """The file."""
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
        """From one batch."""
        return plan_encoding(
            next(self.parts()),
            job.checkpoint,
            total=self.size,
            device=job.device,
            uncertainty=job.uncertainty,
        )

    def walk(self, job: Job, progress: Progress, problem: Problem) -> Walk:
        """Encode."""
        for part in self.parts(problem):
            yield from embed_images(part, job, progress=progress)

    def fill(self, archive: Archive, job: Job, progress: Progress) -> Filled:
        """Encode, store."""
        problems: list[GlitchvaeError] = []
        parts = self.parts(problems.append)
        filled = fill_from_images(archive, parts, job, progress=progress)
        return replace(filled, problems=tuple(problems))


def strain_tasks(
    sources: Sequence[StrainSource], triggers: Triggers | None = None
) -> list[StrainTask]:
    """A task for each source that there is work for.

    That is strain to search, within what limits it, or some of the given triggers.

    Raises:
        InputError: none of the triggers is of a detector that there is strain of.
    """
    if triggers is None:
        return [StrainTask(source=source) for source in sources if source.segments]
    return [StrainTask(source=s, triggers=t) for s, t in assign_triggers(triggers, sources)]


def image_tasks(paths: Sequence[Path]) -> tuple[list[ImagesTask], list[GlitchvaeError]]:
    """A task for each set of images that can be read, and errors of those that cannot.

    Of each set the first events are read, so that what is no set is told before any work.
    """
    tasks, problems = [], []
    for path in paths:
        try:
            with reading(path):
                task = ImagesTask(path=path, size=count_images(path))
            _ = next(task.parts()).usable  # states that nobody knows are found here
        except GlitchvaeError as error:
            problems.append(error)
        else:
            tasks.append(task)
    return tasks, problems
