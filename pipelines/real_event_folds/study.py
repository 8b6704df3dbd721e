"""A model fine-tuned on real events once per fold, and what it says of the events it left out."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.config import Settings
from glitchvae.discovery import DiscoverySettings
from glitchvae.probes import encode_data
from glitchvae.training import TrainingConfig, TrainingData, train

from .naming import Named
from .real_events import ALL, TRUE_VIEWS, RealEvents, RealSettings
from .teaching import Lesson, Teachers


class FoldSettings(Settings):
    """Keys of `real_event_folds.toml`.

    Attributes:
        model: To start from.
        simulated: Sets that go on teaching it.
        real: Files of real events.
        folds: How many.
        block: Seconds that are never split between folds.
        seed: Of the folds, of the heads and of the search.
        head_events: Simulated events that teach a head.
        copies: Changed copies of each of them.
        looked_at: What was looked at while settings were chosen, for the card.
        without: Classes of which neither encoder nor head sees an event, simulated or real:
            discovery looks for them.
        search: Options of `discover`.
        training: Keys of `glitchvae train --config`.
        device: To train on.
    """

    model: str
    simulated: tuple[str, ...]
    real: tuple[RealSettings, ...] = Field(min_length=1)
    folds: int = Field(default=5, ge=2)
    block: float = Field(default=86400.0, gt=0)
    seed: int = 0
    head_events: int = Field(default=6000, ge=1)
    copies: int = Field(default=1, ge=0)
    looked_at: str = ""
    without: tuple[str, ...] = ()
    search: DiscoverySettings = DiscoverySettings(bootstraps=0)
    training: dict[str, Any]
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class NamedFold:
    """The events of one fold, and the head that named them.

    Attributes:
        rows: (M,) of the real events.
        names: (K,) classes that the head knows.
        probabilities: (M, K) by views.
        distances: (M,) to the nearest centre, of true views.
        head: That named them.
        model: Whose codes they have.
        penalty: That the head chose; NaN of one that chose nothing, as below.
        real_weight: That it chose.
        temperature: That it fitted.
    """

    rows: NDArray[np.int64]
    names: tuple[str, ...]
    probabilities: dict[str, NDArray[np.float64]]
    distances: NDArray[np.float64]
    head: Prototypes
    model: Checkpoint
    penalty: float = math.nan
    real_weight: float = math.nan
    temperature: float = math.nan


@dataclass(frozen=True)
class Study:
    """All that a fold needs."""

    settings: FoldSettings
    training: TrainingConfig
    start: Checkpoint
    simulated: TrainingData
    real: RealEvents
    teachers: Teachers
    out: Path

    def name_fold(self, fold: int) -> NamedFold:
        """The events of one fold, named by an encoder and a head that saw nothing of it."""
        tuned = self.fine_tune(fold)
        lesson = self.lesson(tuned, fold)
        chosen, rows = lesson.choose(), np.flatnonzero(self.real.fold == fold)
        named = self._name(tuned, chosen.head.names_for(lesson.prototypes()), rows)
        return replace(
            named,
            penalty=chosen.penalty,
            real_weight=chosen.real_weight,
            temperature=chosen.head.temperature,
        )

    def name_rest(self, whole: Checkpoint, head: Prototypes) -> NamedFold:
        """The events that taught nobody, named by the model that ships."""
        return self._name(whole, head, np.flatnonzero(~self.real.taught))

    def _name(self, model: Checkpoint, head: Prototypes, rows: NDArray[np.int64]) -> NamedFold:
        height, width = self.training.image_shape[-2:]
        codes = {
            views: encode_data(
                model, self.real.data((height, width), ALL, rows=rows, images=images)
            )
            for views, images in self.real.variations()
        }
        return NamedFold(
            rows=rows,
            names=head.names,
            probabilities={views: head.probabilities(c) for views, c in codes.items()},
            distances=head.distances(codes[TRUE_VIEWS]),
            head=head,
            model=model,
        )

    def lesson(self, tuned: Checkpoint, fold: int) -> Lesson:
        """What a head of a model may learn from."""
        return Lesson.prepare(tuned, self.teachers, self.real, fold)

    def gather(self, folds: Sequence[NamedFold]) -> list[Named]:
        """Every event named once, by views."""
        names = tuple(sorted({*self.teachers.known.labels, *self.real.label}))
        named = []
        for views in folds[0].probabilities:
            probabilities = np.zeros((len(self.real.label), len(names)))
            for each in folds:
                columns = np.array([names.index(name) for name in each.names])
                probabilities[np.ix_(each.rows, columns)] = each.probabilities[views]
            named.append(
                Named(method="codes", views=views, names=names, probabilities=probabilities)
            )
        return named

    def fine_tune(self, fold: int) -> Checkpoint:
        """The model after a few minutes with the real events of all other folds."""
        folder = self.out / ("all" if fold == ALL else f"fold-{fold}")
        if not (folder / "card.toml").exists():
            print(f"fine-tuning: {folder}", file=sys.stderr, flush=True)
            rows, columns = self.training.image_shape[-2:]
            real = self.real.data((rows, columns), fold)
            data = TrainingData.join([self.simulated, real])
            train(
                data.weighted(weights_of(self.simulated, self.real)),
                self.training,
                folder,
                network=self.start.model,
                resume=(folder / "resume").exists(),
                device=self.settings.device,
            )
        return load_checkpoint(folder)


def weights_of(simulated: TrainingData, real: RealEvents) -> np.ndarray:
    """Shares of a batch: those of the real files, and what they leave to the simulated ones."""
    taught = max(len(simulated.rows("train", "")), 1)
    rest = 1 - real.share.sum()
    # Events that nobody learns from are in no training split: any weight does for them.
    own = np.where(real.taught, real.share, 1.0)
    return np.concatenate([np.full(len(simulated), rest / taught), own])
