"""Real events of several files, each in a fold of whole days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glitchvae.classes.catalog import read_catalog
from glitchvae.config import Settings
from glitchvae.dataset import (
    add_metadata,
    fold_by_time_blocks,
    name_classes,
    read_images,
    read_o3_events,
)
from glitchvae.dataset.zooming import zoom_energies
from glitchvae.recipes import find_files
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.training import TrainingData
from glitchvae.triggers import read_triggers

LEFT_OUT = "left out"
"""Split of events that a model is not to see."""

ALL = -1
"""The fold of a model that sees every event."""

TRUE_VIEWS, ZOOMED_VIEWS = "true views", "zoomed views"


class RealSettings(Settings):
    """One file of real events.

    Attributes:
        events: A set of images, or the arrays of the public O3 events, whose locked days stay
            closed.
        metadata: Table of their times; empty where the set knows them.
        part: Which events of the O3 arrays: those of locked days are for the end.
        origin: Where the set is from, for the model card; as are the two below.
        licence: Under which it was published.
        citation: What to cite.
        share: Of the events of a batch; events of a file without a share are named alone, by
            the model of all others, and neither an encoder nor a head ever learns from one.
    """

    events: str
    metadata: str = ""
    part: Literal["open", "locked"] = "open"
    origin: str = ""
    licence: str = "none stated"
    citation: str = ""
    share: float = Field(default=0.0, ge=0, lt=1)

    def name(self, path: Path) -> str:
        """Of the file, and whether these are its locked events."""
        return path.name if self.part == "open" else f"{path.name}, {self.part}"


@dataclass(frozen=True, kw_only=True)
class RealEvents:
    """Labelled events with an image.

    Attributes:
        images: Their images, labels and times.
        source: (N,) which file each is from.
        fold: (N,) from 0 on; `ALL` of events that teach nobody.
        share: (N,) of the events of a batch, each event's own.
    """

    images: SpectrogramSet
    source: NDArray[np.object_]
    fold: NDArray[np.int64]
    share: NDArray[np.float64]

    @property
    def label(self) -> NDArray[np.object_]:
        """(N,) class names."""
        return np.asarray(self.images.label, dtype=object)

    @property
    def taught(self) -> NDArray[np.bool_]:
        """(N,) whether models of other folds learn from an event."""
        return self.share > 0

    def variations(self) -> Iterator[tuple[str, NDArray[np.floating]]]:
        """Energies (N, views, F, T) of the events as they are, and as others publish them.

        One view alone, the others empty; and all views cut out of that of 4 s.
        """
        images = self.images.images
        yield TRUE_VIEWS, images
        yield ZOOMED_VIEWS, zoom_energies(images, max(VIEWS))
        for number, view in enumerate(VIEWS):
            alone = np.where(np.isnan(images), images, 0.0)
            alone[:, number] = images[:, number]
            yield f"{view:g} s alone", alone

    def data(
        self,
        shape: tuple[int, int],
        left_out: int,
        *,
        rows: NDArray[np.int64] | None = None,
        images: NDArray[np.floating] | None = None,
    ) -> TrainingData:
        """For a training that sees no event of one fold; with `ALL` it sees all that teach.

        Args:
            shape: Pixels (frequency, time).
            left_out: The fold.
            rows: Of the events; all unless given.
            images: A variation of theirs (N, views, F, T); true views unless given.
        """
        seen = self.taught & (self.fold != left_out)
        split = np.where(seen, "train", LEFT_OUT).astype(object)
        events = replace(self.images, split=split)
        events = events if images is None else replace(events, images=images)
        events = events if rows is None else events.take(rows)
        return TrainingData.from_spectrograms(events, shape=shape, description="real events")


def read_real_events(
    files: Sequence[RealSettings],
    config: Path,
    *,
    folds: int,
    block: float,
    seed: int,
    without: Sequence[str] = (),
) -> RealEvents:
    """The labelled events of some files, in folds of whole blocks of time.

    Events of classes that are to be seen by nobody have no share and no fold.
    """
    sets, sources, shares = [], [], []
    for each in files:
        (path,) = find_files([each.events], config)
        found = _read(path, each, config)
        sets.append(found)
        sources += [each.name(path)] * len(found)
        seen = ~np.isin(np.asarray(found.label, dtype=str), without)
        shares += np.where(seen, each.share / max(seen.sum(), 1), 0.0).tolist()
    plain = [replace(one, split=None, imaging={}, sources={}) for one in sets]
    images = plain[0] if len(plain) == 1 else SpectrogramSet.join(plain)
    share = np.array(shares)
    fold, taught = np.full(len(images), ALL), share > 0
    rng = np.random.default_rng(seed)
    fold[taught] = fold_by_time_blocks(images.gps[taught], rng, folds=folds, block=block)
    return RealEvents(images=images, source=np.array(sources, dtype=object), fold=fold, share=share)


def _read(path: Path, settings: RealSettings, config: Path) -> SpectrogramSet:
    o3 = path.suffix == ".npz"
    images = read_o3_events(path, part=settings.part) if o3 else read_images(path)
    images = name_classes(images, read_catalog())
    if settings.metadata:
        (table,) = find_files([settings.metadata], config)
        images = add_metadata(images, read_triggers(table))
    labelled = np.full(len(images), False) if images.label is None else images.label != ""
    return images.take(images.usable & labelled)
