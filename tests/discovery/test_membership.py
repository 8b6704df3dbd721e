"""Members by a classifier: Bayes' rule where it is known, several groups, none."""

import numpy as np
import pytest
from scipy import stats

from glitchvae.discovery.membership import redraw, without_disturbances
from tests.discovery.conftest import background_of, sample_of


def events(codes):
    return sample_of(codes, np.zeros((len(codes), 1)))


@pytest.fixture
def halves(rng):
    """Known events around 0, as many new ones around 3, and a first guess cut at 2."""
    known, archive = rng.normal(0, 1, (400, 2)), rng.normal(0, 1, (2000, 2))
    archive[1000:, 0] += 3.0
    background = background_of(events(known), np.zeros(400, int))
    first = (archive[:, :1] > 2.0).astype(float)
    return events(archive), background, np.full(400, 2.5), first


def test_the_boundary_moves_towards_that_of_bayes(halves):
    archive, *_ = halves
    found = redraw(*halves)
    bayes = stats.norm.pdf(archive.codes[:, 0], 3.0) / (
        stats.norm.pdf(archive.codes[:, 0], 3.0) + stats.norm.pdf(archive.codes[:, 0], 0.0)
    )
    assert found.shape == (2000, 1)
    before = np.abs(halves[3][:, 0] - bayes).mean()
    assert np.abs(found[:, 0] - bayes).mean() < before
    side = (found[:, 0] > 0.5) == (bayes > 0.5)
    assert side.mean() > ((halves[3][:, 0] > 0.5) == (bayes > 0.5)).mean()


def test_rare_known_events_leave_more_to_the_group(halves):
    archive, background, weights, first = halves
    rare = redraw(archive, background, 0.01 * weights, first)
    assert (rare > 0.5).sum() > (redraw(*halves) > 0.5).sum() + 200


def test_groups_share_what_is_new(rng):
    middles = np.repeat([(0, 0), (9, 0), (0, 9)], 100, axis=0)
    archive = events(rng.normal(middles, 1.0))
    known = background_of(events(rng.normal(0, 1, (80, 2))), np.zeros(80, int))
    first = np.repeat([[0, 0], [1, 0], [0, 1]], 100, axis=0).astype(float)
    found = redraw(archive, known, np.full(80, 1.25), first)
    np.testing.assert_array_equal(found > 0.5, first > 0.5)
    assert (found.sum(axis=1) <= 1 + 1e-9).all()


def test_without_a_group_there_is_nothing_to_redraw(halves):
    archive, background, weights, _ = halves
    assert redraw(archive, background, weights, np.zeros((2000, 0))).shape == (2000, 0)


def test_a_disturbance_that_lies_apart_is_no_member(rng):
    """Thirty lone events, a pair among them, and ten of one episode far away."""
    codes = np.concatenate([rng.normal(0.0, 1.0, (32, 3)), rng.normal(12.0, 0.1, (10, 3))])
    episode = np.r_[np.arange(30), 0, 1, np.full(10, 99)]
    membership = np.column_stack([np.full(42, 0.9), np.zeros(42)])
    found = without_disturbances(codes, episode, membership)
    assert (found[32:, 0] == 0).all()
    np.testing.assert_array_equal(found[:32], membership[:32])
    alone = without_disturbances(codes, np.arange(42), membership)
    np.testing.assert_array_equal(alone, membership)
