"""Scores of predicted classes, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.statistics import binomial_interval, bootstrap_interval, percentile_interval

MEASURES = ("accuracy", "macro_recall", "macro_f1")


class ClassScore(NamedTuple):
    """Scores of one class: number of events, recall and precision.

    `low` and `high` are the exact binomial interval of the recall (Clopper & Pearson 1934);
    a precision of a class that is never claimed is NaN.
    """

    name: str
    events: int
    recall: float
    low: float
    high: float
    precision: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of predicted classes.

    Attributes:
        names: Every class that is true or predicted, sorted.
        confusion: (K, K) events by true class (row) and predicted class (column).
        accuracy: Share of events predicted rightly.
        macro_recall: Mean over the true classes of the share predicted rightly.
        macro_f1: Mean over the true classes of the harmonic mean of precision and recall.
        intervals: (3, 2) intervals of the three, in this order; NaN where all events are of
            one group.
    """

    names: tuple[str, ...]
    confusion: NDArray[np.int64]
    accuracy: float
    macro_recall: float
    macro_f1: float
    intervals: NDArray[np.float64]

    def rows(self, what: str) -> list[tuple[str, str, float, float, float]]:
        """Rows of a table: scored object, measure, value and interval."""
        return [
            (what, name, getattr(self, name), float(low), float(high))
            for name, (low, high) in zip(MEASURES, self.intervals, strict=True)
        ]

    def classes(self) -> list[ClassScore]:
        """The scores of every true class."""
        events, claims = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return [
            _class_score(self.names[k], int(self.confusion[k, k]), int(events[k]), int(claims[k]))
            for k in np.flatnonzero(events)
        ]


def score(
    truth: NDArray[np.object_],
    predicted: NDArray[np.object_],
    rng: np.random.Generator,
    *,
    groups: NDArray | None = None,
    resamples: int = 1000,
) -> Scores:
    """Compare predicted classes with true ones.

    Args:
        truth: (N,) true class names.
        predicted: (N,) predicted class names.
        rng: Draws the resamples.
        groups: (N,) events of one group, such as a day, are drawn together; None draws
            single events.
        resamples: Bootstrap resamples behind the intervals; 0: the intervals are NaN.

    Raises:
        InputError: no event, or lengths differ.
    """
    names, cells = _cells(truth, predicted[None])
    confusion = _confusion(cells[0], len(names), None)
    if resamples:
        intervals = bootstrap_interval(
            lambda weights: _measures(_confusion(cells[0], len(names), weights)),
            np.arange(len(truth)) if groups is None else groups,
            rng,
            resamples=resamples,
        )
    else:
        intervals = np.full((len(MEASURES), 2), np.nan)
    return _scores(names, confusion, _measures(confusion), intervals)


def score_draws(
    truth: NDArray[np.object_],
    predicted: NDArray[np.object_],
) -> Scores:
    """Scores of a classifier fitted several times to different known events.

    Args:
        truth: (N,) true class names.
        predicted: (R, N) predicted class names of each fit.

    Returns:
        Means over the fits, with percentiles over them as intervals; the confusion is summed.

    Raises:
        InputError: no event, or lengths differ.
    """
    names, cells = _cells(truth, predicted)
    confusions = [_confusion(row, len(names), None) for row in cells]
    spread = np.array([_measures(confusion) for confusion in confusions])
    mean = tuple(map(float, spread.mean(axis=0)))
    return _scores(names, np.sum(confusions, axis=0), mean, percentile_interval(spread))


def _cells(
    truth: NDArray[np.object_], predicted: NDArray[np.object_]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """All class names, and the index (R, N) of each guess in the flattened confusion matrix."""
    if len(truth) != predicted.shape[1] or len(truth) == 0:
        raise InputError(
            "true and predicted classes differ in length, or are empty",
            found=(len(truth), predicted.shape[1]),
        )
    together = np.concatenate([truth, predicted.ravel()]).astype(str)
    names, index = np.unique(together, return_inverse=True)
    guesses = index[len(truth) :].reshape(predicted.shape)
    return tuple(map(str, names)), index[: len(truth)] * len(names) + guesses


def _scores(
    names: tuple[str, ...],
    confusion: NDArray[np.float64],
    measures: tuple[float, ...],
    intervals: NDArray[np.float64],
) -> Scores:
    return Scores(
        names=names,
        confusion=confusion.astype(np.int64),
        **dict(zip(MEASURES, measures, strict=True)),
        intervals=intervals,
    )


def _confusion(cells: NDArray, classes: int, weights: NDArray | None) -> NDArray[np.float64]:
    counts = np.bincount(cells, weights, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.float64)


def _measures(confusion: NDArray[np.float64]) -> tuple[float, float, float]:
    """Accuracy, macro recall and macro F1 over classes with events."""
    events, claims, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    true = events > 0
    recall = right[true] / events[true]
    f1 = 2 * right[true] / (events + claims)[true]
    return float(right.sum() / events.sum()), float(recall.mean()), float(f1.mean())


def _class_score(name: str, right: int, events: int, claims: int) -> ClassScore:
    low, high = binomial_interval(right, events)
    precision = right / claims if claims else np.nan
    return ClassScore(name, events, right / events, low, high, precision)
