"""A few known events name the others."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from glitchvae.errors import InputError
from glitchvae.probes import few_shot, one_shot

NAMES = np.array(["Blip", "Tomte", "Whistle", "Koi_Fish"], dtype=object)


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
    with pytest.raises(InputError, match="no class has two events"):
        one_shot(np.eye(3), NAMES[:3], rng)


def test_all_known_events_are_the_nearest_centroid(clusters, rng):
    codes, labels = clusters
    noisy = codes + rng.normal(size=codes.shape) * 15
    expected = NearestCentroid().fit(noisy, labels.astype(str)).predict(noisy)
    found = few_shot(noisy, labels, noisy, rng, shots=1000)
    np.testing.assert_array_equal(found, expected)


def test_more_shots_name_more_events(clusters, rng):
    codes, labels = clusters
    noisy = codes + rng.normal(size=codes.shape) * 15
    share = {
        shots: np.mean(
            [
                few_shot(noisy[::2], labels[::2], noisy[1::2], rng, shots=shots) == labels[1::2]
                for _ in range(20)
            ]
        )
        for shots in (1, 5)
    }
    assert share[1] < share[5] < 1


def test_nothing_known_is_refused(rng):
    with pytest.raises(InputError, match="no known event"):
        few_shot(np.empty((0, 2)), np.empty(0, dtype=object), np.eye(2), rng, shots=1)
