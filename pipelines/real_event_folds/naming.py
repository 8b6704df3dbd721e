"""Names of real events, each by what has not seen its fold: from codes, and from pixels alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from glitchvae.models import prepare, reduce

from .real_events import RealEvents

BLURRED = (35, 42)
"""Rows and columns that the views are averaged to for the pixel baselines."""

PIXELS = (
    "pixels, nearest neighbour",
    "pixels, logistic regression",
    "pixels, 32 components",
)


@dataclass(frozen=True, kw_only=True)
class Named:
    """What one method says of every real event.

    Attributes:
        method: Its name.
        views: Which views it saw.
        names: (K,) classes.
        probabilities: (N, K).
    """

    method: str
    views: str
    names: tuple[str, ...]
    probabilities: NDArray[np.float64]

    @property
    def column(self) -> str:
        """Method and views in one."""
        return f"{self.method}, {self.views}"

    @property
    def said(self) -> NDArray[np.object_]:
        """(N,) the most probable class of each event."""
        return np.array(self.names, dtype=object)[self.probabilities.argmax(axis=1)]


def name_by_pixels(real: RealEvents, names: tuple[str, ...], *, seed: int) -> list[Named]:
    """The pixel baselines, each learnt from the real events of the other folds alone.

    They learn from true views and are asked for every variation of them.
    """
    pixels = {views: blur(images) for views, images in real.variations()}
    return [
        Named(
            method=method,
            views=views,
            names=names,
            probabilities=_by_fold(classifier, pixels, views, real, names),
        )
        for method, classifier in zip(
            PIXELS,
            (
                KNeighborsClassifier(1, metric="cosine"),
                _linear(),
                make_pipeline(PCA(32, svd_solver="randomized", random_state=seed), _linear()),
            ),
            strict=True,
        )
        for views in pixels
    ]


def blur(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N, views x 35 x 42) the views of energies (N, views, F, T), averaged."""
    import torch

    x = prepare(torch.from_numpy(images))[0]
    return reduce(x, BLURRED)[:, :-1].flatten(1).numpy()


def _linear() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1))


def _by_fold(
    classifier: Pipeline | KNeighborsClassifier,
    pixels: dict[str, NDArray[np.float32]],
    views: str,
    real: RealEvents,
    names: tuple[str, ...],
) -> NDArray[np.float64]:
    known = next(iter(pixels.values()))
    probabilities = np.zeros((len(known), len(names)))
    for number in np.unique(real.fold):
        own = real.fold == number
        seen = real.taught & ~own
        if isinstance(classifier, Pipeline) and "pca" in classifier.named_steps:
            most = min(32, int(seen.sum()) - 1)
            classifier = classifier.set_params(pca__n_components=most)
        classifier.fit(known[seen], real.label[seen].astype(str))
        columns = [names.index(name) for name in classifier.classes_]
        probabilities[np.ix_(own, columns)] = classifier.predict_proba(pixels[views][own])
    return probabilities
