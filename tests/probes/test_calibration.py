"""Stated and kept probabilities, bin by bin."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from glitchvae.errors import InputError
from glitchvae.probes import calibrate


def test_bins_are_those_of_scikit_learn(rng):
    confidence = rng.uniform(0.1, 1, 500)
    right = rng.random(500) < confidence**2
    found = calibrate(confidence, right, bins=10)
    kept, stated = calibration_curve(right, confidence, n_bins=10)
    np.testing.assert_allclose(found.accuracy, kept)
    np.testing.assert_allclose(found.confidence, stated)
    assert found.count.sum() == 500


def test_a_kept_promise_has_no_error_and_a_boast_has_its_size(rng):
    confidence = rng.uniform(0.5, 1, 200_000)
    assert calibrate(confidence, rng.random(200_000) < confidence).error < 0.005
    boast = calibrate(np.full(1000, 0.9), np.arange(1000) < 600)
    assert boast.error == pytest.approx(0.3)
    assert boast.count.tolist() == [1000]


def test_certainty_falls_into_the_last_bin():
    assert calibrate(np.array([1.0, 0.0]), np.array([True, False])).error == 0


@pytest.mark.parametrize("confidence", [[], [0.5, 0.5], [1.2], [np.nan]])
def test_what_is_no_probability_is_refused(confidence):
    with pytest.raises(InputError):
        calibrate(np.array(confidence), np.array([True]))
