"""Intervals of shares, rates and scores, paired differences, and verdicts on claims.

Claims are decided by paired differences, values that others printed by prediction intervals.
Every interval is central, of 90 % unless asked otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from glitchvae.errors import InputError

CONFIDENCE = 0.9
"""Confidence level of all intervals."""

FEWEST_SEEDS = 5
"""Least number of trainings of a method for a verdict."""

POWER = 0.8
"""Power that a study should have."""

_MOST_SEEDS = 1000

Interval = tuple[float, float]
"""Lower and upper end of an interval."""


class Estimate(NamedTuple):
    """A value and its interval."""

    value: float
    low: float
    high: float


def binomial_interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Exact interval of a share (Clopper & Pearson 1934); 0 to 1 without trials."""
    if trials == 0:
        return 0.0, 1.0
    found = stats.binomtest(successes, trials).proportion_ci(confidence, "exact")
    return float(found.low), float(found.high)


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> Interval:
    """Exact interval of a Poisson mean (Garwood 1936, Biometrika 28, 437).

    scipy has none: its ends are quantiles of chi-squared distributions.
    """
    tail = (1.0 - confidence) / 2.0
    low = float(stats.chi2.ppf(tail, 2 * count)) / 2.0 if count else 0.0
    return low, float(stats.chi2.ppf(1.0 - tail, 2 * count + 2)) / 2.0


