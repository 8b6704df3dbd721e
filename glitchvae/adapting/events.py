"""Events to adapt a model to and to compare models on: pictures, labels, hold-out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glitchvae.adapting.settings import AdaptSettings
from glitchvae.archive import Archive
from glitchvae.archive.labels import LabelTable, check_labels, read_label_table
from glitchvae.archive.layout import part_files
from glitchvae.archive.views import read_packed, select_views, unpack_views
from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.dataset import fold_by_time_blocks
from glitchvae.embedding import Embeddings
from glitchvae.errors import ArchiveError, InputError, ModelError
from glitchvae.progress import Progress
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.training import TrainingData
from glitchvae.training.data import reduced_energies

FOLDS = 4
"""Number of parts of whole blocks of time, of which one is held out."""

BLOCKS = (86400.0, 3600.0, 64.0)
"""Lengths (s) of blocks of time; the longest with enough blocks is used."""

Labels = str | Path | LabelTable | Mapping[str, str] | Literal["none"] | None
"""A table, a class for each identifier, "none", or None for the labels in the archive."""

_CHUNK = 512  # pictures in full resolution at once


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Events of an archive that have a picture.

    Attributes:
        data: Their pictures at the model's resolution, as a training takes them.
        f_max: (N,) highest frequency (Hz) of each picture.
        label: (N,) class that teaches, "" without one.
        truth: (N,) class that is known of it, whether it teaches or not; "" where none is.
        held_out: (N,) whether the training of the weights does not see it.
        gps: (N,) times (s).
    """

    data: TrainingData
    f_max: NDArray[np.float32]
    label: NDArray[np.object_]
    truth: NDArray[np.object_]
    held_out: NDArray[np.bool_]
    gps: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.data)


def model_of(archive: Archive, model: str | Path | None, device: str) -> Checkpoint:
    """The model that made the codes of an archive.

    Args:
        archive: Of one model, unless one is named.
        model: Name or folder; None: as the archive says.
        device: Where it computes.

    Raises:
        ArchiveError: the archive holds no codes of it, or of several.
        ModelError: no such model; or it encodes no glitches.
    """
    if model is None:
        about = archive.embeddings().model
        try:
            checkpoint = load_checkpoint(about["name"], device)
        except ModelError as error:
            raise ModelError(
                f"the model of the archive, {about['name']!r}, is not found by its name",
                where=archive.path,
                found=error,
                remedy="Give its folder with --model.",
            ) from error
        model = about["name"]
    else:
        checkpoint = load_checkpoint(model, device)
    try:
        archive.require_model(checkpoint.digest)
    except ArchiveError as error:
        if error.found is None:  # it holds no glitch at all
            raise
        raise ArchiveError(
            f"the archive holds codes of another model than {str(model)!r}",
            where=archive.path,
            expected=f"codes of the model {checkpoint.digest[:12]}",
            found=error.found,
            remedy=f"Choose that model with --model, or encode the archive with this one first: "
            f"`glitchvae embed {archive.path} --model {model}`.",
        ) from error
    checkpoint.require_views()
    checkpoint.require_prototypes("a model that knows no class cannot be adapted")
    return checkpoint


def read_labels(archive: Archive, rows: Embeddings, labels: Labels) -> NDArray[np.object_]:
    """(N,) labels to train on, "" where an event has none.

    Raises:
        InputError: a table with wrong rows, all of which are named; labels of one class alone.
    """
    none = np.full(len(rows), "", dtype=object)
    if isinstance(labels, str) and labels == "none":
        return none
    if labels is None:
        said = none if rows.label is None else rows.label
        catalog = archive.catalogue()
        taught = np.array([name if name in catalog else "" for name in said], dtype=object)
    else:
        if isinstance(labels, Mapping):
            table = LabelTable(rows=tuple((n, e, c) for n, (e, c) in enumerate(labels.items(), 1)))
        else:
            table = labels if isinstance(labels, LabelTable) else read_label_table(labels)
        there = archive.has([event for _, event, _ in table.rows])
        good, problems = check_labels(table, there, archive.catalogue())
        if problems:
            raise InputError(
                "labels that cannot be used for training",
                found="; ".join(map(str, problems)),
                remedy="Correct these rows, or leave them out.",
            )
        taught = np.array([good.get(event, "") for event in rows.event_id], dtype=object)
    classes = sorted(set(taught) - {""})
    if len(classes) == 1 or (labels is not None and not classes):
        raise InputError(
            "all labels are of one class, from which a head cannot learn"
            if classes
            else "none of the labelled events has a picture",
            where=archive.path if labels is None else getattr(labels, "where", None) or "labels",
            expected="at least two classes",
            found=", ".join(classes) or "none",
            remedy="Label events of other classes too, or leave them aside with --labels none.",
        )
    return taught


