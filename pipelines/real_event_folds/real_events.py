"""Real events of several files, each in a fold of whole days."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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
from glitchvae.recipes import find_files
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.training import TrainingData
from glitchvae.triggers import read_triggers

LEFT_OUT = "left out"
"""Split of events that a model is not to see."""


class RealSettings(Settings):
    """One file of real events.

    Attributes:
        events: A set of images, or the arrays of the public O3 events, whose locked days stay
            closed.
        metadata: Table of their times; empty where the set knows them.
        share: Of the events of a batch; events of a file without a share are named alone, and
            neither an encoder nor a head ever learns from one of them.
    """

    events: str
    metadata: str = ""
    share: float = Field(default=0.0, ge=0, lt=1)


@dataclass(frozen=True, kw_only=True)
class RealEvents:
    """Labelled events with an image.

    Attributes:
        images: Their images, labels and times.
        source: (N,) which file each is from.
        fold: (N,) from 0 on.
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

    def data(self, shape: tuple[int, int], left_out: int) -> TrainingData:
        """For a training that sees no event of one fold; with -1 it sees all that teach."""
        seen = self.taught & (self.fold != left_out)
        split = np.where(seen, "train", LEFT_OUT).astype(object)
        images = replace(self.images, split=split)
        return TrainingData.from_spectrograms(images, shape=shape, description="real events")


def read_real_events(
    files: Sequence[RealSettings], config: Path, *, folds: int, block: float, seed: int
) -> RealEvents:
    """The labelled events of some files, in folds of whole blocks of time."""
    sets, sources, shares = [], [], []
    for each in files:
        (path,) = find_files([each.events], config)
        found = _read(path, each.metadata, config)
        sets.append(found)
        sources += [path.name] * len(found)
        shares += [each.share / len(found)] * len(found)
    plain = [replace(one, split=None, imaging={}, sources={}) for one in sets]
    images = plain[0] if len(plain) == 1 else SpectrogramSet.join(plain)
    fold = fold_by_time_blocks(images.gps, np.random.default_rng(seed), folds=folds, block=block)
    return RealEvents(
        images=images,
        source=np.array(sources, dtype=object),
        fold=fold,
        share=np.array(shares),
    )


def _read(path: Path, metadata: str, config: Path) -> SpectrogramSet:
    images = read_o3_events(path) if path.suffix == ".npz" else read_images(path)
    images = name_classes(images, read_catalog())
    if metadata:
        (table,) = find_files([metadata], config)
        images = add_metadata(images, read_triggers(table))
    labelled = np.full(len(images), False) if images.label is None else images.label != ""
    return images.take(images.usable & labelled)