def percentile_interval(draws: ArrayLike) -> NDArray[np.float64]:
    """(…, 2) interval of draws (R, …) between quantiles with equal tails."""
    tail = (1.0 - CONFIDENCE) / 2.0
    return np.moveaxis(np.quantile(np.asarray(draws), (tail, 1.0 - tail), axis=0), 0, -1)


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], ArrayLike],
    groups: NDArray,
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
) -> NDArray[np.float64]:
    """Interval of a statistic by bootstrap over groups of rows (percentiles, Efron 1979).

    `scipy.stats.bootstrap` draws single observations; so it draws the numbers of the groups.

    Args:
        statistic: One or several numbers (K,), given how often each of the N rows was drawn.
        groups: (N,) rows of one group, such as events of one day, are drawn together: rows
            that resemble each other are no independent evidence.
        rng: Draws the resamples.
        resamples: How many.

    Returns:
        (2,) or (K, 2) intervals; NaN where all rows are of one group.
    """
    _, owners = np.unique(groups, return_inverse=True)
    count = int(owners.max()) + 1

    def of_drawn(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(statistic(np.bincount(drawn.astype(int), minlength=count)[owners]))

    if count < 2:
        return np.full((*of_drawn(np.zeros(1, np.int64)).shape, 2), np.nan)
    found = stats.bootstrap(
        (np.arange(count),),
        of_drawn,
        n_resamples=resamples,
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=False,
        rng=rng,
    )
    return np.stack(found.confidence_interval, axis=-1)


def jackknife(
    statistic: Callable[[NDArray[np.int64]], float],
    count: int,
    groups: int,
    rng: np.random.Generator,
    value: float | None = None,
) -> Estimate:
    """A score between 0 and 1 with its interval by the delete-one-group jackknife.

    A bootstrap would draw points twice, which information counted in bins takes for
    structure: its interval of pure noise lies beside the value.

    Args:
        statistic: The score, computed from some of the rows.
        count: Rows there are.
        groups: That are left out in turn.
        rng: Assigns the rows to groups.
        value: The score of all rows, where it is known already.

    Source: Tukey (1958); Shao & Tu (1995), The Jackknife and Bootstrap, section 2.3.
    """
    everything = np.arange(count)
    value = statistic(everything) if value is None else value
    group = rng.permutation(count) % groups
    left = np.array([statistic(everything[group != g]) for g in range(groups)])
    error = np.sqrt((groups - 1) / groups * ((left - left.mean()) ** 2).sum())
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1) * error)
    return Estimate(value, max(value - reach, 0.0), min(value + reach, 1.0))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Difference between the scores of two methods on the same seeds and events.

    Attributes:
        value: Mean over seeds and events.
        interval: Of the mean, for other seeds and other events.
        seeds: Difference of each pair of equal seeds.
        of_events: Variance of the mean over events, and its degrees of freedom: what more
            seeds do not lower; zeros where events are not a sample.
    """

    value: float
    interval: Interval
    seeds: tuple[float, ...]
    of_events: tuple[float, int] = (0.0, 0)


def paired_difference(
    one: NDArray[np.bool_ | np.floating],
    other: NDArray[np.bool_ | np.floating],
    *,
    groups: NDArray | None = None,
) -> Difference:
    """Difference between the scores of two methods, with its interval.

    Seeds and groups of events are both a sample: the variances of the mean over either add
    up, with the degrees of freedom of Welch (1947) and Satterthwaite (1946). What changes
    with both at once counts twice, so that the interval is rather too wide. A bootstrap over
    three seeds is far too narrow: no resample strays further than the seeds themselves.

    Args:
        one: (S, N) score of the one method by seed and event. With a column for all events
            together (S, 1), the interval is over seeds alone; with one seed, over events.
        other: (S, N) the same of the other method.
        groups: (N,) events of one group, such as a day, count as one.

    Returns:
        The difference; its interval is infinite for one seed and one group.

    Raises:
        InputError: the two differ in shape, or hold nothing.
    """
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.ndim != 2 or one.size == 0:
        raise InputError(
            "the scores differ in shape, or are empty",
            expected="seeds and events of both",
            found=f"{one.shape} and {other.shape}",
        )
    gain = one.astype(np.float64) - other
    mean, seeds = float(gain.mean()), gain.mean(axis=1)
    parts = [_variance(seeds - mean), _variance(_by_group(gain.mean(axis=0), mean, groups))]
    variance = sum(part for part, freedom in parts if freedom)
    reach = np.inf if not any(freedom for _, freedom in parts) else 0.0
    if variance > 0:
        freedom = variance**2 / sum(part**2 / freedom for part, freedom in parts if freedom)
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance))
    return Difference(
        value=mean,
        interval=(mean - reach, mean + reach),
        seeds=tuple(map(float, seeds)),
        of_events=parts[1],
    )


def _by_group(
    gain: NDArray[np.float64], mean: float, groups: NDArray | None
) -> NDArray[np.float64]:
    """(G,) contribution of each group to the deviation of the mean, times G."""
    if groups is None:
        return gain - mean
    _, owners, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return (np.bincount(owners, gain) - mean * sizes) * len(sizes) / len(gain)


def _variance(deviations: NDArray[np.float64]) -> tuple[float, int]:
    """Variance of a mean from the deviations of its terms, and its degrees of freedom."""
    freedom = len(deviations) - 1
    return float((deviations**2).sum()) / max(freedom, 1) / len(deviations), freedom


Verdict = Literal["confirmed", "contradicted", "undecided", "cannot be judged"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim that a difference is positive, or that there is none, and the evidence.

    Attributes:
        text: The statement, with the unit of the difference.
        found: The difference; None where nothing could be compared.
        within: Size of a difference that counts as none: the statement is that the
            difference is smaller (two one-sided tests, Schuirmann 1987). None states that it
            is above zero.
        fell_short: Names of those compared whose trainings fell short, which says nothing
            of the methods.
    """

    text: str
    found: Difference | None
    within: float | None = None
    fell_short: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons why the claim cannot be judged; empty if it can."""
        short = tuple(f"trainings of {name} fell short" for name in self.fell_short)
        count = 0 if self.found is None else len(self.found.seeds)
        return (*short, _too_few(count)) if count < FEWEST_SEEDS else short

    @property
    def verdict(self) -> Verdict:
        """Verdict by the interval: confirmed, contradicted, undecided, or cannot be judged.

        With fewer than `FEWEST_SEEDS` seeds, or a training that fell short, it says nothing.
        """
        if self.found is None or self.reasons:
            return "cannot be judged"
        low, high = self.found.interval
        if self.within is None:
            return "confirmed" if low > 0 else "contradicted" if high < 0 else "undecided"
        if -self.within < low and high < self.within:
            return "confirmed"
        return "contradicted" if low > self.within or high < -self.within else "undecided"

    @property
    def seeds_needed(self) -> int | None:
        """Number of seeds that decide the claim with power `POWER`; see `seeds_to_decide`."""
        return None if self.found is None else seeds_to_decide(self.found, within=self.within)


def _too_few(seeds: int) -> str:
    return f"{seeds} seed{'' if seeds == 1 else 's'}, {FEWEST_SEEDS} are needed"


def seeds_to_decide(found: Difference, *, within: float | None = None) -> int | None:
    """Least number of seeds with which the interval decides a claim with power `POWER`.

    Of a claim of a difference the true one is taken to be that found, of a claim of none
    (`within`) zero; the spreads over seeds and events are taken to be those found.

    Returns:
        None where the spread over seeds is not known, or 1000 seeds are too few.
    """
    if len(found.seeds) < 2:
        return None
    spread, (of_events, freedom) = float(np.var(found.seeds, ddof=1)), found.of_events
    for seeds in range(FEWEST_SEEDS, _MOST_SEEDS + 1):
        parts = [(spread / seeds, seeds - 1), (of_events, freedom)]
        variance = sum(part for part, of in parts if of)
        if variance == 0:
            return seeds if within is not None or found.value != 0 else None
        degrees = variance**2 / sum(part**2 / of for part, of in parts if of)
        if _power(abs(found.value), variance**0.5, degrees, within) >= POWER:
            return seeds
    return None


def _power(difference: float, error: float, freedom: float, within: float | None) -> float:
    """Probability that a mean with this estimated standard error decides the claim."""
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    if within is None:
        return float(stats.nct.sf(reach, freedom, difference / error))
    shares = (np.arange(400) + 0.5) / 400  # the estimated error, by its quantiles
    estimated = error * np.sqrt(stats.chi2.ppf(shares, freedom) / freedom)
    room = np.maximum(within - reach * estimated, 0.0) / error
    return float((2 * stats.norm.cdf(room) - 1).mean())


def mean_estimate(values: ArrayLike) -> Estimate:
    """Mean of independent values (n,) of a normal distribution, with Student's interval.

    Of a single value the interval is not known: NaN.
    """
    values = np.asarray(values, dtype=np.float64)
    mean = float(values.mean())
    variance, freedom = _variance(values - mean)
    if freedom < 1:
        return Estimate(mean, float("nan"), float("nan"))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * variance**0.5
    return Estimate(mean, mean - reach, mean + reach)


def prediction_interval(values: ArrayLike) -> Interval:
    """Interval of one more value of a normal distribution of unknown mean and variance.

    `mean ± t s sqrt(1 + 1/n)`: wider than the values' own quantiles, which an equal
    replication leaves in more than a third of all cases with five values.

    Args:
        values: (n,) independent values; of one the interval is infinite.

    Source: Geisser (1993), Predictive Inference, section 2.1.
    """
    values = np.asarray(values, dtype=np.float64)
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return -np.inf, np.inf
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
    reach *= float(values.std(ddof=1)) * (1 + 1 / count) ** 0.5
    return mean - reach, mean + reach


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparison of a published value with our values, one for each seed.

    Attributes:
        published: Theirs, of one training.
        ours: Of each seed.
        reduced: Whether ours are of a smaller setting than theirs: what is compared then is
            the order of many, not a value.
        fell_short: How many of our trainings fell short; they say nothing of the method.
    """

    published: float
    ours: tuple[float, ...]
    reduced: bool = False
    fell_short: int = 0

    @property
    def is_judged(self) -> bool:
        """Whether the verdict is "consistent" or "not consistent"."""
        return self.verdict in ("consistent", "not consistent")

    @property
    def verdict(self) -> str:
        """Whether the published value lies in the `prediction_interval` of ours.

        A perfect replication is "not consistent" in 10 % of cases.
        """
        if len(self.ours) < FEWEST_SEEDS:
            return f"cannot be judged: {len(self.ours)} seed{'' if len(self.ours) == 1 else 's'}"
        if self.fell_short:
            return f"cannot be judged: {self.fell_short} of {len(self.ours)} trainings fell short"
        if self.reduced:
            return "reduced: rank only"
        low, high = prediction_interval(self.ours)
        return "consistent" if low <= self.published <= high else "not consistent"


