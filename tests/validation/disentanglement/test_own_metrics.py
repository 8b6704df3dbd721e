"""Metrics of one's own beside the six."""

import numpy as np
import pytest

from glitchvae.errors import ConfigError, InputError
from glitchvae.statistics import Estimate
from glitchvae.validation.disentanglement import METRICS, Protocol, find_metric, measure, mig
from glitchvae.validation.disentanglement import steps_of as steps

FACTORS = np.stack([axis.ravel() for axis in np.indices((4, 4, 30))], axis=1)[:, :2]
PROTOCOL = Protocol().scaled_to(len(FACTORS))


def correlation(codes, factors, rng, protocol):
    """Mean of the largest correlation of each factor; 1 of the factors themselves."""
    found = np.corrcoef(codes.T, factors.T)[: codes.shape[1], codes.shape[1] :]
    return {"correlation": np.abs(found).max(axis=0).mean()}


def draw(codes, factors, rng, protocol):
    return {"draw": Estimate(rng.random(), 0.0, 1.0)}


def test_a_function_is_measured_beside_what_shuffled_codes_score():
    done = []
    (score,) = measure(
        FACTORS * 1.0, FACTORS, "ab", metrics=[correlation], protocol=PROTOCOL, progress=done.append
    )
    assert score.metric == "correlation"
    assert score.value == pytest.approx(1)
    assert score.noise < 0.2
    assert np.isnan(score.low)
    assert sum(done) == steps(False, [correlation])


def test_one_of_the_six_is_what_it_is_among_the_six():
    codes = FACTORS + np.random.default_rng(0).normal(size=FACTORS.shape)
    (alone, own) = measure(codes, FACTORS, "ab", metrics=[mig, draw], protocol=PROTOCOL)
    (expected,) = mig(codes, FACTORS, np.random.default_rng((0, 3, METRICS.index(mig))), PROTOCOL)[
        "mig"
    ][:1]
    assert alone.value == expected
    assert own.value == own.noise  # the same draws for both
    assert find_metric("mig") is mig


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda *_: 0.5, "does not return numbers by name.*float"),
        (lambda *_: {"x": "high"}, "does not return numbers"),
        (lambda *_: {}, "does not return numbers"),
        (lambda codes: {"x": 1.0}, "the metric fails.*TypeError"),
        (lambda *_: {"x": 1 / 0}, "ZeroDivisionError"),
        ("mig", "no metric"),
    ],
)
def test_what_is_no_metric_is_told(metric, message):
    with pytest.raises(InputError, match=message):
        measure(FACTORS * 1.0, FACTORS, "ab", metrics=[metric], protocol=PROTOCOL)


def test_a_misspelt_metric_is_answered_by_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown metric 'mgi' \(did you mean 'mig'"):
        find_metric("mgi")
    with pytest.raises(ConfigError, match="--import gv_nowhere"):
        find_metric("gv_nowhere:spread")