def read_archive(
    archive: Archive,
    checkpoint: Checkpoint,
    settings: AdaptSettings,
    labels: Labels,
    progress: Progress = lambda _: None,
) -> Events:
    """The events of an archive that have a picture in all four views.

    Of more than `settings.most_events` a part is drawn, with all that are labelled.

    Raises:
        ArchiveError: none has one.
        InputError: see `read_labels`.
    """
    rows = archive.embeddings(model=checkpoint.digest)
    rows = rows.take(_first_of_each(rows.event_id) & rows.usable)
    taught = read_labels(archive, rows, labels)
    rng = np.random.default_rng(settings.seed)
    chosen = np.sort(_draw(taught != "", settings.most_events, rng))
    rows, taught = rows.take(chosen), taught[chosen]
    shape = image_shape(checkpoint)
    parts, kept = [], []
    for own, images in _pictures(archive, rows):
        whole = _whole(images)
        if whole.any():
            pictures = reduced_energies(images[whole], shape)
            parts.append(TrainingData.from_images(pictures, imaging=rows.imaging))
        kept.append(own[whole])
        progress(len(own))
    there = np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)
    if len(there) == 0:
        raise ArchiveError(
            "no event to adapt to",
            where=archive.path,
            expected=f"events with a picture in all {len(VIEWS)} views",
            found=f"{len(rows)} events, none with one" if len(rows) else "no event with a code",
        )
    rows, taught = rows.take(there), taught[there]
    known = taught if rows.label is None else np.where(rows.label == "", taught, rows.label)
    return Events(
        data=replace(TrainingData.join(parts), description=archive.path.name),
        f_max=rows.f_max,
        label=taught,
        truth=known,
        held_out=folds_of(rows.gps, rng, FOLDS) == 0,
        gps=rows.gps,
    )


def read_sets(parts: Iterable[SpectrogramSet], checkpoint: Checkpoint) -> Events:
    """The events of simulated sets, part by part."""
    shape, data, columns = image_shape(checkpoint), [], []
    for part in parts:
        usable = part.take(part.usable)
        data.append(TrainingData.from_spectrograms(usable, shape=shape))
        columns.append((usable.f_max, usable.gps))
    joined = TrainingData.join(data)
    f_max, gps = (np.concatenate(each) for each in zip(*columns, strict=True))
    return Events(
        data=joined,
        f_max=f_max,
        label=joined.labels,
        truth=joined.labels,
        held_out=np.zeros(len(joined), dtype=bool),
        gps=gps,
    )


def folds_of(gps: NDArray[np.float64], rng: np.random.Generator, folds: int) -> NDArray[np.int64]:
    """(N,) fold of each event: by blocks of time if there are enough of them, else at random."""
    for block in BLOCKS:
        if len(np.unique(np.floor(gps / block))) >= folds:
            return fold_by_time_blocks(gps, rng, folds=folds, block=block)
    return rng.permutation(len(gps)) % folds


def image_shape(checkpoint: Checkpoint) -> tuple[int, int]:
    """Rows and columns of the images that a model takes."""
    settings = checkpoint.model.settings
    rows, columns = getattr(settings, "glitch", settings).image_shape[-2:]
    return int(rows), int(columns)


def _pictures(
    archive: Archive, rows: Embeddings
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    """Rows and their pictures (n, views, F, T), each file of the archive read once."""
    row_of = {event: row for row, event in enumerate(rows.event_id)}
    for path in part_files(archive.path):
        views = archive.path / "views" / path.name
        for packed in read_packed(views) if views.exists() else ():
            wanted = [event for event in packed["event_id"].to_pylist() if event in row_of]
            for first in range(0, len(wanted), _CHUNK):
                own = wanted[first : first + _CHUNK]
                found = unpack_views(select_views(packed, own))
                chosen = [event for event in own if event in row_of]
                if chosen:
                    places = [row_of.pop(event) for event in chosen]
                    yield np.array(places), np.stack([found[event] for event in chosen])


def _first_of_each(events: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(N,) the first row of each event; several imaging settings give an event several rows."""
    first = np.zeros(len(events), dtype=bool)
    first[np.unique(events.astype(str), return_index=True)[1]] = True
    return first


def _draw(labelled: NDArray[np.bool_], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw at most a number of rows at random, labelled ones first."""
    order = rng.permutation(len(labelled))
    return order[np.argsort(~labelled[order], kind="stable")][:most]


def _whole(images: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) whether every view of a picture (N, views, F, T) was computed and is not blank."""
    shown: NDArray[np.bool_] = np.nan_to_num(images, nan=0.0) > 0
    return np.asarray(shown.reshape(*shown.shape[:2], -1).any(axis=-1).all(axis=-1))
