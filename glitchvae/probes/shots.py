"""Few-shot classification by class means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from glitchvae.errors import InputError


def few_shot(
    known: NDArray[np.floating],
    labels: NDArray[np.object_],
    codes: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    shots: int,
) -> NDArray[np.object_]:
    """Classify events by the nearest mean of a few known events per class.

    With one shot it is the nearest known event. (Snell et al. 2017, section 2.2, with the
    codes as they are in place of a network trained for it.)

    Args:
        known: (M, Z) codes that the known events are drawn from.
        labels: (M,) their class names.
        codes: (N, Z) the events to name.
        rng: Draws the known events.
        shots: Events drawn of every class; all of a class that has fewer.

    Returns:
        (N,) class names.

    Raises:
        InputError: no known event.
    """
    if len(known) == 0:
        raise InputError("there is no known event to classify others by")
    names = np.unique(labels.astype(str))
    means = [known[_draw(labels == name, shots, rng)].mean(axis=0) for name in names]
    nearest = NearestNeighbors(n_neighbors=1).fit(np.array(means))
    rows = nearest.kneighbors(codes, return_distance=False)[:, 0]
    return names[rows].astype(object)


def one_shot(
    codes: NDArray[np.floating], labels: NDArray[np.object_], rng: np.random.Generator
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Classify events by the nearest of one known event per class.

    Args:
        codes: (N, Z) codes or pixels; the distance is Euclidean.
        labels: (N,) class names. A class with a single event is known and not asked for.
        rng: Draws the known event of every class.

    Returns:
        True and predicted class of every event that is not a known one.

    Raises:
        InputError: no class has two events.
    """
    known = np.concatenate([_draw(labels == name, 1, rng) for name in np.unique(labels)])
    asked = np.setdiff1d(np.arange(len(labels)), known)
    if len(asked) == 0:
        raise InputError("no class has two events", expected="a class of two events or more")
    return labels[asked], few_shot(codes[known], labels[known], codes[asked], rng, shots=1)


def _draw(members: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rows = np.flatnonzero(members)
    return rng.choice(rows, min(count, len(rows)), replace=False)
