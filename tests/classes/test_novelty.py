"""Densities of known classes, shares of classes, and a tail finer than the events are many."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from glitchvae.classes.novelty import (
    KnownDensity,
    Novelty,
    Reference,
    Tail,
    class_shares,
    cross_fitted,
    halves,
    log_densities,
    metric_axes,
    reference_of,
    shrunk_gaussian,
)
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError


@pytest.fixture
def prototypes(rng):
    """Two classes in three dimensions, one of them wide."""
    codes = np.concatenate([rng.normal(0, 1, (300, 3)), rng.normal(12, 3, (300, 3))])
    return Prototypes.fit(codes, np.repeat(["narrow", "wide"], 300).astype(object))


@pytest.mark.parametrize("count", [0, 20, 5000])
def test_gaussians_are_those_of_scipy(rng, count):
    roots, means = rng.normal(size=(3, 24, 24)), rng.normal(0.0, 5.0, (3, 24))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(24)
    points = rng.normal(0.0, 5.0, (count, 24))
    both = list(zip(means, covariances, strict=True))
    found = log_densities([shrunk_gaussian(m, c, 1e12) for m, c in both], points)
    expected = [stats.multivariate_normal(m, c).logpdf(points) for m, c in both]
    assert found.shape == (count, 3)
    np.testing.assert_allclose(found.T, expected, rtol=1e-9)


def test_no_gaussian_has_no_density():
    assert log_densities([], np.zeros((4, 2))).shape == (4, 0)


def test_few_events_make_a_round_gaussian_of_the_same_size():
    flat = np.diag([9.0, 1.0, 1.0])
    few = shrunk_gaussian(np.zeros(3), flat, 1e-9)
    np.testing.assert_allclose(few.root @ few.root.T, np.eye(3) / np.trace(flat) * 3)


def test_negative_variances_of_a_difference_of_samples_are_lifted():
    found = shrunk_gaussian(np.zeros(2), np.diag([4.0, -1.0]), 100.0)
    assert np.isfinite(log_densities([found], np.zeros((1, 2)))).all()


def test_class_densities_integrate_to_one(rng):
    points = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(4, 0.5, (100, 2))])
    model = KnownDensity.fit(Reference(points, np.repeat([0, 1], 100)), 2)
    x = np.linspace(-6, 8, 281)
    grid = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    total = np.exp(model.log_density(grid)).sum(axis=0) * (x[1] - x[0]) ** 2
    np.testing.assert_allclose(total, 1.0, atol=0.01)


def test_a_class_without_events_has_no_density(rng):
    reference = Reference(rng.normal(size=(30, 2)), np.zeros(30, dtype=int))
    found = KnownDensity.fit(reference, 2).log_density(np.zeros((1, 2)))
    assert found[0, 1] == -np.inf
    with pytest.raises(InputError, match="no known event"):
        KnownDensity.fit(Reference(np.empty((0, 2)), np.empty(0, int)), 2)


def test_densities_that_saw_an_event_flatter_it(rng):
    reference = Reference(rng.normal(size=(60, 20)), np.zeros(60, dtype=int))
    fair, _ = cross_fitted(reference, 1, halves(reference.owners, rng))
    flattered = KnownDensity.fit(reference, 1).log_density(reference.points)
    fresh = KnownDensity.fit(reference, 1).log_density(rng.normal(size=(500, 20)))
    assert fair.mean() < flattered.mean()
    assert abs(fair.mean() - fresh.mean()) < abs(flattered.mean() - fresh.mean())


def test_shares_of_classes_are_found_again(rng):
    density = stats.norm([0.0, 4.0], 1.0)
    points = np.concatenate([rng.normal(0, 1, 900), rng.normal(4, 1, 100)])
    shares = class_shares(density.logpdf(points[:, None]))
    np.testing.assert_allclose(shares, (0.9, 0.1), atol=0.03)


def test_the_tail_follows_an_exponential_far_beyond_the_data(rng):
    tail = Tail.fit(rng.exponential(size=4000))
    far = np.array([7.0, 9.0])
    np.testing.assert_allclose(np.log(tail.exceedance(far)), -far, atol=1.2)
    near = np.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(tail.exceedance(near), np.exp(-near), rtol=0.1)


def test_exceedance_falls_with_the_score_and_keeps_nan(rng):
    tail = Tail.fit(rng.normal(size=500))
    found = tail.exceedance(np.linspace(-5, 8, 200))
    assert (np.diff(found) <= 1e-9).all()
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert np.isnan(tail.exceedance(np.array([np.nan])))[0]


def test_known_events_are_uniformly_novel_and_strangers_are_not(prototypes, rng):
    novelty = Novelty.fit(prototypes)
    fresh = np.concatenate([rng.normal(0, 1, (500, 3)), rng.normal(12, 3, (500, 3))])
    assert stats.kstest(novelty.novelty(fresh), "uniform").statistic < 0.08
    strangers = novelty.novelty(np.full((1, 3), 45.0))
    assert strangers[0] > 0.999
    assert np.isnan(novelty.novelty(np.array([[np.nan, 0.0, 0.0]])))[0]


def test_a_wide_class_allows_what_a_narrow_one_does_not(prototypes):
    """Five units from the middle is nothing for the wide class and much for the narrow one."""
    novelty = Novelty.fit(prototypes)
    narrow, wide = novelty.novelty(np.array([[-3.0, -3.0, -3.0], [15.0, 15.0, 15.0]]))
    assert wide < 0.9 < narrow


def test_prototypes_without_events_get_stand_ins(prototypes, rng):
    bare = dataclasses.replace(prototypes, reference=None, reference_owners=None)
    points, owners = reference_of(bare, rng)
    assert set(owners) == {0, 1}
    centres = bare.centres @ bare.whitener
    apart = np.linalg.norm(points[:, None] - centres, axis=2).min(axis=1)
    assert apart.max() <= bare.known_distances.max() + 1e-6


def test_whitened_codes_turn_into_those_of_the_metric(prototypes, rng):
    codes = rng.normal(size=(5, 3))
    turned = codes @ prototypes.whitener @ metric_axes(prototypes)
    np.testing.assert_allclose(turned, codes @ prototypes.class_metric)


def test_halves_share_every_class(rng):
    owners = rng.permutation(np.repeat([0, 1, 2, 4], [7, 10, 1, 2]))
    first = halves(owners, rng)
    assert np.bincount(owners[first], minlength=5).tolist() == [3, 5, 0, 0, 1]
    assert np.bincount(owners[~first], minlength=5).tolist() == [4, 5, 1, 0, 1]


def test_each_half_is_under_the_density_of_the_other(rng):
    reference = Reference(rng.normal(size=(80, 3)), np.repeat([0, 1], 40))
    first = halves(reference.owners, rng)
    found, half = cross_fitted(reference, 2, first)
    own = Reference(reference.points[first], reference.owners[first])
    expected = KnownDensity.fit(own, 2).log_density(reference.points)
    np.testing.assert_allclose(half.log_density(reference.points), expected)
    np.testing.assert_allclose(found[~first], expected[~first])
    assert not np.allclose(found[first], expected[first])
