"""p-values: the exact test of two counts, uniform where nothing is new, and background counts."""

import numpy as np
import pytest
from scipy import stats

from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery import DiscoverySettings
from glitchvae.discovery.comparing import MOST_AXES, Known
from glitchvae.discovery.excess import Excess, fit_excess, once
from glitchvae.discovery.searching import find_and_count, link
from glitchvae.discovery.significance import Count, expected_episodes, p_value, uniform_p_value
from tests.discovery.conftest import MIDDLES, background_of, draw, sample_of


@pytest.mark.parametrize(("seen", "known", "unit"), [(5, 2, 1.0), (12, 0, 0.5), (3, 9, 0.25)])
def test_the_test_of_two_counts_is_scipys_binomial_test(seen, known, unit):
    count = Count(seen, known * unit, unit)
    share = unit / (1 + unit)
    exact = stats.binomtest(seen, seen + known, share, alternative="greater").pvalue
    assert p_value(count) == pytest.approx(exact)


def test_no_event_is_no_evidence():
    assert p_value(Count(0, 3.0, 1.0)) == 1.0


def test_spread_p_values_of_poisson_counts_are_uniform(rng):
    seen, known = rng.poisson(4.0, 2000), rng.poisson(8.0, 2000)
    counts = [Count(int(a), b * 0.5, 0.5) for a, b in zip(seen, known, strict=True)]
    found = [uniform_p_value(count, rng) for count in counts]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_archives_without_a_new_class_make_uniform_p_values(prototypes, rng):
    known, settings = Known.of(prototypes), DiscoverySettings(significance=0.05)
    p_values, sure = [], 0
    for _ in range(12):
        codes, _ = draw(rng, dict(zip(MIDDLES, rng.integers(30, 300, 3), strict=True)))
        tested = find_and_count(known.sample(codes), known.background, settings, rng)
        p_values += [uniform_p_value(count, rng) for count in tested.counts]
        sure += int((tested.p_values * len(tested.p_values) <= 0.05).sum())
    assert sure <= 3
    if len(p_values) >= 10:
        assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_weights_stand_for_the_archive_even_where_classes_overlap(rng):
    """Two classes that share half their codes, three quarters of the archive being the second."""
    owners = np.repeat([0, 1], 400)
    points = rng.normal(np.where(owners == 0, 0.0, 1.5), 1.0)[:, None]
    density, off = stats.norm([0.0, 1.5], 1.0), np.array([0.0, 1.0])
    sample = sample_of(points, density.logpdf(points) + off)  # a wrong density on purpose
    seen = rng.normal(np.repeat([0.0, 1.5], [500, 1500]), 1.0)[:, None]
    archive = sample_of(seen, density.logpdf(seen) + off)
    excess = Excess(components=(), events=np.zeros(0), class_events=np.array([1000.0, 1000.0]))
    background = background_of(sample, owners)
    weights = background.weights(excess.claims(sample), excess.claims(archive))
    np.testing.assert_allclose(weights.sum(), 2000, rtol=0.02)
    np.testing.assert_allclose(weights[owners == 1].sum(), 1500, rtol=0.15)


def test_a_component_that_known_events_fill_is_dropped(rng):
    known = rng.normal(0, 1, (1000, 3))
    log_density = stats.norm(0, 0.7).logpdf(known).sum(axis=1, keepdims=True)  # too narrow
    background = background_of(sample_of(known, log_density), np.zeros(1000, int))
    points = rng.normal(0, 1, (1000, 3))
    archive = sample_of(points, stats.norm(0, 0.7).logpdf(points).sum(axis=1, keepdims=True))
    start = (np.linalg.norm(points, axis=1) > 2.5).astype(float)[:, None]
    excess, left = fit_excess(archive, background, start, min_events=60)
    assert len(left) == len(excess.components) == 0


def test_components_whose_events_are_neighbours_are_one_group(rng):
    points = np.concatenate([rng.normal(m, 1, (80, 2)) for m in ((0, 0), (2, 0), (30, 0))])
    members = np.repeat(np.eye(3), 80, axis=0)
    groups = link(points, members)
    assert groups[0] == groups[1] != groups[2]
    assert link(points, members[:, :0]).shape == (0,)


@pytest.mark.parametrize("seed", range(3))
def test_holes_among_few_known_events_are_no_candidates(seed):
    """Forty known events of each class, of long tails in twelve dimensions, against 4,000."""
    rng = np.random.default_rng(seed)

    def events(count):
        classes = rng.integers(3, size=count)
        codes = rng.standard_t(5, size=(count, 12)) + 8.0 * np.eye(12)[classes]
        return codes, classes.astype(str).astype(object)

    known = Known.of(Prototypes.fit(*events(120)))
    archive = known.sample(events(4000)[0])
    tested = find_and_count(archive, known.background, DiscoverySettings(), rng)
    assert len(tested.p_values) > 0
    assert (tested.p_values * len(tested.p_values) > 0.05).all()


