"""Names of real events, each by what has not seen its fold: from codes, and from pixels alone."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from glitchvae.checkpoint import Checkpoint
from glitchvae.models import prepare, reduce
from glitchvae.probes import choose_head, encode_data
from glitchvae.probes.heads import IN_NO_FOLD
from glitchvae.training import TrainingData

from .real_events import RealEvents

BLURRED = (35, 42)
"""Rows and columns that the views are averaged to for the pixel baselines."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """What one method says of every real event.

    Attributes:
        method: Its name.
        names: (K,) classes.
        probabilities: (N, K).
    """

    method: str
    names: tuple[str, ...]
    probabilities: NDArray[np.float64]

    @property
    def said(self) -> NDArray[np.object_]:
        """(N,) the most probable class of each event."""
        return np.array(self.names, dtype=object)[self.probabilities.argmax(axis=1)]


def name_fold(
    checkpoint: Checkpoint,
    simulated: TrainingData,
    images: TrainingData,
    real: RealEvents,
    held_out: int,
    names: tuple[str, ...],
) -> NDArray[np.float64]:
    """Probabilities (M, K) of the events of one fold by a head on codes, blind to that fold."""
    own = real.fold == held_out
    codes = encode_data(checkpoint, images)
    labels = np.where(real.taught, real.label, "")
    codes_of_simulated = encode_data(checkpoint, simulated)
    inner = np.concatenate([np.full(len(simulated), IN_NO_FOLD), real.fold[~own]])
    chosen = choose_head(
        np.concatenate([codes_of_simulated, codes[~own]]),
        np.concatenate([simulated.labels, labels[~own]]),
        inner,
    )
    found = np.zeros((int(own.sum()), len(names)))
    columns = [names.index(name) for name in chosen.head.names]
    found[:, columns] = chosen.head.probabilities(codes[own])
    return found


def name_by_pixels(
    images: TrainingData, real: RealEvents, names: tuple[str, ...], *, seed: int
) -> list[Named]:
    """The pixel baselines, each learnt from the real events of the other folds alone."""
    x = prepare(images.images(slice(None)))[0]
    pixels = reduce(x, BLURRED)[:, :-1].flatten(1).numpy()
    return [
        _named(method, pipeline, pixels, real, names)
        for method, pipeline in (
            ("pixels, nearest neighbour", KNeighborsClassifier(1, metric="cosine")),
            ("pixels, logistic regression", _linear()),
            (
                "pixels, 32 components",
                make_pipeline(PCA(32, svd_solver="randomized", random_state=seed), _linear()),
            ),
        )
    ]


def _linear() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1))


def _named(
    method: str,
    classifier: Pipeline | KNeighborsClassifier,
    pixels: NDArray[np.float32],
    real: RealEvents,
    names: tuple[str, ...],
) -> Named:
    probabilities = np.zeros((len(pixels), len(names)))
    for number in np.unique(real.fold):
        own = real.fold == number
        seen = real.taught & ~own
        if isinstance(classifier, Pipeline) and "pca" in classifier.named_steps:
            most = min(32, int(seen.sum()) - 1)
            classifier = classifier.set_params(pca__n_components=most)
        classifier.fit(pixels[seen], real.label[seen].astype(str))
        columns = [names.index(name) for name in classifier.classes_]
        probabilities[np.ix_(own, columns)] = classifier.predict_proba(pixels[own])
    return Named(method=method, names=names, probabilities=probabilities)


def some_of(data: TrainingData, count: int, seed: int) -> TrainingData:
    """Some labelled training events of a set, at random."""
    rows = data.rows("train", "")
    rows = rows[data.labels[rows] != ""]
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:count])
    return TrainingData.from_images(
        data.images(torch.from_numpy(chosen)).numpy(), labels=data.labels[chosen]
    )
