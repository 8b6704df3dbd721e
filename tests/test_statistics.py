"""Intervals hold what they promise, differences are those of scipy's tests, claims follow."""

import numpy as np
import pytest
from scipy.special import betainc
from scipy.stats import poisson, ttest_1samp, ttest_rel

from glitchvae.errors import InputError
from glitchvae.statistics import (
    Claim,
    Difference,
    binomial_interval,
    bootstrap_interval,
    claims_markdown,
    jackknife,
    paired_difference,
    percentile_interval,
    poisson_interval,
)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (499, 500)])
def test_the_interval_of_a_share_leaves_a_twentieth_on_either_side(successes, trials):
    """Tails of the binomial as incomplete beta functions."""
    low, high = binomial_interval(successes, trials)
    failures = trials - successes
    if successes == 0:
        assert low == 0
    else:
        assert betainc(successes, failures + 1, low) == pytest.approx(0.05)
    if failures == 0:
        assert high == 1
    else:
        assert betainc(successes + 1, failures, high) == pytest.approx(0.95)


def test_without_trials_a_share_is_anything():
    assert binomial_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("count", [0, 1, 7, 300])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_the_interval_of_a_rate_leaves_half_of_the_rest_on_either_side(count, confidence):
    low, high = poisson_interval(count, confidence)
    tail = (1 - confidence) / 2
    assert poisson.cdf(count, high) == pytest.approx(tail)
    if count:
        assert poisson.sf(count - 1, low) == pytest.approx(tail)
    else:
        assert low == 0.0


def test_percentiles_of_several_numbers_side_by_side(rng):
    draws = rng.normal(size=(100_000, 2)) * (1.0, 3.0)
    expected = 1.645 * np.array([[-1, 1], [-3, 3]])
    np.testing.assert_allclose(percentile_interval(draws), expected, atol=0.06)


def test_the_bootstrap_of_a_mean_is_the_central_limit_theorems(rng):
    values = rng.normal(2.0, 3.0, 400)

    def moments(weights):
        return np.average(values, weights=weights), np.average(values**2, weights=weights)

    found = bootstrap_interval(moments, np.arange(400), rng, resamples=2000)
    for interval, numbers in zip(found, (values, values**2), strict=True):
        expected = numbers.mean() + 1.645 * numbers.std() / 20 * np.array([-1, 1])
        np.testing.assert_allclose(interval, expected, atol=0.15 * np.ptp(expected))


def test_copies_in_one_group_are_no_evidence(rng):
    values = rng.normal(size=100)
    copied = np.repeat(values, 10)
    one, ten, fooled = (
        np.ptp(bootstrap_interval(lambda w, x=x: np.average(x, weights=w), groups, rng))
        for x, groups in (
            (values, np.arange(100)),
            (copied, np.repeat(np.arange(100), 10)),
            (copied, np.arange(1000)),
        )
    )
    assert ten == pytest.approx(one, rel=0.2)
    assert fooled < one / 2


def test_one_group_has_no_interval(rng):
    found = bootstrap_interval(lambda weights: (weights.sum(), 1.0), np.zeros(5), rng)
    assert found.shape == (2, 2)
    assert np.isnan(found).all()


def test_the_jackknife_of_a_mean_is_its_standard_error(rng):
    x = rng.random(1000)
    found = jackknife(lambda rows: float(x[rows].mean()), len(x), len(x), rng)
    assert found.value == pytest.approx(x.mean())
    half = 1.646 * x.std(ddof=1) / np.sqrt(len(x))
    assert found.high - found.value == pytest.approx(half, rel=0.01)


def test_one_seed_is_a_paired_t_test_over_events(rng):
    one, other = rng.normal(size=(2, 1, 30))
    found = paired_difference(one, other)
    expected = ttest_rel(one[0], other[0]).confidence_interval(0.9)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.value == pytest.approx((one - other).mean())


def test_one_column_is_a_t_test_over_seeds(rng):
    one, other = rng.normal(size=(2, 5, 1))
    found = paired_difference(one, other)
    expected = ttest_1samp((one - other)[:, 0], 0).confidence_interval(0.9)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.seeds == pytest.approx(tuple((one - other)[:, 0]))


def test_groups_of_equal_size_are_their_means(rng):
    gain = rng.normal(size=(1, 60))
    grouped = paired_difference(gain, 0 * gain, groups=np.repeat(np.arange(12), 5))
    means = paired_difference(*(x.reshape(1, 12, 5).mean(axis=2) for x in (gain, 0 * gain)))
    assert grouped.interval == pytest.approx(means.interval)


