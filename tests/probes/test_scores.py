"""Scores are those of scikit-learn, and their intervals those of statistics."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
)

from glitchvae.errors import InputError
from glitchvae.probes import score, score_draws

NAMES = np.array(["Blip", "Tomte", "Whistle", "Koi_Fish"], dtype=object)


@pytest.fixture
def guesses(rng):
    truth = rng.choice(NAMES[:3], 300)
    return truth, np.where(rng.random(300) < 0.7, truth, rng.choice(NAMES, 300))


def test_scores_are_those_of_scikit_learn(guesses, rng):
    truth, guess = guesses
    scores = score(truth, guess, rng, resamples=10)
    true = np.unique(truth.astype(str))
    f1 = f1_score(truth.astype(str), guess.astype(str), labels=true, average="macro")
    assert scores.accuracy == pytest.approx(accuracy_score(truth, guess))
    assert scores.macro_f1 == pytest.approx(f1)
    recall = np.diag(scores.confusion)[scores.confusion.any(axis=1)]
    assert scores.macro_recall == pytest.approx(
        np.mean(recall / scores.confusion.sum(axis=1)[scores.confusion.any(axis=1)])
    )
    expected = confusion_matrix(truth.astype(str), guess.astype(str), labels=scores.names)
    np.testing.assert_array_equal(scores.confusion, expected)


def test_macro_recall_is_balanced_accuracy(guesses, rng):
    truth, guess = guesses
    guess = np.where(guess == "Koi_Fish", "Blip", guess)  # scikit-learn warns of unseen classes
    expected = balanced_accuracy_score(truth.astype(str), guess.astype(str))
    assert score(truth, guess, rng, resamples=10).macro_recall == pytest.approx(expected)


def test_without_resamples_there_is_no_interval(guesses, rng):
    scores = score(*guesses, rng, resamples=0)
    assert scores.accuracy == score(*guesses, rng, resamples=10).accuracy
    assert np.isnan(scores.intervals).all()
    assert np.shape(scores.intervals) == np.shape(score(*guesses, rng, resamples=2).intervals)


def test_the_interval_is_that_of_a_share(guesses, rng):
    truth, guess = guesses
    scores = score(truth, guess, rng, resamples=2000)
    deviation = np.sqrt(scores.accuracy * (1 - scores.accuracy) / len(truth))
    expected = scores.accuracy + 1.645 * deviation * np.array([-1, 1])
    np.testing.assert_allclose(scores.intervals[0], expected, atol=0.006)


def test_events_that_come_together_are_drawn_together(guesses, rng):
    """Ten copies of every event are no more evidence than one."""
    truth, guess = guesses
    single = score(truth, guess, rng, resamples=500)
    copied = score(
        np.repeat(truth, 10),
        np.repeat(guess, 10),
        rng,
        groups=np.repeat(np.arange(len(truth)), 10),
        resamples=500,
    )
    np.testing.assert_allclose(copied.intervals, single.intervals, atol=0.02)


@pytest.mark.parametrize(("true", "guessed"), [(0, 0), (2, 3)])
def test_scores_need_pairs(true, guessed, rng):
    with pytest.raises(InputError, match="differ in length"):
        score(NAMES[:true], NAMES[:guessed], rng)


def test_scores_of_a_class_are_exact_binomial(guesses, rng):
    truth, guess = guesses
    guess = np.where(truth == "Tomte", "Blip", guess)  # never recognised
    found = {one.name: one for one in score(truth, guess, rng, resamples=10).classes()}
    assert set(found) == set(NAMES[:3])
    for name, one in found.items():
        right = int(np.sum((truth == name) & (guess == name)))
        interval = binomtest(right, one.events).proportion_ci(0.9, method="exact")
        assert one.recall == pytest.approx(right / np.sum(truth == name))
        assert (one.low, one.high) == pytest.approx((interval.low, interval.high))
    precision = precision_score(truth.astype(str), guess.astype(str), labels=["Blip"], average=None)
    assert found["Blip"].precision == pytest.approx(precision[0])


def test_draws_are_averaged_and_summed(guesses, rng):
    truth, guess = guesses
    draws = np.stack([guess, truth])
    scores = score_draws(truth, draws)
    one, two = (score(truth, row, rng, resamples=10) for row in draws)
    assert scores.accuracy == pytest.approx((one.accuracy + 1) / 2)
    assert scores.macro_f1 == pytest.approx((one.macro_f1 + 1) / 2)
    assert scores.confusion.sum() == one.confusion.sum() + two.confusion.sum()
    assert one.accuracy <= scores.intervals[0, 0] < scores.intervals[0, 1] <= 1
