"""Triggers, images and codes of glitches in strain, as `glitchvae embed` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from igwn_segments import segmentlist
from numpy.typing import NDArray

from glitchvae.archive import Task, create_archive, image_tasks, strain_tasks
from glitchvae.archive.known_classes import job_of
from glitchvae.archive.tasks import ImagesTask
from glitchvae.classes.user import catalog_path
from glitchvae.embedding import (
    Embeddings,
    Job,
    limit_sources,
    open_inputs,
    read_triggers_for,
    triggers_at,
    write_embeddings,
)
from glitchvae.errors import GlitchvaeError, InputError
from glitchvae.progress import progress_of
from glitchvae.resources import choose_device
from glitchvae.spectrogram import SpectrogramSet, imaging_settings
from glitchvae.spectrogram import make_spectrograms as image
from glitchvae.strain import Strain, StrainSource, open_strain
from glitchvae.strain.segments import DEFAULT_MASKS
from glitchvae.triggers import Triggers
from glitchvae.triggers import find_triggers as search
from glitchvae.triggers.columns import triggers_from_table

if TYPE_CHECKING:
    from gwpy.table import EventTable
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class Images:
    """Pictures of glitches: four views of each, as normalised energy.

    Attributes:
        spectrograms: The record: images (N, 4, 140, 170), times, status, …
    """

    spectrograms: SpectrogramSet

    def __len__(self) -> int:
        return len(self.spectrograms)

    def __repr__(self) -> str:
        usable = int(self.spectrograms.usable.sum())
        return f"Images: {len(self)} glitches, {usable} with pictures"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.spectrograms.images, dtype=dtype)

    def plot(self, path: str | Path | None = None, *, title: str | None = None) -> Figure:
        """Draw a contact sheet: four views of each glitch with its time and SNR.

        Args:
            path: Where to write it as PNG too.
            title: Headline.
        """
        from glitchvae.plots import captions_of, contact_sheet

        return contact_sheet(self.spectrograms, captions_of(self.spectrograms), path, title=title)


@dataclass(frozen=True, repr=False)
class Events:
    """Glitches with their codes, made by `embed` or read from an archive.

    Attributes:
        embeddings: The record: a row a glitch, codes included.
        problems: What could not be used, and why.
    """

    embeddings: Embeddings
    problems: tuple[GlitchvaeError, ...] = ()
    _load_images: Callable[[], SpectrogramSet] | None = None

    def __len__(self) -> int:
        return len(self.embeddings)

    def __repr__(self) -> str:
        named: dict[str, int] = {}
        for name in self.embeddings.class_name:
            named[name or "(no image)"] = named.get(name or "(no image)", 0) + 1
        counts = ", ".join(f"{n} {name}" for name, n in sorted(named.items(), key=lambda x: -x[1]))
        return f"Events: {len(self)} glitches: {counts}" if len(self) else "Events: none"

    @property
    def codes(self) -> NDArray[np.float32]:
        """(N, Z) posterior means; NaN where a glitch has no image."""
        return self.embeddings.mean

    @property
    def images(self) -> Images:
        """The pictures of the glitches.

        Raises:
            InputError: they are not kept here.
        """
        if self._load_images is None:
            raise InputError("no images are kept with these events")
        return Images(self._load_images())

    def to_table(self) -> EventTable:
        """All columns but the codes as a gwpy `EventTable`, which is an astropy `Table`."""
        return self.embeddings.to_table()

    def to_pandas(self) -> DataFrame:
        """All columns but the codes as a pandas `DataFrame`."""
        return self.embeddings.to_pandas()

    def write(self, path: str | Path) -> None:
        """Write as .h5, .parquet, .csv or .ecsv, codes included.

        Raises:
            InputError: another suffix.
            StorageError: the disk refused the write.
        """
        write_embeddings(path, self.embeddings)


def embed(
    data: Any,
    *,
    triggers: Any = None,
    segments: Any = None,
    flags: Sequence[str] = (),
    masks: Sequence[str] = DEFAULT_MASKS,
    snr: float = 7.5,
    model: str | Path = "default",
    imaging: str = "gravity-spy",
    archive: str | Path | None = None,
    ifo: str | None = None,
    channel: str | None = None,
    uncertainty: bool = True,
    device: str = "auto",
    progress: bool = False,
) -> Events:
    """Find the glitches in strain, image and encode them.

    Args:
        data: Paths of strain (GWOSC HDF5, GWF, gwpy HDF5) or of images (a spectrogram set,
            Gravity Spy's HDF5, a folder of its pictures), one or several; a gwpy `TimeSeries`
            or several of one or more detectors; `Images`.
        triggers: The glitches to embed, where not all above `snr` are wanted: GPS times, a
            gwpy `EventTable` or astropy `Table`, `Triggers`, or the path of a trigger file.
        segments: Search only these: a file of segments or several (text, LIGO_LW, HDF5), a gwpy
            `DataQualityFlag` or `DataQualityDict`, a `SegmentList` of the strain's only
            detector, or segment lists by detector.
        flags: Search only where these flags of the segment database are on
            ("H1:DMT-ANALYSIS_READY:1").
        masks: Search only where these masks of the files are set.
        snr: Minimum SNR of triggers.
        model: Name or folder.
        imaging: How strain becomes images: "gravity-spy" or "light".
        archive: Where to store rows and pictures; what it holds already is not done again.
            None keeps everything in memory.
        ifo: Detector of strain that does not say it.
        channel: Channel of strain files that hold several.
        uncertainty: Whether rows say how their codes change with small changes.
        device: Where to compute: "auto", "cpu" or "cuda".
        progress: Show a bar on stderr.

    Raises:
        InputError: nothing in `data` can be used, or triggers that do not fit it. Where some
            inputs can be used, `Events.problems` names the others.
        ModelError: no such model.
        ConfigError: no such imaging settings.
    """
    job, _ = job_of(
        model,
        catalog=catalog_path(None, archive),
        imaging=imaging,
        snr=snr,
        uncertainty=uncertainty,
        device=choose_device(device),
    )
    limited = _Limits(segments=segments, flags=flags, masks=masks, ifo=ifo)
    tasks, problems = _tasks(data, triggers, limited, channel)
    if archive is None:
        return _in_memory(tasks, job, problems, progress)
    store = create_archive(archive)
    rows: list[Embeddings] = []
    for task in tasks:
        with progress_of(task.name, task.size, task.unit, shown=progress) as report:
            filled = task.fill(store, job, report)
        problems += filled.problems
        if filled.rows is not None:
            rows.append(filled.rows)
    found = Embeddings.join(rows) if rows else _no_rows(job)
    return Events(found, tuple(problems), lambda: store.thumbnails(found))


def find_triggers(
    strain: Any,
    *,
    segments: Any = None,
    flags: Sequence[str] = (),
    masks: Sequence[str] = DEFAULT_MASKS,
    snr: float = 7.5,
    ifo: str | None = None,
    channel: str | None = None,
    device: str = "auto",
) -> Triggers:
    """Find glitches in strain, as `glitchvae triggers` does.

    Args:
        strain: A gwpy `TimeSeries`, or the path of a strain file.
        segments: Search only these: a file of segments or several (text, LIGO_LW, HDF5), a gwpy
            `DataQualityFlag` or `DataQualityDict`, a `SegmentList` of the strain's only
            detector, or segment lists by detector.
        flags: Search only where these flags of the segment database are on
            ("H1:DMT-ANALYSIS_READY:1").
        masks: Search only where these masks of the files are set.
        snr: Minimum SNR of triggers.
        ifo: Detector of strain that does not say it.
        channel: Channel of a file that holds several.
        device: Where to compute.

    Returns:
        Times, SNRs, frequencies, durations; `to_table()` makes a gwpy `EventTable` of them.

    Raises:
        InputError: no strain, NaN alone, or no detector can be told.
    """
    limited = _Limits(segments=segments, flags=flags, masks=masks, ifo=ifo)
    (source,) = limited.of([_source(strain, ifo, channel)])
    start, end = source.whole.segments.extent()
    return search(source.read(float(start), float(end)), snr=snr, device=choose_device(device))


def make_spectrograms(
    strain: Any,
    triggers: Any,
    *,
    imaging: str = "gravity-spy",
    ifo: str | None = None,
    channel: str | None = None,
    device: str = "auto",
) -> Images:
    """Make the four views of each glitch, as Gravity Spy draws them.

    Args:
        strain: A gwpy `TimeSeries`, or the path of a strain file.
        triggers: As of `embed`.
        imaging: "gravity-spy" or "light".
        ifo: Detector of strain that does not say it.
        channel: Channel of a file that holds several.
        device: Where to compute.

    Raises:
        InputError: no strain, or triggers that cannot be read.
        ConfigError: no such imaging settings.
    """
    source = _source(strain, ifo, channel)
    chosen = _triggers(triggers, [source], ifo)[0]
    if len(chosen) == 0:
        raise InputError("no triggers given", expected=f"at least one of {source.ifo}")
    settings = imaging_settings(imaging)
    made = image(source, chosen.of(source.ifo).sorted(), settings, device=choose_device(device))
    return Images(SpectrogramSet.join(list(made)))


def _tasks(
    data: Any, triggers: Any, limited: _Limits, channel: str | None
) -> tuple[list[Task], list[GlitchvaeError]]:
    """Tasks for the usable inputs, and errors of the others."""
    ifo = limited.ifo
    tasks: list[Task] = []
    problems: list[GlitchvaeError] = []
    given = _listed(data)
    if not given:
        raise InputError("no input", expected="paths, a TimeSeries or images", found="none")
    paths = [Path(item) for item in given if isinstance(item, str | Path)]
    inputs = open_inputs(paths, ifo=ifo, channel=channel)
    sets, damaged = image_tasks(inputs.image_sets)
    problems += [*inputs.problems, *damaged]
    sources = [*inputs.sources]
    for item in given:
        if isinstance(item, str | Path):
            continue
        if isinstance(item, Images | SpectrogramSet):
            held = item.spectrograms if isinstance(item, Images) else item
            tasks.append(ImagesTask(path=Path("images"), size=len(held), spectrograms=held))
        else:
            sources.append(_in_memory_source(item, ifo))
    if not sources and not sets and not tasks:
        raise (
            problems[0]
            if len(problems) == 1
            else InputError("no input can be used: " + "; ".join(map(str, problems)))
        )
    sources = limited.of(sources)
    if triggers is None:
        return [*strain_tasks(sources), *sets, *tasks], problems
    if not sources:
        raise InputError("triggers were given, but no strain")
    chosen, outside = _triggers(triggers, sources, ifo)
    if len(chosen) == 0:
        raise outside[0] if outside else InputError("no triggers given", expected="at least one")
    return [*strain_tasks(sources, chosen), *sets, *tasks], problems + outside


@dataclass(frozen=True, kw_only=True)
class _Limits:
    """Segments, flags and masks that limit a search, in any form that a user has."""

    segments: Any
    flags: Sequence[str]
    masks: Sequence[str]
    ifo: str | None

    def of(self, sources: Sequence[StrainSource]) -> list[StrainSource]:
        """Apply the limits to strain sources."""
        if isinstance(self.flags, str) or isinstance(self.masks, str):
            raise InputError("a list of names is needed", where="flags and masks", found="a string")
        return limit_sources(
            sources,
            segments=self._segments(sources),
            flags=self.flags,
            masks=self.masks,
            ifo=self.ifo,
        )

    def _segments(
        self, sources: Sequence[StrainSource]
    ) -> Sequence[str | Path] | Mapping[str, segmentlist]:
        given = self.segments
        if given is None or isinstance(given, str | Path):
            return [] if given is None else [given]
        if hasattr(given, "active"):
            given = {given.ifo or self.ifo: given}
        if isinstance(given, Mapping):
            found: dict[str, segmentlist] = {}
            for key, value in given.items():
                name = str(getattr(value, "ifo", None) or key)
                plain = segmentlist(getattr(value, "active", value))
                found[name] = found.get(name, segmentlist()) | plain.coalesce()
            return found
        listed = list(given)
        if listed and all(isinstance(item, str | Path) for item in listed):
            return listed
        detectors = {source.ifo for source in sources}
        if len(detectors) != 1:
            raise InputError(
                "no detector is named",
                where="segments",
                expected="segments by detector",
                found=f"one list for {' and '.join(sorted(detectors))}",
            )
        return {detectors.pop(): segmentlist(listed).coalesce()}


def _listed(data: Any) -> list[Any]:
    if isinstance(data, list | tuple | set | frozenset):
        return list(data)
    if isinstance(data, Iterable) and not isinstance(data, str | Path) and not _is_single(data):
        return list(data)
    return [data]


def _is_single(data: Any) -> bool:
    """Whether an iterable object is a single input."""
    return hasattr(data, "sample_rate") or isinstance(data, Images | SpectrogramSet | np.ndarray)


def _source(strain: Any, ifo: str | None, channel: str | None) -> StrainSource:
    if isinstance(strain, str | Path):
        return open_strain(strain, ifo=ifo, channel=channel)
    return _in_memory_source(strain, ifo)


def _in_memory_source(item: Any, ifo: str | None) -> StrainSource:
    if isinstance(item, StrainSource):
        return item
    if isinstance(item, Strain):
        return StrainSource.of(item)
    if not all(hasattr(item, name) for name in ("value", "t0", "sample_rate", "unit")):
        raise InputError(
            "no strain",
            expected="a path, a gwpy TimeSeries, or images",
            found=type(item).__name__,
        )
    return StrainSource.of(Strain.from_gwpy(item, ifo=ifo))


def _triggers(
    given: Any, sources: Sequence[StrainSource], ifo: str | None
) -> tuple[Triggers, list[GlitchvaeError]]:
    """Convert triggers from any form; also errors of times that no strain covers."""
    if isinstance(given, Triggers):
        return given, []
    if isinstance(given, str | Path):
        return read_triggers_for(given, sources, ifo=ifo), []
    names = getattr(given, "colnames", None) or getattr(given, "columns", None)
    if names is not None:
        table = {str(name): np.asarray(given[name]) for name in names}
        detectors = {source.ifo for source in sources}
        sole = next(iter(detectors)) if ifo is None and len(detectors) == 1 else ifo
        without = {"ifo", "detector", "channel"}.isdisjoint(name.lower() for name in table)
        return triggers_from_table(table, "the table", ifo=sole if without else ifo), []
    try:
        times = np.atleast_1d(np.asarray(given, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InputError(
            "no triggers",
            expected="GPS times, a table, Triggers, or a path",
            found=type(given).__name__,
        ) from error
    return triggers_at(times.ravel().tolist(), sources)


def _in_memory(
    tasks: Sequence[Task], job: Job, problems: list[GlitchvaeError], progress: bool
) -> Events:
    parts: list[tuple[Embeddings, SpectrogramSet]] = []
    for task in tasks:
        with progress_of(task.name, task.size, task.unit, shown=progress) as report:
            parts += task.walk(job, report, problems.append)
    if not parts:
        return Events(_no_rows(job), tuple(problems))
    rows, images = zip(*parts, strict=True)
    pictures = SpectrogramSet.join(images)
    return Events(Embeddings.join(rows), tuple(problems), lambda: pictures)


def _no_rows(job: Job) -> Embeddings:
    """A record without rows, with all columns and attributes."""
    size = sum(job.checkpoint.model.layers)
    columns = {f.name: np.zeros(0) for f in Embeddings.columns() if f.default is not None}
    return Embeddings(
        **{**columns, "mean": np.zeros((0, size)), "log_var": np.zeros((0, size))},
        imaging=job.imaging.model_dump(mode="json"),
        model={"name": job.checkpoint.name, "digest": job.checkpoint.digest},
        configuration=job.configuration,
    )
