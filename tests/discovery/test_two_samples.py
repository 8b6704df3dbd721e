"""The two-sample test: right under the null, sees what its power says, counts units."""

import numpy as np
import pytest

from glitchvae.discovery.two_samples import Units, power, two_sample_p


def sample(rng, count, shift=0.0, size=8, each=1):
    middles = rng.normal(shift, 1.0, (count, size))
    codes = np.repeat(middles, each, axis=0) + 0.05 * rng.normal(size=(count * each, size))
    return Units(codes, np.repeat(np.arange(count), each))


def test_p_values_of_equal_distributions_are_uniform(rng):
    found = [
        two_sample_p(sample(rng, 15), sample(rng, 30), rng, permutations=99) for _ in range(200)
    ]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_alike_events_of_one_unit_make_no_difference(rng):
    # Ten alike events a unit: counted one by one, each would stand for ten.
    found = [
        two_sample_p(sample(rng, 10, each=10), sample(rng, 20), rng, permutations=99)
        for _ in range(100)
    ]
    assert np.mean(np.array(found) <= 0.1) < 0.2


def test_a_shift_is_seen_as_often_as_the_power_says(rng):
    own = sample(rng, 40)
    shift = 1.5
    way = np.zeros(8)
    way[0] = shift
    seen = [
        two_sample_p(Units(sample(rng, 12).codes + way, np.arange(12)), own, rng, permutations=199)
        <= 0.05
        for _ in range(60)
    ]
    assert np.mean(seen) == pytest.approx(power(own, 12, shift, 0.05, rng), abs=0.25)
    assert power(own, 12, 4.0, 0.05, rng) > 0.95
    assert power(own, 12, 0.0, 0.05, rng) < 0.15


def test_a_single_unit_says_nothing(rng):
    assert two_sample_p(sample(rng, 1, each=9), sample(rng, 20, shift=5.0), rng) == 1.0
