"""Probes and scores: against scikit-learn, and on classes that are told apart by hand."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from glitchvae.errors import InputError
from glitchvae.probes import (
    Classifier,
    fit_linear_probe,
    one_shot,
    predict_classes,
    reduced_pixels,
    score,
    train_classifier,
)
from glitchvae.training import Augmentation, TrainingData

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
        np.repeat(truth, 10), np.repeat(guess, 10), rng,
        groups=np.repeat(np.arange(len(truth)), 10), resamples=500,
    )  # fmt: skip
    np.testing.assert_allclose(copied.intervals, single.intervals, atol=0.02)


@pytest.mark.parametrize(("true", "guessed"), [(0, 0), (2, 3)])
def test_scores_need_pairs(true, guessed, rng):
    with pytest.raises(InputError, match="no pairs"):
        score(NAMES[:true], NAMES[:guessed], rng)


@pytest.fixture
def clusters(rng):
    """Codes around one centre per class, on scales that differ by class of number."""
    labels = np.repeat(NAMES, 30)
    centres = rng.normal(size=(4, 6)) * 20
    return np.repeat(centres, 30, axis=0) + rng.normal(size=(120, 6)), labels


def test_a_linear_probe_does_not_see_the_scale_of_a_code(clusters):
    codes, labels = clusters
    scale = np.logspace(-3, 3, 6)
    np.testing.assert_array_equal(fit_linear_probe(codes, labels).predict(codes), labels)
    np.testing.assert_array_equal(
        fit_linear_probe(codes * scale, labels).predict(codes * scale), labels
    )


def test_one_known_event_names_its_cluster_and_is_not_asked_for(clusters, rng):
    codes, labels = clusters
    truth, guess = one_shot(codes, labels, rng)
    assert len(truth) == len(labels) - len(NAMES)
    np.testing.assert_array_equal(guess, truth)


def test_single_events_are_known_but_not_asked_for(rng):
    labels = np.array(["Blip", "Tomte", "Tomte"], dtype=object)
    truth, guess = one_shot(np.array([[0.0], [5.0], [1.0]]), labels, rng)
    assert list(truth) == ["Tomte"]
    assert guess[0] in {"Blip", "Tomte"}
    with pytest.raises(InputError, match="nothing to ask"):
        one_shot(np.eye(3), NAMES[:3], rng)


def test_the_network_learns_where_in_frequency_a_glitch_lies():
    rng = np.random.default_rng(3)
    images = rng.exponential(size=(32, 4, 70, 85)).astype(np.float32)
    images[::2, :, 10:20, 40:45] = 25
    images[1::2, :, 45:55, 40:45] = 25
    labels = np.resize(np.array(["low", "high"], dtype=object), 32)
    data = TrainingData.from_images(images, labels=labels)
    still = Augmentation(band_limit=0)
    model, names = train_classifier(data, epochs=15, seed=0, batch_size=8, augmentation=still)
    assert names == ("high", "low")
    np.testing.assert_array_equal(predict_classes(model, names, data), labels)


def test_class_scores_have_a_row_for_every_event():
    with torch.inference_mode():
        assert Classifier(24).eval()(torch.zeros(2, 5, 140, 170)).shape == (2, 24)


def test_reduced_pixels_are_means_of_squares_of_four(rng):
    data = TrainingData.from_images(rng.uniform(0, 25, (3, 4, 140, 170)))
    pixels = reduced_pixels(data, batch_size=2).reshape(3, 4, 70, 85)
    x = data.batch(slice(None)).x.numpy()
    np.testing.assert_allclose(pixels[2, 1, 3, 5], x[2, 1, 6:8, 10:12].mean(), rtol=1e-5)
