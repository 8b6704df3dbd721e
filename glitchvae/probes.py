"""How much codes, pixels or tables know of the classes: simple classifiers and their scores.

The simple classifiers are on purpose: what they get right is what the codes hold, not
what a clever classifier can make of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from glitchvae.errors import InputError
from glitchvae.store import Progress
from glitchvae.training import Augmentation, TrainingData
from glitchvae.training.data import augmented


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How well predicted classes agree with true ones.

    Attributes:
        names: Every class that is true or predicted, sorted.
        confusion: (K, K) events by true class (row) and predicted class (column).
        accuracy: Share of events predicted rightly.
        macro_recall: Mean over the true classes of the share predicted rightly.
        macro_f1: Mean over the true classes of the harmonic mean of precision and recall.
        intervals: (3, 2) bootstrap intervals of the three, in this order.
    """

    names: tuple[str, ...]
    confusion: NDArray[np.int64]
    accuracy: float
    macro_recall: float
    macro_f1: float
    intervals: NDArray[np.float64]

    def rows(self, what: str) -> list[tuple[str, str, float, float, float]]:
        """Lines of a table: what was scored, the measure, its value and its interval."""
        names = ("accuracy", "macro_recall", "macro_f1")
        return [
            (what, name, getattr(self, name), float(low), float(high))
            for name, (low, high) in zip(names, self.intervals, strict=True)
        ]


def score(
    truth: NDArray[np.object_],
    predicted: NDArray[np.object_],
    rng: np.random.Generator,
    *,
    groups: NDArray[np.int64] | None = None,
    resamples: int = 1000,
    confidence: float = 0.9,
) -> Scores:
    """Compare predicted classes with true ones.

    Args:
        truth: (N,) true class names.
        predicted: (N,) predicted class names.
        rng: Draws the resamples.
        groups: (N,) events of one group, such as a day, are drawn together: events that
            resemble each other are no independent evidence. None draws single events.
        resamples: Bootstrap resamples behind the intervals.
        confidence: Of the intervals, central (percentile bootstrap, Efron 1979).

    Raises:
        InputError: no event, or lengths differ.
    """
    if len(truth) != len(predicted) or len(truth) == 0:
        raise InputError("no pairs of classes", found=(len(truth), len(predicted)))
    names, index = np.unique(np.concatenate([truth, predicted]).astype(str), return_inverse=True)
    cells = index[: len(truth)] * len(names) + index[len(truth) :]
    owners = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = owners.max() + 1
    drawn = (
        np.bincount(rng.integers(count, size=count), minlength=count)[owners]
        for _ in range(resamples)
    )
    spread = [_measures(_confusion(cells, len(names), weights)) for weights in drawn]
    tail = (1 - confidence) / 2
    confusion = _confusion(cells, len(names), None)
    accuracy, recall, f1 = _measures(confusion)
    return Scores(
        names=tuple(map(str, names)), confusion=confusion.astype(np.int64), accuracy=accuracy,
        macro_recall=recall, macro_f1=f1,
        intervals=np.quantile(spread, (tail, 1 - tail), axis=0).T,
    )  # fmt: skip


def _confusion(cells: NDArray, classes: int, weights: NDArray | None) -> NDArray[np.float64]:
    counts = np.bincount(cells, weights, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.float64)


def _measures(confusion: NDArray[np.float64]) -> tuple[float, float, float]:
    """Accuracy, macro recall and macro F1 over the classes that have events."""
    events, claims, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    true = events > 0
    recall = right[true] / events[true]
    f1 = 2 * right[true] / (events + claims)[true]
    return float(right.sum() / events.sum()), float(recall.mean()), float(f1.mean())


def fit_linear_probe(codes: NDArray[np.floating], labels: NDArray[np.object_]) -> Pipeline:
    """Logistic regression on standardised codes (N, Z), every class with equal weight."""
    probe = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
    )
    return probe.fit(codes, labels.astype(str))


def one_shot(
    codes: NDArray[np.floating], labels: NDArray[np.object_], rng: np.random.Generator
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Name events after the nearest of one known event per class.

    Args:
        codes: (N, Z) codes or pixels; the distance is Euclidean.
        labels: (N,) class names. A class with a single event is known and not asked for.
        rng: Draws the known event of every class.

    Returns:
        True and predicted class of every event that is not a known one.

    Raises:
        InputError: no class has two events.
    """
    known = np.array([rng.choice(np.flatnonzero(labels == name)) for name in np.unique(labels)])
    asked = np.setdiff1d(np.arange(len(labels)), known)
    if len(asked) == 0:
        raise InputError("nothing to ask for", expected="a class of two events or more")
    nearest = NearestNeighbors(n_neighbors=1).fit(codes[known])
    rows = nearest.kneighbors(codes[asked], return_distance=False)[:, 0]
    return labels[asked], labels[known[rows]]


class Classifier(nn.Module):
    """A small convolutional network: images prepared for a model -> class scores.

    Time is averaged away in the end, frequency is not: where a glitch lies in frequency
    tells its class, when it happens within the image does not.
    """

    def __init__(self, classes: int, widths: tuple[int, ...] = (16, 32, 64, 64)):
        super().__init__()
        blocks = [
            nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)
            )
            for a, b in zip((5, *widths), widths, strict=False)
        ]
        self.features = nn.Sequential(
            nn.AvgPool2d(2), *blocks, nn.AdaptiveAvgPool2d((4, 2)), nn.Flatten(), nn.Dropout(0.3)
        )
        self.scores = nn.Linear(8 * widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, classes) of inputs (B, 5, F, T)."""
        return self.scores(self.features(x))


def train_classifier(
    data: TrainingData,
    *,
    epochs: int,
    seed: int,
    augmentation: Augmentation | None = None,
    batch_size: int = 64,
    progress: Progress = lambda _: None,
) -> tuple[Classifier, tuple[str, ...]]:
    """Train a `Classifier` on all events of `data`, augmented as a VAE's are.

    Returns:
        The network in evaluation mode, and its class names.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    names, classes = np.unique(data.labels.astype(str), return_inverse=True)
    model, truth = Classifier(len(names)), torch.from_numpy(classes)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    batches = max(len(data) // batch_size, 1)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * batches)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(data)), batches):
            chosen = torch.from_numpy(rows)
            x = augmented(data.batch(chosen), augmentation or Augmentation(), rng).x
            loss = nn.functional.cross_entropy(model(x), truth[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
        progress(1)
    return model.eval(), tuple(map(str, names))


def predict_classes(
    model: Classifier, names: tuple[str, ...], data: TrainingData, *, batch_size: int = 64
) -> NDArray[np.object_]:
    """(N,) the class with the highest score of every event."""
    parts = (slice(i, i + batch_size) for i in range(0, len(data), batch_size))
    with torch.inference_mode():
        best = torch.cat([model(data.batch(part).x).argmax(dim=1) for part in parts])
    return np.asarray(names, dtype=object)[best.numpy()]


def reduced_pixels(data: TrainingData, *, batch_size: int = 256) -> NDArray[np.float32]:
    """(N, pixels) the four views as a model sees them, squares of four pixels averaged."""
    parts = (slice(i, i + batch_size) for i in range(0, len(data), batch_size))
    views = (data.batch(part).x[:, :-1] for part in parts)
    return np.concatenate([nn.functional.avg_pool2d(x, 2).flatten(1).numpy() for x in views])
