"""Heads of a model: learnt from simulated events of all classes and a few real ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.checkpoint import Checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.probes import encode_data
from glitchvae.probes.heads import IN_NO_FOLD, ChosenHead, choose_head
from glitchvae.training import Augmentation, TrainingData

from .real_events import ALL, RealEvents

CENTRE_SHARE = 0.2
"""Of the events that place the centres of a class, at least so many per simulated one are
real where there is a real one."""


@dataclass(frozen=True, kw_only=True)
class Teachers:
    """Simulated events that teach a head, and how the copies of an event are changed.

    Attributes:
        known: Labelled training events.
        spare: Labelled events that no model was trained on; they calibrate and choose metrics.
        changes: A head meets shifted, hidden and zoomed views as the encoder did.
        copies: Changed copies of each event, beside the event as it is.
        seed: Of the changes.
    """

    known: TrainingData
    spare: TrainingData
    changes: Augmentation
    copies: int
    seed: int

    def codes(self, checkpoint: Checkpoint, images: TrainingData) -> list[NDArray[np.float32]]:
        """Codes of images as they are, then of their copies."""
        changed = (
            encode_data(checkpoint, images, augmentation=self.changes, seed=self.seed + number)
            for number in range(1, self.copies + 1)
        )
        return [encode_data(checkpoint, images), *changed]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is known of the codes of one model.

    Attributes:
        codes: (N, Z) of simulated and of real events, copies included.
        labels: (N,) class names.
        fold: (N,) of real events, `IN_NO_FOLD` of simulated ones.
        plain: (N,) whether an event is as it was seen, no copy.
        spare: Codes and labels of simulated events that no model was trained on.
        seed: Of the centres.
    """

    codes: NDArray[np.float32]
    labels: NDArray[np.object_]
    fold: NDArray[np.int64]
    plain: NDArray[np.bool_]
    spare: tuple[NDArray[np.float32], NDArray[np.object_]]
    seed: int

    @classmethod
    def prepare(
        cls, checkpoint: Checkpoint, teachers: Teachers, real: RealEvents, left_out: int
    ) -> "Lesson":
        """Codes of all that a head may learn from: nothing of one fold; with `ALL` everything."""
        shape = checkpoint.model.settings.image_shape[-2:]
        known = teachers.codes(checkpoint, teachers.known)
        own = np.flatnonzero(real.taught & (real.fold != left_out))
        seen = teachers.codes(checkpoint, real.data(shape, ALL, rows=own))
        return cls(
            codes=np.concatenate([*known, *seen]),
            labels=np.concatenate(
                [teachers.known.labels] * len(known) + [real.label[own]] * len(seen)
            ),
            fold=np.concatenate(
                [np.full(len(each), IN_NO_FOLD) for each in known] + [real.fold[own]] * len(seen)
            ),
            plain=np.concatenate(
                [
                    np.full(len(each), i == 0)
                    for each in (known, seen)
                    for i, each in enumerate(each)
                ]
            ),
            spare=(encode_data(checkpoint, teachers.spare), teachers.spare.labels),
            seed=teachers.seed,
        )

    def choose(self) -> ChosenHead:
        """The head whose settings name best what it did not see."""
        return choose_head(self.codes, self.labels, self.fold)

    def prototypes(self) -> Prototypes:
        """Centres and metric of events as they are, the real ones repeated so that they count."""
        simulated = self.plain & (self.fold == IN_NO_FOLD)
        real = self.plain & (self.fold != IN_NO_FOLD)
        rows = [np.flatnonzero(simulated)]
        for name in np.unique(self.labels[real].astype(str)):
            own = np.flatnonzero(real & (self.labels == name))
            beside = int((simulated & (self.labels == name)).sum())
            rows.append(np.resize(own, max(len(own), round(CENTRE_SHARE * beside))))
        chosen = np.concatenate(rows)
        return Prototypes.fit(
            self.codes[chosen], self.labels[chosen], held_out=self.spare, seed=self.seed
        )


def choose_teachers(
    simulated: TrainingData, changes: Augmentation, *, count: int, copies: int, seed: int
) -> Teachers:
    """Some simulated events of the training split, and some that no model was trained on."""
    return Teachers(
        known=some_of(simulated, ("train", ""), count, seed),
        spare=some_of(simulated, ("validation",), count, seed),
        # One view of each event is wanted, and the lenders of a few real events are few.
        changes=changes.model_copy(update={"positive_pairs": False, "other_noise": 0.0}),
        copies=copies,
        seed=seed,
    )


def some_of(data: TrainingData, splits: Sequence[str], count: int, seed: int) -> TrainingData:
    """Some labelled events of some splits, at random."""
    rows = data.rows(*splits)
    rows = rows[data.labels[rows] != ""]
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:count])
    images = data.images(torch.from_numpy(chosen)).numpy()
    return TrainingData.from_images(images, labels=data.labels[chosen])
