"""Intervals hold what they promise, differences are those of scipy's tests, claims follow."""

import numpy as np
import pytest
from scipy.special import betainc
from scipy.stats import poisson, ttest_1samp, ttest_ind, ttest_rel

from glitchvae.errors import InputError
from glitchvae.statistics import (
    Claim,
    Comparison,
    Difference,
    binomial_interval,
    bootstrap_interval,
    by_chance,
    claims_markdown,
    jackknife,
    paired_difference,
    percentile_interval,
    poisson_interval,
    prediction_interval,
    rank_agreement,
    seeds_to_decide,
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
    with pytest.raises(InputError, match="the scores differ in shape, or are empty"):
        paired_difference(*map(np.zeros, shapes))


def found(low, high, seeds=5):
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
        Claim(text="more", found=found(1, 2, seeds=4), within=within),
        Claim(text="more", found=found(1, 2), fell_short=("one",), within=within),
    ]
    assert {claim.verdict for claim in claims} == {"cannot be judged"}
    assert Claim(text="more", found=found(1, 2), within=within).verdict == "confirmed"
    both = Claim(text="more", found=found(1, 2, seeds=2), fell_short=("one",))
    assert both.reasons == ("trainings of one fell short", "2 seeds, 5 are needed")


def test_claims_are_a_table_of_differences_and_verdicts():
    seeds = (1.5, 2, 2.5, 1.8, 2.2)
    claims = [
        Claim(text="more (nats)", found=Difference(value=2, interval=(1, 3), seeds=seeds)),
        Claim(text="failed", found=found(1, 3), fell_short=("one", "other")),
        Claim(text="one seed", found=Difference(value=2, interval=(-np.inf, np.inf), seeds=(2,))),
        Claim(text="spread", found=Difference(value=1, interval=(-1, 3), seeds=(-2, 0, 1, 2, 4))),
        Claim(text="none", found=None),
    ]
    assert claims_markdown(claims).splitlines()[2:] == [
        "| more (nats) | +2 | +1 to +3 | +1.5, +2, +2.5, +1.8, +2.2 | confirmed |",
        "| failed | +2 | +1 to +3 | +2, +2, +2, +2, +2 | cannot be judged (trainings of one fell "
        "short; trainings of other fell short) |",
        "| one seed | +2 | not known | +2 | cannot be judged (1 seed, 5 are needed) |",
        "| spread | +1 | -1 to +3 | -2, +0, +1, +2, +4 | undecided (33 seeds have 80% power) |",
        "| none | nothing to compare |  |  | cannot be judged |",
    ]


@pytest.mark.parametrize(
    ("value", "spread", "within", "of_events"),
    [(1.0, 1.0, None, 0.0), (0.5, 0.6, None, 0.0), (0.0, 1.0, 0.8, 0.0), (1.0, 1.0, None, 0.05)],
)
def test_so_many_seeds_decide_four_in_five_studies(rng, value, spread, within, of_events):
    """Made-up studies of that size, judged as claims are."""
    pattern = np.array([-1.0, 1.0, -1.0, 1.0])
    seeds = value + spread * pattern * np.sqrt(3 / 4)
    given = Difference(value=value, interval=(0, 0), seeds=tuple(seeds), of_events=(of_events, 39))
    needed = seeds_to_decide(given, within=within)
    assert needed is not None

    def decided(count):
        share, studies = 0, 1500
        for _ in range(studies):
            gain = rng.normal(value, spread, (count, 1)) + np.zeros(40)
            gain = gain + rng.normal(0, np.sqrt(of_events * 40), 40)
            columns = gain if of_events else gain[:, :1]
            one = paired_difference(columns, np.zeros_like(columns))
            low, high = one.interval
            share += low > 0 if within is None else -within < low and high < within
        return share / studies

    assert decided(needed) > 0.77
    assert decided(max(needed - 2, 2)) < 0.83