def by_chance(comparisons: Sequence[Comparison]) -> str:
    """Sentence: number of values that are not consistent, and number expected by chance."""
    judged = [one for one in comparisons if one.is_judged]
    apart = sum(one.verdict == "not consistent" for one in judged)
    expected = (1 - CONFIDENCE) * len(judged)
    if not judged:
        return (
            f"None of {len(comparisons)} values is judged. Were all of them judged, about "
            f"{(1 - CONFIDENCE) * len(comparisons):.2g} would not be consistent by chance alone."
        )
    return (
        f"{apart} of {len(judged)} judged values are not consistent; about {expected:.2g} would "
        f"not be by chance alone, were all of them perfect replications ({len(comparisons)} "
        "values in all). Values of one model are no independent evidence."
    )


def rank_agreement(ours: ArrayLike, published: ArrayLike) -> Estimate:
    """Spearman's rank correlation of two columns (n,), with its interval.

    The interval is that of Fisher's z with the variance of Bonett & Wright (2000,
    Psychometrika 65, 23): (1 + r^2 / 2) / (n - 3). With fewer than four rows, or a column
    that is constant, nothing is known: NaN, and -1 to 1.
    """
    ours, published = np.asarray(ours, np.float64), np.asarray(published, np.float64)
    if len(ours) < 4 or np.ptp(ours) == 0 or np.ptp(published) == 0:
        return Estimate(float("nan"), -1.0, 1.0)
    found: Any = stats.spearmanr(ours, published)
    value = float(found.statistic)
    reach = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    reach *= ((1 + value**2 / 2) / (len(ours) - 3)) ** 0.5
    z = np.arctanh(np.clip(value, -1 + 1e-15, 1 - 1e-15))
    return Estimate(value, float(np.tanh(z - reach)), float(np.tanh(z + reach)))


