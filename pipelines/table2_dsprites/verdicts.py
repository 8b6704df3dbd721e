"""What the cells of Table 2 say: medians beside published values, and claims tested.

A verdict is words, and one of them is that nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from glitchvae.errors import InputError
from glitchvae.statistics import FEWEST_SEEDS, Claim, Difference, paired_difference
from glitchvae.training.log import dimension_kl, read_log
from glitchvae.validation.disentanglement import Score

from .table2 import Cell, Result, Row

Verdict = Literal["consistent", "not consistent", "cannot be judged"]

OPEN = 0.5
"""Nats of KL from which a latent dimension counts as open."""

EQUIVALENT = 0.1
"""Difference of a metric that counts as none (both one-sided tests at 5 %)."""

BESIDE = "than Bottleneck at matched rate (nats)"
"""What the claims compare annealed models with."""

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
    results: Iterable[Result],
    published: Mapping[tuple[str, str], float] | None = None,
    shortfalls: Shortfalls | None = None,
) -> tuple[Line, ...]:
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


def _line(key: tuple[str, str, str], values: NDArray[np.float64], published: float | None) -> Line:
    low, lower, median, upper, high = np.quantile(values[:, 0], (0.05, 0.25, 0.5, 0.75, 0.95))
    verdict: Verdict = "cannot be judged"
    fell_short = int(values[:, 2].sum())
    if published is not None and len(values) >= FEWEST_SEEDS and not fell_short:
        verdict = "consistent" if low <= published <= high else "not consistent"
    nan = float("nan")
    return Line(
        *key,
        float(median),
        float(lower),
        float(upper),
        len(values),
        float(np.median(values[:, 1])),
        nan if published is None else published,
        verdict,
        fell_short,
    )


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
    ours, all_of_them = _names(annealed, short), _names(involved, short)

    def of_pairs(text: str, metric: str, *, sign: int = 1, within: float | None = None) -> Claim:
        gains = [(a.seed, sign * (values[a, metric] - values[b, metric])) for a, b in pairs]
        found = over_seeds(gains)
        return Claim(text=text, found=found, within=within, fell_short=all_of_them)

    return (
        of_pairs(
            f"annealed ends with less reconstruction loss {BESIDE}", "reconstruction", sign=-1
        ),
        of_pairs(f"annealed ends with a higher elbo {BESIDE}", "elbo"),
        *(
            of_pairs(f"annealed and Bottleneck have the same {metric}", metric, within=EQUIVALENT)
            for metric in ("mig", "dci_disentanglement")
        ),
        Claim(
            text="with annealing, dimensions open in the order of the KL they end with",
            found=over_seeds(_orders(annealed, out)),
            fell_short=ours,
        ),
    )


def _names(cells: Iterable[Cell], short: Shortfalls) -> tuple[str, ...]:
    """Those whose trainings fell short."""
    return tuple(f"{cell.row.name} (seed {cell.seed})" for cell in cells if short.get(cell))


def _orders(annealed: Sequence[Cell], out: Path) -> list[tuple[int, float]]:
    """Rank correlation of the models that opened enough dimensions, each with its seed."""
    found = [(cell.seed, order_of_opening(cell.folder(out))) for cell in annealed]
    return [(seed, value) for seed, value in found if np.isfinite(value)]


def _of_means(score: Score) -> bool:
    return score.representation in ("mean", "")


Values = Mapping[tuple[Cell, str], float]


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


def over_seeds(found: Sequence[tuple[int, float]]) -> Difference | None:
    """Differences of models or pairs, each with its seed; None where there are none.

    Those of one seed are averaged first: they share initial weights and the order of data.
    """
    seeds = sorted({seed for seed, _ in found})
    means = [[float(np.mean([value for s, value in found if s == seed]))] for seed in seeds]
    return paired_difference(np.array(means), np.zeros_like(means)) if means else None


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
