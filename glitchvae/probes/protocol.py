"""One protocol for every probe: equal splits and test events, with baselines.

A method learns from the training rows and names the test rows. What is not test is for
training, the validation events too: penalties are chosen by cross-validation inside it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.dataset import SPLITS, shared_blocks, split_at_random, split_by_time_blocks
from glitchvae.errors import InputError
from glitchvae.probes.calibration import Calibration, calibrate
from glitchvae.probes.classifiers import (
    fit_linear_probe,
    fit_neighbours,
    fit_pixel_probe,
    fit_trigger_trees,
)
from glitchvae.probes.events import ProbeSet
from glitchvae.probes.scores import Scores, score, score_draws
from glitchvae.probes.shots import few_shot

DRAWS = 50
"""Number of draws of known events in few-shot classification."""

LINEAR_PROBE = "codes, linear probe"

_FEWEST_BLOCKS = 10
_LOG = logging.getLogger(__name__)


class ProbeTask(NamedTuple):
    """Training and test rows of `events`, and the block of time of every event."""

    events: ProbeSet
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    blocks: NDArray[np.int64]
    seed: int


class Guess(NamedTuple):
    """Predicted classes (R, n) of R fits, and their probabilities (n,) if there are some."""

    classes: NDArray[np.object_]
    confidence: NDArray[np.floating] | None


Method = Callable[[ProbeTask], Guess]


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """Result of one method under one split.

    Attributes:
        split: Name of the split.
        method: Name of the method.
        scores: Of the test events.
        calibration: Of the probabilities, None for a method without.
        test: (n,) rows of the test events.
        classes: (n,) their named classes, of the first fit.
    """

    split: str
    method: str
    scores: Scores
    calibration: Calibration | None
    test: NDArray[np.int64]
    classes: NDArray[np.object_]


def split_events(
    events: ProbeSet, rng: np.random.Generator, *, block: float
) -> dict[str, NDArray[np.object_]]:
    """The splits under which scores are computed.

    Args:
        events: N events.
        rng: Draws blocks and events.
        block: Seconds that stay together.

    Returns:
        (N,) names of splits by the name of the split: "own", where the source has one,
        "time blocks", where all times are known, and "random".
    """
    splits = {}
    if np.isin(events.split.astype(str), SPLITS).all():
        splits["own"] = events.split
    if np.isfinite(events.gps).all():
        splits["time blocks"] = split_by_time_blocks(events.gps, rng, block=block)
        if (found := len(np.unique(events.gps // block))) < _FEWEST_BLOCKS:
            _LOG.warning("only %d blocks of %g s: shorter ones give a better split", found, block)
    else:
        _LOG.warning("no split by blocks of time: not every event has a time")
    return splits | {"random": split_at_random(len(events), rng)}


def run_probes(
    events: ProbeSet,
    splits: Mapping[str, NDArray[np.object_]],
    methods: Mapping[str, Method],
    *,
    seed: int,
    block: float,
) -> Iterator[ProbeResult]:
    """Run every method under every split.

    Args:
        events: N events.
        splits: (N,) names of splits by the name of the split; see `split_events`.
        methods: See `methods_for`.
        seed: Of whatever a method draws, and of the resamples.
        block: Seconds whose events are drawn together by the bootstrap, and stay in one
            fold of the cross-validation, wherever the split keeps them together too.

    Raises:
        InputError: a split without test events, or with training events of one class.
    """
    for split, names in splits.items():
        train, test = np.flatnonzero(names != "test"), np.flatnonzero(names == "test")
        _check(events, train, test, split)
        task = ProbeTask(events, train, test, _blocks(events, names, block), seed)
        for method, guess in methods.items():
            yield _judge(task, split, method, guess(task))


def methods_for(events: ProbeSet) -> dict[str, Method]:
    """The methods that these events allow, baselines first."""
    known = {"majority class": majority}
    if np.isfinite(events.triggers).any():
        known["trigger metadata"] = by_triggers
    if events.pixels is not None:
        known["pixels, linear probe"] = by_pixels
    return known | {
        LINEAR_PROBE: by_codes,
        "codes, 5 nearest": by_neighbours,
        "codes, one-shot": by_one_shot,
        "codes, five-shot": by_five_shot,
    }


def majority(task: ProbeTask) -> Guess:
    """The commonest training class, with its share as the probability."""
    names, counts = np.unique(_labels(task).astype(str), return_counts=True)
    share = counts.max() / counts.sum()
    size = len(task.test)
    return Guess(np.full((1, size), names[counts.argmax()], object), np.full(size, share))


def by_triggers(task: ProbeTask) -> Guess:
    """Boosted trees on trigger properties and detector."""
    ifo = np.unique(task.events.ifo.astype(str), return_inverse=True)[1].astype(np.float64)
    table = np.column_stack([task.events.triggers, ifo])
    trees = fit_trigger_trees(table[task.train], _labels(task), seed=task.seed)
    return _ask(trees, table[task.test])


def by_pixels(task: ProbeTask) -> Guess:
    """The linear probe on principal components of small images.

    Raises:
        InputError: there are no images.
    """
    if (pixels := task.events.pixels) is None:
        raise InputError("no images to probe", where="events", remedy="Give image sets.")
    probe = fit_pixel_probe(
        pixels[task.train], _labels(task), groups=task.blocks[task.train], seed=task.seed
    )
    return _ask(probe, pixels[task.test])


def by_codes(task: ProbeTask) -> Guess:
    """The linear probe on codes."""
    codes, groups = task.events.codes, task.blocks[task.train]
    probe = fit_linear_probe(codes[task.train], _labels(task), groups=groups)
    return _ask(probe, codes[task.test])


def by_neighbours(task: ProbeTask) -> Guess:
    """Majority vote of the five nearest training codes."""
    codes = task.events.codes
    return _ask(fit_neighbours(codes[task.train], _labels(task)), codes[task.test])


def by_one_shot(task: ProbeTask) -> Guess:
    """Classification from one known code a class, averaged over many draws."""
    return _shots(task, 1)


def by_five_shot(task: ProbeTask) -> Guess:
    """Classification from five known codes a class, averaged over many draws."""
    return _shots(task, 5)


def _shots(task: ProbeTask, shots: int) -> Guess:
    rng = np.random.default_rng(task.seed)
    codes, labels = task.events.codes, _labels(task)
    known, asked = codes[task.train], codes[task.test]
    draws = [few_shot(known, labels, asked, rng, shots=shots) for _ in range(DRAWS)]
    return Guess(np.stack(draws), None)


def _ask(classifier: Any, features: NDArray) -> Guess:
    """The most probable class of every row and its probability, by a fitted classifier."""
    probabilities = classifier.predict_proba(features)
    names = classifier.classes_.astype(object)
    return Guess(names[probabilities.argmax(axis=1)][None], probabilities.max(axis=1))


def _judge(task: ProbeTask, split: str, method: str, guess: Guess) -> ProbeResult:
    truth, confidence = task.events.label[task.test], guess.confidence
    rng = np.random.default_rng(task.seed)
    if len(guess.classes) > 1:
        scores = score_draws(truth, guess.classes)
    else:
        scores = score(truth, guess.classes[0], rng, groups=task.blocks[task.test])
    right = guess.classes[0] == truth
    return ProbeResult(
        split=split,
        method=method,
        scores=scores,
        test=task.test,
        classes=guess.classes[0],
        calibration=None if confidence is None else calibrate(confidence, right),
    )


def _labels(task: ProbeTask) -> NDArray[np.object_]:
    return task.events.label[task.train]


def _blocks(events: ProbeSet, names: NDArray[np.object_], block: float) -> NDArray[np.int64]:
    """Block of time of every event; single events if times are unknown or blocks are split."""
    sides = np.where(names == "test", "test", "train")
    if not np.isfinite(events.gps).all() or shared_blocks(events.gps, sides, block=block):
        return np.arange(len(events))
    return np.floor(events.gps / block).astype(np.int64)


def _check(events: ProbeSet, train: NDArray[np.int64], test: NDArray[np.int64], split: str) -> None:
    classes = np.unique(events.label[train].astype(str))
    if len(test) == 0 or len(classes) < 2:
        raise InputError(
            "too few events to probe",
            where=f"split {split!r}",
            expected="test events, and training events of two classes",
            found=f"{len(test)} test events, {len(classes)} classes to learn",
            remedy="Shorter blocks of time, --block, divide the events more finely.",
        )