def claims_markdown(claims: Sequence[Claim]) -> str:
    """Table of claims as Markdown: difference, interval, verdict and reasons.

    With one seed the interval over other seeds is not known, whatever the events say.
    """
    header = ("claim", "difference", f"{CONFIDENCE:.0%} interval", "by seed", "")
    rows = [header, ["---"] * len(header), *map(_cells, claims)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _cells(claim: Claim) -> tuple[str, ...]:
    if claim.found is None:
        return claim.text, "nothing to compare", "", "", claim.verdict
    said = list(claim.reasons)
    open_ = claim.verdict in ("undecided", "cannot be judged") and not claim.fell_short
    if open_ and len(claim.found.seeds) > 1:
        said.append(_power_of(claim))
    why = f" ({'; '.join(said)})" if said else ""
    low, high = claim.found.interval
    known = np.isfinite(high - low) and len(claim.found.seeds) > 1
    return (
        claim.text,
        f"{claim.found.value:+.3g}",
        f"{low:+.3g} to {high:+.3g}" if known else "not known",
        ", ".join(f"{value:+.3g}" for value in claim.found.seeds),
        f"{claim.verdict}{why}",
    )


def _power_of(claim: Claim) -> str:
    """Number of seeds that would decide a claim, as text."""
    needed = claim.seeds_needed
    if needed is None:
        return f"more than {_MOST_SEEDS} seeds would be needed for {POWER:.0%} power"
    return f"{needed} seeds have {POWER:.0%} power"