@pytest.mark.parametrize("between_seeds", [0.02, 0.1])
def test_three_seeds_and_events_in_blocks_are_covered(rng, between_seeds):
    """In nine of ten studies the truth lies inside, whether seeds or blocks matter more."""
    hits, studies = 0, 400
    for _ in range(studies):
        owners = np.repeat(np.arange(50), rng.integers(1, 8, 50))
        gain = (
            0.05
            + rng.normal(0, between_seeds, (3, 1))
            + rng.normal(0, 0.3, 50)[owners]
            + rng.normal(0, 0.4, (3, len(owners)))
        )
        low, high = paired_difference(gain, np.zeros_like(gain), groups=owners).interval
        hits += low < 0.05 < high
    assert 0.86 < hits / studies < 0.96


def test_nothing_differs_and_nothing_is_known():
    same = np.ones((3, 20), bool)
    assert paired_difference(same, same).interval == (0.0, 0.0)
    assert paired_difference(np.ones((1, 1)), np.zeros((1, 1))).interval == (-np.inf, np.inf)
    one_block = paired_difference(np.eye(1, 20), np.zeros((1, 20)), groups=np.zeros(20))
    assert one_block.interval == (-np.inf, np.inf)


@pytest.mark.parametrize("shapes", [((3, 4), (2, 4)), ((0, 4), (0, 4)), ((4,), (4,))])
def test_unlike_shapes_are_refused(shapes):
    with pytest.raises(InputError, match="no pairs to compare"):
        paired_difference(*map(np.zeros, shapes))


def found(low, high, seeds=3):
    value = (low + high) / 2
    return Difference(value=value, interval=(low, high), seeds=(value,) * seeds)


@pytest.mark.parametrize(
    ("low", "high", "positive", "none"),
    [
        (0.01, 0.05, "confirmed", "confirmed"),
        (-0.05, 0.05, "undecided", "confirmed"),
        (-0.05, 0.3, "undecided", "undecided"),
        (0.05, 0.3, "confirmed", "undecided"),
        (0.2, 0.3, "confirmed", "contradicted"),
        (-0.3, -0.2, "contradicted", "contradicted"),
        (0.0, 0.0, "undecided", "confirmed"),
        (-np.inf, np.inf, "undecided", "undecided"),
    ],
)
def test_a_claim_is_decided_by_the_whole_interval(low, high, positive, none):
    assert Claim(text="more", found=found(low, high)).verdict == positive
    assert Claim(text="the same", found=found(low, high), within=0.1).verdict == none


@pytest.mark.parametrize("within", [None, 10.0])
def test_nothing_is_judged_without_models_with_too_few_or_with_failed_ones(within):
    claims = [
        Claim(text="more", found=None, within=within),
        Claim(text="more", found=found(1, 2, seeds=1), within=within),
        Claim(text="more", found=found(1, 2, seeds=2), within=within),
        Claim(text="more", found=found(1, 2), fell_short=("one",), within=within),
    ]
    assert {claim.verdict for claim in claims} == {"cannot be judged"}
    assert Claim(text="more", found=found(1, 2), within=within).verdict == "confirmed"
    both = Claim(text="more", found=found(1, 2, seeds=2), fell_short=("one",))
    assert both.reasons == ("trainings of one fell short", "fewer than 3 seeds")


def test_claims_are_a_table_of_differences_and_verdicts():
    claims = [
        Claim(text="more (nats)", found=Difference(value=2, interval=(1, 3), seeds=(1.5, 2, 2.5))),
        Claim(text="failed", found=found(1, 3), fell_short=("one", "other")),
        Claim(text="one seed", found=Difference(value=2, interval=(-np.inf, np.inf), seeds=(2,))),
        Claim(text="none", found=None),
    ]
    assert claims_markdown(claims).splitlines()[2:] == [
        "| more (nats) | +2 | +1 to +3 | +1.5, +2, +2.5 | confirmed |",
        "| failed | +2 | +1 to +3 | +2, +2, +2 | cannot be judged (trainings of one fell short; "
        "trainings of other fell short) |",
        "| one seed | +2 | not known | +2 | cannot be judged (fewer than 3 seeds) |",
        "| none | nothing to compare |  |  | cannot be judged |",
    ]
