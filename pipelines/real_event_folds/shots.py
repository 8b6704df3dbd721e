"""How far one, three and ten real events of each class go, with an encoder that saw none."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from glitchvae.checkpoint import Checkpoint
from glitchvae.probes import encode_data
from glitchvae.probes.heads import REAL_WEIGHTS, fit_head
from glitchvae.recipes import Row

from .naming import PIXELS, blur
from .real_events import ALL, RealEvents
from .teaching import Teachers

SHOTS = (1, 3, 10)
DRAWS = 50
PENALTY = 1e-3
"""Of the heads: the middle of what `choose_head` tries, chosen by nothing here."""


def name_by_shots(
    start: Checkpoint,
    teachers: Teachers,
    real: RealEvents,
    *,
    seed: int,
    sizes: Sequence[int] = SHOTS,
    draws: int = DRAWS,
) -> Iterator[Row]:
    """Accuracy on the events that were not drawn, over draws of a few events a class.

    Classes are those with more than twice the largest number of events. The head on codes knows
    all classes from simulated events; the pixel baselines know those few alone, and choose among
    fewer.
    """
    names, counts = np.unique(real.label.astype(str), return_counts=True)
    names = names[counts > 2 * max(sizes)]
    if len(names) < 2:
        return
    asked = np.flatnonzero(np.isin(real.label, names))
    labels = real.label[asked]
    shape = start.model.settings.image_shape[-2:]
    simulated = encode_data(start, teachers.known)
    codes = encode_data(start, real.data(shape, ALL, rows=asked))
    pixels = blur(real.images.images[asked])
    for shots in sizes:
        right: dict[str, list[NDArray[np.float64]]] = {}
        rng = np.random.default_rng([seed, shots])
        for _ in range(draws):
            drawn = np.zeros(len(asked), dtype=bool)
            for name in names:
                drawn[rng.choice(np.flatnonzero(labels == name), shots, replace=False)] = True
            weights = np.r_[np.ones(len(simulated)), np.full(drawn.sum(), REAL_WEIGHTS[-1])]
            head = fit_head(
                np.concatenate([simulated, codes[drawn]]),
                np.concatenate([teachers.known.labels, labels[drawn]]),
                weights,
                penalty=PENALTY,
            )
            said = np.array(head.names)[head.probabilities(codes).argmax(axis=1)]
            right.setdefault("codes", []).append(np.where(drawn, np.nan, said == labels))
            for method, classifier in (
                (PIXELS[0], KNeighborsClassifier(1, metric="cosine")),
                (PIXELS[1], make_pipeline(StandardScaler(), LogisticRegression(C=0.1))),
            ):
                classifier.fit(pixels[drawn], labels[drawn].astype(str))
                said = classifier.predict(pixels)
                right.setdefault(method, []).append(np.where(drawn, np.nan, said == labels))
        for method, found in right.items():
            what = f"{method}, {shots} real events a class, {draws} draws"
            table = np.array(found)
            yield _spread(what, "accuracy", table)
            for name in names:
                yield _spread(what, name, table[:, labels == name])


def _spread(what: str, measure: str, right: NDArray[np.floating]) -> Row:
    """Mean over draws (D, N) and where 90 % of the draws lie; NaN was drawn and is not asked."""
    each = np.nanmean(right, axis=1)
    low, high = np.quantile(each, [0.05, 0.95])
    return what, measure, float(each.mean()), float(low), float(high)
