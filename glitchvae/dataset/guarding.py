"""The leakage guard: what a split at random promises, beside what time blocks deliver.

The same simple classifier (principal components of small images, then logistic
regression) is fitted and tested under both splits. Where the random one scores higher,
its test events are neighbours in time of its training events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.dataset.splitting import DAY, Fractions, shared_blocks, split_by_time_blocks
from glitchvae.errors import InputError
from glitchvae.shapes import ENERGY_CEILING
from glitchvae.spectrogram import SpectrogramSet

_POOL = (10, 10)
"""Pixels (frequency, time) that one of the small image stands for: 14 x 17 a view."""

_COMPONENTS = 40
_CHUNK = 256


@dataclass(frozen=True, kw_only=True)
class Score:
    """What the simple classifier reached on the test events.

    Attributes:
        accuracy: Share of test events given their label.
        macro_recall: The same for each class, averaged over the classes in the test.
        events: Test events.
    """

    accuracy: float
    macro_recall: float
    events: int


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One split and the time-blocked one side by side.

    Attributes:
        chosen: Score under the split in question.
        blocked: Score where whole blocks of time are held out.
        shared: Blocks of time with events in more than one split of the chosen one.
    """

    chosen: Score
    blocked: Score
    shared: int


def guard_split(
    spectrograms: SpectrogramSet,
    split: Sequence[str] | NDArray[Any],
    rng: np.random.Generator,
    *,
    fractions: Fractions = (0.7, 0.15, 0.15),
    block: float = DAY,
) -> Guard:
    """Score a split beside one by time blocks, over the usable events with a label.

    Args:
        spectrograms: N images with labels and times.
        split: (N,) the split in question.
        rng: Decides which blocks are held out.
        fractions: Shares of the time-blocked split.
        block: Length of a block (s).

    Raises:
        InputError: no labels, an event without a time, or a split whose training or test
            part holds too little to score.
    """
    rows = np.flatnonzero(spectrograms.usable & _labelled(spectrograms))
    gps = spectrograms.gps[rows]
    blocked = split_by_time_blocks(gps, rng, fractions=fractions, block=block)
    chosen = np.asarray(split, dtype=object)[rows]
    small = shrink(spectrograms.images, rows)
    labels = spectrograms.label[rows].astype(str)  # type: ignore[index]
    return Guard(
        chosen=_score(small, labels, chosen, "the split in question"),
        blocked=_score(small, labels, blocked, "the split by blocks of time"),
        shared=shared_blocks(gps, chosen, block=block),
    )


def shrink(images: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, pixels) roots of energies of some events, averaged over blocks of pixels."""
    parts = [_shrink(images[rows[i : i + _CHUNK]]) for i in range(0, len(rows), _CHUNK)]
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


def _shrink(images: NDArray[np.floating]) -> NDArray[np.float32]:
    events, views, height, width = images.shape
    rows, columns = _POOL
    energies = np.nan_to_num(images.astype(np.float32)).clip(0, ENERGY_CEILING)
    blocks = (events, views, height // rows, rows, width // columns, columns)
    return np.sqrt(energies / ENERGY_CEILING).reshape(blocks).mean(axis=(3, 5)).reshape(events, -1)


def _labelled(spectrograms: SpectrogramSet) -> NDArray[np.bool_]:
    if spectrograms.label is None:
        return np.zeros(len(spectrograms), dtype=bool)
    return spectrograms.label != ""


def _score(
    small: NDArray[np.float32], labels: NDArray[Any], split: NDArray[Any], name: str
) -> Score:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = split == "train", split == "test"
    if not test.any() or len(set(labels[train])) < 2:
        raise InputError(
            "too few labelled events to score", where=name,
            expected="test events, and training events of two classes",
            found=f"{test.sum()} test events, {len(set(labels[train]))} classes to train on",
        )  # fmt: skip
    components = min(_COMPONENTS, int(train.sum()) - 1, small.shape[1])
    model = make_pipeline(
        PCA(components, random_state=0), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    found = model.fit(small[train], labels[train]).predict(small[test])
    right = found == labels[test]
    recalls = [np.mean(right[labels[test] == name]) for name in np.unique(labels[test])]
    return Score(
        accuracy=float(np.mean(right)), macro_recall=float(np.mean(recalls)), events=len(right)
    )