def test_no_number_of_seeds_outweighs_few_events():
    seeds = (1.0, 1.1, 0.9, 1.0, 1.05)
    given = Difference(value=1.0, interval=(-1, 3), seeds=seeds, of_events=(1.0, 5))
    assert seeds_to_decide(given) is None
    assert seeds_to_decide(Difference(value=1.0, interval=(0, 0), seeds=(1.0,))) is None


@pytest.mark.parametrize("seeds", [5, 10, 20])
def test_a_perfect_replication_is_inconsistent_once_in_ten(seeds):
    rng = np.random.default_rng(seeds)
    draws = rng.normal(0.3, 0.05, (5_000, seeds + 1))
    verdicts = [Comparison(published=x[0], ours=tuple(x[1:])).verdict for x in draws]
    assert verdicts.count("not consistent") / len(draws) == pytest.approx(0.10, abs=0.02)
    low, high = np.quantile(draws[:, 1:], (0.05, 0.95), axis=1)
    inside = (low <= draws[:, 0]) & (draws[:, 0] <= high)
    assert (~inside).mean() > 0.12 + 1 / seeds  # what quantiles of the seeds would have said


@pytest.mark.parametrize("count", [2, 5, 12])
def test_a_prediction_interval_is_a_t_test_of_one_more_value(rng, count):
    values = rng.normal(3, 2, count)
    for end in prediction_interval(values):
        assert ttest_ind(values, [end]).pvalue == pytest.approx(0.1)
    assert prediction_interval(values[:1]) == (-np.inf, np.inf)


def test_a_published_value_is_judged_of_enough_seeds_of_its_own_setting():
    ours = (0.1, 0.2, 0.3, 0.4, 0.5)
    assert Comparison(published=0.6, ours=ours).verdict == "consistent"
    assert Comparison(published=0.9, ours=ours).verdict == "not consistent"
    assert Comparison(published=0.3, ours=ours[:4]).verdict == "cannot be judged: 4 seeds"
    assert Comparison(published=0.3, ours=ours[:1]).verdict == "cannot be judged: 1 seed"
    assert Comparison(published=0.3, ours=()).verdict == "cannot be judged: 0 seeds"
    reduced = Comparison(published=0.3, ours=ours, reduced=True)
    assert (reduced.verdict, reduced.is_judged) == ("reduced: rank only", False)
    short = Comparison(published=0.3, ours=ours, fell_short=2)
    assert short.verdict == "cannot be judged: 2 of 5 trainings fell short"


def test_how_many_would_be_inconsistent_by_chance_is_said():
    ours = (0.1, 0.2, 0.3, 0.4, 0.5)
    many = [Comparison(published=0.3, ours=ours)] * 120 + [Comparison(published=9, ours=ours)] * 6
    assert by_chance(many).startswith("6 of 126 judged values are not consistent; about 13 would")
    none = [Comparison(published=0.3, ours=ours, reduced=True)] * 126
    assert "about 13 would not be consistent by chance" in by_chance(none)


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_the_interval_of_a_rank_correlation_holds_the_truth(correlation):
    """Of normal columns Spearman's rank correlation is 6/pi asin(r/2) (Pearson 1907)."""
    rng = np.random.default_rng(3)
    truth = 6 / np.pi * np.arcsin(correlation / 2)
    drawn = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], (1500, 20))
    found = [rank_agreement(*columns.T) for columns in drawn]
    assert 0.86 < np.mean([one.low < truth < one.high for one in found]) < 0.94


def test_the_rank_of_equal_order_is_one_and_of_nothing_unknown():
    assert rank_agreement([1, 2, 3, 5], [2, 4, 9, 10]).value == pytest.approx(1)
    assert rank_agreement([1, 2, 3, 5], [9, 4, 3, 1]).value == pytest.approx(-1)
    for columns in (([1, 2, 3], [1, 2, 3]), ([1, 1, 1, 1], [1, 2, 3, 4])):
        assert np.isnan(rank_agreement(*columns).value)
        assert rank_agreement(*columns)[1:] == (-1, 1)