def test_the_search_keeps_the_axes_that_tell_classes_apart(rng):
    """Forty dimensions, two of which differ between the classes."""
    middles = np.zeros((3, 40))
    middles[1, 7], middles[2, 30] = 9.0, 9.0
    owners = np.repeat([0, 1, 2], 200)
    codes = rng.normal(middles[owners], 1.0)
    known = Known.of(Prototypes.fit(codes, owners.astype(str).astype(object)))
    sample = known.sample(codes)
    assert sample.codes.shape == (600, 40)
    assert sample.points.shape == (600, MOST_AXES)
    apart = [sample.points[owners == k].mean(axis=0) for k in range(3)]
    whole = (middles @ known.whitener) @ known.axes
    np.testing.assert_allclose(apart, whole + apart[0] - whole[0], atol=0.6)
    assert np.linalg.norm(apart[1] - apart[2]) > 3 * sample.points[owners == 0].std(axis=0).max()


def test_an_episode_counts_once_for_each_component(rng):
    claims = rng.random((6, 3))
    episode = np.array([0, 1, 1, 1, 2, 3])
    found = once(claims, episode)
    np.testing.assert_array_equal(found[[0, 4, 5]], claims[[0, 4, 5]])
    together = claims[1:4].sum(axis=0)
    np.testing.assert_allclose(found[1:4].sum(axis=0), np.minimum(together, 1.0))
    np.testing.assert_array_equal(once(claims, np.arange(6)), claims)


def test_expected_episodes_are_events_until_they_share_one(rng):
    expected = 0.2 * rng.random(40)
    assert expected_episodes(expected, np.arange(40)) == pytest.approx(expected.sum())
    assert expected_episodes(expected, np.arange(40) // 2) == pytest.approx(expected.sum())
    assert expected_episodes(np.full(40, 0.5), np.arange(40) // 20) == 2.0


@pytest.mark.parametrize("seed", range(4))
def test_disturbances_of_known_events_make_no_component_sure(seed):
    """Six disturbances of thirty events each, alike, in the tails of two known classes."""
    rng = np.random.default_rng(seed)
    known, owners = rng.normal(0, 1, (400, 4)), np.repeat([0, 1], 200)
    known[owners == 1, 0] += 6
    prototypes = Prototypes.fit(known, owners.astype(str).astype(object))
    seen = rng.normal(0, 1, (400, 4)) + np.repeat([[0.0], [6.0]], 200, axis=0) * [1, 0, 0, 0]
    middles = seen[:6] + np.array([0.0, 3.0, 0.0, 0.0])
    bursts = np.repeat(middles, 30, axis=0) + rng.normal(0, 0.05, (180, 4))
    codes = np.concatenate([seen, bursts])
    space = Known.of(prototypes)
    episode = np.r_[np.arange(400), 400 + np.repeat(np.arange(6), 30)]
    together = space.sample(codes, episode)
    tested = find_and_count(together, space.background, DiscoverySettings(), rng)
    assert (tested.p_values * max(len(tested.p_values), 1) > 0.05).all()
    # The test would see them if they were independent events.
    apart = find_and_count(space.sample(codes), space.background, DiscoverySettings(), rng)
    assert apart.p_values.min() * len(apart.p_values) < 0.01


def test_a_train_of_episodes_is_as_many_counts_as_it_has_bouts():
    """Sixty episodes of a shape that no class explains: in four bouts, or each by itself."""
    rng = np.random.default_rng(3)
    known = rng.normal(0, 1, (400, 4))
    known[200:, 0] += 6
    prototypes = Prototypes.fit(known, np.repeat(["Blip", "Tomte"], 200).astype(object))
    seen = rng.normal(0, 1, (200, 4))
    arches = rng.normal([0.0, 8.0, 0.0, 0.0], 1, (60, 4))
    space, episode = Known.of(prototypes), np.arange(260)
    codes = np.concatenate([seen, arches])
    bout = np.r_[np.arange(200), 200 + np.repeat(np.arange(4), 15)]
    sample = space.sample(codes, episode, bout)
    tested = find_and_count(sample, space.background, DiscoverySettings(), rng)
    assert set(np.bincount(bout[tested.looked], minlength=204)[200:]) <= {0, 15}  # halved whole
    assert all(count.seen <= 4 for count in tested.counts)
    assert (tested.p_values * max(len(tested.p_values), 1) > 0.05).all()
    apart = find_and_count(space.sample(codes), space.background, DiscoverySettings(), rng)
    assert apart.p_values.min() < 1e-6
