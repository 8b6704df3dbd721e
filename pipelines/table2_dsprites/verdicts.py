"""What the cells of Table 2 say: medians beside published values, and claims tested.

A verdict is words, and one of them is that nothing can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from glitchvae.errors import InputError
from glitchvae.statistics import FEWEST_SEEDS, paired_difference
from glitchvae.training.log import dimension_kl, read_log
from glitchvae.validation.disentanglement import Score

from .table2 import Cell, Result, Row

Verdict = Literal["consistent", "not consistent", "holds", "does not hold", "cannot be judged"]

OPEN = 0.5
"""Nats of KL from which a latent dimension counts as open."""

EQUIVALENT = 0.1
"""Difference of a metric that counts as none (both one-sided tests at 5 %)."""

MATCHED = 0.2
"""Two rates match if they differ by less than this share of their mean."""


class Line(NamedTuple):
    """One number of one row of the table, over the seeds.

    Attributes:
        row: Name of the row.
        metric: What was measured.
        representation: Posterior means or draws; "" for what is no metric of codes.
        median: Over the seeds.
        lower: Quartile.
        upper: Quartile.
        n: Seeds.
        noise: Median of what shuffled codes score.
        published: The published value; NaN where none is at hand.
        verdict: Whether the published value lies between our 5 % and 95 % quantiles. With few
            seeds, or a training of the row that fell short, nothing is said.
        fell_short: How many trainings of the row did.
    """

    row: str
    metric: str
    representation: str
    median: float
    lower: float
    upper: float
    n: int
    noise: float
    published: float
    verdict: Verdict
    fell_short: int = 0


Shortfalls = Mapping[Cell, Sequence[str]]
"""What the training of a model fell short of, as its card says; models without may be absent."""


def summarise(
    results: Iterable[Result], published: Mapping[tuple[str, str], float] | None = None,
    shortfalls: Shortfalls | None = None,
) -> tuple[Line, ...]:  # fmt: skip
    """The table: every row and metric over its seeds.

    Args:
        results: Of the cells that are done.
        published: Values by row and metric, those of posterior means.
        shortfalls: Of their trainings.
    """
    published, cells, short = published or {}, {}, shortfalls or {}
    for cell, score in results:
        key = (cell.row.name, score.metric, score.representation)
        cells.setdefault(key, []).append((score.value, score.noise, bool(short.get(cell))))
    return tuple(_line(key, np.array(v), published.get(key[:2])) for key, v in cells.items())


def _line(
    key: tuple[str, str, str], values: NDArray[np.float64], published: float | None
) -> Line:  # fmt: skip
    low, lower, median, upper, high = np.quantile(values[:, 0], (0.05, 0.25, 0.5, 0.75, 0.95))
    verdict: Verdict = "cannot be judged"
    fell_short = int(values[:, 2].sum())
    if published is not None and len(values) >= FEWEST_SEEDS and not fell_short:
        verdict = "consistent" if low <= published <= high else "not consistent"
    nan = float("nan")
    return Line(
        *key, float(median), float(lower), float(upper), len(values),
        float(np.median(values[:, 1])), nan if published is None else published, verdict,
        fell_short,
    )  # fmt: skip


class Claim(NamedTuple):
    """A sentence, what was found, and whether it holds.

    Attributes:
        claim: The sentence.
        found: Numbers.
        n: Seeds behind them: models of one seed are not independent.
        verdict: In words.
    """

    claim: str
    found: str
    n: int
    verdict: Verdict


def judge_claims(
    results: Sequence[Result], out: Path, shortfalls: Shortfalls | None = None
) -> tuple[Claim, ...]:
    """What the paper says of the annealed beta-VAE, of the models in the folder `out`.

    A claim that involves a model whose training fell short cannot be judged. All annealed
    models are involved, also those that have no partner or opened no dimension because they
    collapsed: to leave them out would be to choose those that did well.
    """
    values = {(cell, score.metric): score.value for cell, score in results if _of_means(score)}
    pairs, short = match_by_rate(values), shortfalls or {}
    cells = list(dict.fromkeys(cell for cell, _ in values))
    annealed = [cell for cell in cells if cell.row.objective == "annealed"]
    involved = dict.fromkeys([*annealed, *(theirs for _, theirs in pairs)])
    claims = (
        _claim_less("reconstruction", pairs, values),
        _claim_more("elbo", pairs, values),
        *(_claim_same(metric, pairs, values) for metric in ("mig", "dci_disentanglement")),
    )
    return (
        *(_withheld(claim, [cell for cell in involved if short.get(cell)]) for claim in claims),
        _withheld(_claim_order(annealed, out), [cell for cell in annealed if short.get(cell)]),
    )


def _withheld(claim: Claim, fell_short: Sequence[Cell]) -> Claim:
    """The claim without its verdict where trainings fell short."""
    if not fell_short:
        return claim
    names = ", ".join(f"{cell.row.name} (seed {cell.seed})" for cell in fell_short)
    return claim._replace(
        found=f"{claim.found}; trainings fell short: {names}", verdict="cannot be judged"
    )


def _of_means(score: Score) -> bool:
    return score.representation in ("mean", "")


Values = Mapping[tuple[Cell, str], float]
Judge = Callable[[float, float], Verdict]
"""From the two ends of an interval."""


def match_by_rate(values: Values) -> list[tuple[Cell, Cell]]:
    """Annealed and Bottleneck models of one seed whose rates are nearest, and near enough.

    At different rates a difference in reconstruction says nothing of the objectives. A
    model's partner is the nearest where there is one.
    """
    rates = {cell: value for (cell, metric), value in values.items() if metric == "rate"}
    pairs = []
    for ours in rates:
        theirs = [c for c in rates if c.row.objective == "bottleneck" and c.seed == ours.seed]
        theirs = [c for c in theirs if _gap(rates[ours], rates[c]) < MATCHED]
        if ours.row.objective == "annealed" and theirs:
            pairs.append((ours, min(theirs, key=lambda c: _distance(ours, c, rates))))
    return pairs


def _distance(ours: Cell, theirs: Cell, rates: Mapping[Cell, float]) -> tuple[bool, float]:
    """Partners first, then how far the rates are apart."""
    return theirs.row.partner_of != ours.row.name, _gap(rates[ours], rates[theirs])


def _gap(a: float, b: float) -> float:
    return 2 * abs(a - b) / max(a + b, 1e-9)


def difference(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of paired differences and its central 90 % interval (Student's t)."""
    column = np.array(values)[:, np.newaxis]
    found = paired_difference(column, np.zeros_like(column))
    return found.value, *found.interval


