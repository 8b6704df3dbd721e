"""Paired differences: their mean, their interval and what it decides."""

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.probes import compare_paired


def flips(rng, share, shape=(3, 400)):
    return rng.random(shape) < share


def test_the_difference_is_that_of_accuracies(rng):
    right, other = flips(rng, 0.8), flips(rng, 0.6)
    found = compare_paired(right, other, rng)
    assert found.value == pytest.approx(right.mean() - other.mean())
    assert found.seeds == pytest.approx(tuple(right.mean(axis=1) - other.mean(axis=1)))
    assert found.interval[0] < found.value < found.interval[1]
    assert found.verdict == "confirmed"
    assert compare_paired(other, right, rng).verdict == "contradicted"


def test_equals_are_not_decided(rng):
    assert compare_paired(flips(rng, 0.7), flips(rng, 0.7), rng).verdict == "not decided"
    same = flips(rng, 0.7)
    assert compare_paired(same, same, rng).interval == (0, 0)


@pytest.mark.parametrize(("seeds", "judged"), [(1, False), (2, False), (3, True)])
def test_fewer_than_three_trainings_say_nothing_of_their_spread(rng, seeds, judged):
    found = compare_paired(flips(rng, 0.9, (seeds, 400)), flips(rng, 0.6, (seeds, 400)), rng)
    assert found.interval[0] > 0
    assert found.verdict == ("confirmed" if judged else "cannot be judged")


def test_one_seed_has_the_interval_of_a_mean(rng):
    """With one seed and single events it is the central limit theorem's."""
    right, other = flips(rng, 0.8, (1, 4000)), flips(rng, 0.7, (1, 4000))
    gain = right.astype(float) - other
    found = compare_paired(right, other, rng)
    width = 2 * 1.645 * gain.std() / np.sqrt(4000)
    assert found.interval[1] - found.interval[0] == pytest.approx(width, rel=0.15)


def test_seeds_that_disagree_and_events_that_come_together_widen_it(rng):
    right, other = flips(rng, 0.8), flips(rng, 0.7)
    plain = np.ptp(compare_paired(right, other, rng).interval)
    unsteady = right.copy()
    unsteady[0] = flips(rng, 0.4, 400)
    assert np.ptp(compare_paired(unsteady, other, rng).interval) > 2 * plain
    copies = np.ptp(
        compare_paired(
            np.repeat(right, 10, axis=1), np.repeat(other, 10, axis=1), rng,
            groups=np.repeat(np.arange(400), 10),
        ).interval
    )  # fmt: skip
    assert copies == pytest.approx(plain, rel=0.3)


def test_unlike_shapes_are_refused(rng):
    with pytest.raises(InputError, match="no pairs to compare"):
        compare_paired(flips(rng, 1), flips(rng, 1, (2, 400)), rng)