Found = Sequence[tuple[int, float]]
"""Numbers of models or pairs, each with its seed."""


def _differences(metric: str, pairs: Sequence[tuple[Cell, Cell]], values: Values) -> Found:
    return [(ours.seed, values[ours, metric] - values[theirs, metric]) for ours, theirs in pairs]


def _claim_less(metric: str, pairs: Sequence[tuple[Cell, Cell]], values: Values) -> Claim:
    return _claim(
        f"annealed ends with less {metric} loss than Bottleneck at matched rate",
        _differences(metric, pairs, values), lambda low, high: _sign(-high, -low),
    )  # fmt: skip


def _claim_more(metric: str, pairs: Sequence[tuple[Cell, Cell]], values: Values) -> Claim:
    return _claim(
        f"annealed ends with a higher {metric} than Bottleneck at matched rate",
        _differences(metric, pairs, values), _sign,
    )  # fmt: skip


def _claim_same(metric: str, pairs: Sequence[tuple[Cell, Cell]], values: Values) -> Claim:
    return _claim(
        f"annealed and Bottleneck have the same {metric} within {EQUIVALENT:g}",
        _differences(metric, pairs, values), _equivalence,
    )  # fmt: skip


def _claim(
    sentence: str, found: Found, judge: Judge, what: str = "mean difference of {} pairs"
) -> Claim:
    """Numbers of one seed are averaged first: they share initial weights and data order."""
    if not found:
        return Claim(sentence, "no pair of models at one rate", 0, "cannot be judged")
    seeds = sorted({seed for seed, _ in found})
    means = [float(np.mean([value for s, value in found if s == seed])) for seed in seeds]
    mean, low, high = difference(means)
    text, n = f"{what.format(len(found))} {mean:.3g}", len(seeds)
    if n < FEWEST_SEEDS:
        return Claim(sentence, text, n, "cannot be judged")
    return Claim(sentence, f"{text}, 90 % {low:.3g} to {high:.3g}", n, judge(low, high))


def _sign(low: float, high: float) -> Verdict:
    return "holds" if low > 0 else "does not hold" if high < 0 else "cannot be judged"


def _equivalence(low: float, high: float) -> Verdict:
    if low > -EQUIVALENT and high < EQUIVALENT:
        return "holds"
    return "does not hold" if low > EQUIVALENT or high < -EQUIVALENT else "cannot be judged"


def _claim_order(annealed: Sequence[Cell], out: Path) -> Claim:
    sentence = "with annealing, dimensions open in the order of the KL they end with"
    found = [(cell.seed, order_of_opening(cell.folder(out))) for cell in annealed]
    ranks = [(seed, value) for seed, value in found if np.isfinite(value)]
    if not ranks:
        return Claim(sentence, "fewer than three dimensions opened", 0, "cannot be judged")
    return _claim(sentence, ranks, _sign, "mean rank correlation of {} models")


def order_of_opening(run: Path) -> float:
    """Rank correlation of a dimension's final KL and how early it opened, of one run.

    NaN where fewer than three dimensions are open in the end.

    Raises:
        InputError: the run logged no KL of single dimensions.
    """
    steps, final = openings(run)
    opened = np.isfinite(steps)
    if opened.sum() < 3:
        return float("nan")
    return float(np.corrcoef(rankdata(-steps[opened]), rankdata(final[opened]))[0, 1])


def openings(run: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When each dimension opened for good (D,), and the KL that it ended with (D,).

    In the first updates of a training the KL is large by chance and then falls. A dimension
    has therefore opened when it was closed for the last time; NaN where it is closed in the
    end.

    Raises:
        InputError: the run logged no KL of single dimensions.
    """
    steps, kl = kl_over_training(run)
    rows = np.logical_and.accumulate(kl[::-1] > OPEN).sum(axis=0)  # open from there to the end
    return np.where(rows > 0, steps[-np.maximum(rows, 1)], np.nan), kl[-1]


def kl_over_training(run: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps (T,) and KL (T, D) of each dimension from the log of a run.

    Raises:
        InputError: it has none.
    """
    log = read_log(run)
    return log["step"], dimension_kl(log, run)


def published_values(
    rows: Sequence[Row], table: Mapping[str, Mapping[str, float]]
) -> dict[tuple[str, str], float]:
    """Published values by row and metric, from a table of a settings file.

    Raises:
        InputError: a row that is none.
    """
    names = [row.name for row in rows]
    for name in table:
        if name not in names:
            raise InputError("no such row", where="published", expected=names, found=name)
    return {(name, metric): value for name, row in table.items() for metric, value in row.items()}
