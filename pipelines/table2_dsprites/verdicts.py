"""What the cells of Table 2 say: medians beside published values, and claims tested.

A verdict is words, and one of them is that nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from glitchvae.config import nearest, read_toml
from glitchvae.errors import InputError
from glitchvae.statistics import (
    FEWEST_SEEDS,
    Claim,
    Comparison,
    Difference,
    paired_difference,
    prediction_interval,
    rank_agreement,
)
from glitchvae.training.log import dimension_kl, read_log
from glitchvae.validation.disentanglement import Score

from .table2 import FIGURE_2, Cell, Result, Row

PUBLISHED = Path(__file__).with_name("published.toml")
"""The values of the paper's Table 2."""

METRICS = ("beta_vae", "factor_vae", "mig", "dci_disentanglement", "modularity", "sap")
"""Its columns."""

EXACT = "dci_disentanglement_exact"
"""Of the learner of the published DCI; `dci_disentanglement` is of another one."""

OPEN = 0.5
"""Nats of KL from which a latent dimension counts as open."""

EQUIVALENT = 0.1
"""Difference of a metric that counts as none (both one-sided tests at 5 %)."""

LEMMA = "than the annealed models of its seed"

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
        published: The published value; NaN where there is none.
        low: Lower end of the interval of one more training (`prediction_interval`).
        high: Upper end.
        verdict: On the published value, see `Comparison.verdict`; "" where there is none.
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
    low: float
    high: float
    verdict: str
    fell_short: int = 0


Shortfalls = Mapping[Cell, Sequence[str]]
"""What the training of a model fell short of, as its card says; models without may be absent."""

Values = Mapping[tuple[Cell, str], float]
"""Numbers by model and metric."""

Published = Mapping[tuple[str, str], float]
"""Published values by row and metric."""


class Table(NamedTuple):
    """The table over the seeds, and every published value beside ours.

    Attributes:
        lines: Every row and number.
        compared: By row and metric (a column of the paper) the published value and ours; a
            row without a training has none of ours.
        other_learner: Whether our DCI is of another learner than theirs.
    """

    lines: tuple[Line, ...]
    compared: Mapping[tuple[str, str], Comparison]
    other_learner: bool


def summarise(
    results: Iterable[Result],
    published: Published | None = None,
    shortfalls: Shortfalls | None = None,
    *,
    reduced: bool = False,
) -> Table:
    """The table: every row and metric over its seeds, published values beside them.

    Args:
        results: Of the cells that are done.
        published: Values by row and metric, those of posterior means. That of DCI is beside
            ours of the same learner, where that was measured.
        shortfalls: Of their trainings.
        reduced: Whether the setting is smaller than the reference study's.
    """
    published, cells, short = published or {}, {}, shortfalls or {}
    for cell, score in results:
        key = (cell.row.name, score.metric, score.representation)
        cells.setdefault(key, []).append((score.value, score.noise, bool(short.get(cell))))
    measured = {(row, metric): cells[row, metric, form] for row, metric, form in cells}
    exact = any(metric == EXACT for _, metric in measured)
    ours = {(row, _ours(metric, exact)): (row, metric) for row, metric in published}
    compared = {
        theirs: _compare(published[theirs], measured.get(key, ()), reduced=reduced)
        for key, theirs in ours.items()
    }
    other = not exact and bool(cells)
    lines = tuple(
        _line(
            key,
            np.array(values),
            compared[ours[key[:2]]] if key[:2] in ours else None,
            other_learner=other,
        )
        for key, values in cells.items()
    )
    return Table(lines, compared, other)


def _ours(metric: str, exact: bool) -> str:
    """Our name of a column of the paper."""
    return EXACT if exact and metric == "dci_disentanglement" else metric


def _compare(
    published: float, values: Sequence[tuple[float, float, bool]], *, reduced: bool
) -> Comparison:
    return Comparison(
        published=published,
        ours=tuple(value for value, *_ in values),
        reduced=reduced,
        fell_short=sum(short for *_, short in values),
    )


def verdict_of(metric: str, compared: Comparison, *, other_learner: bool) -> str:
    """The verdict on a published value; no DCI of another learner is judged."""
    judged = compared.is_judged and metric == "dci_disentanglement" and other_learner
    return "cannot be judged: DCI of another learner" if judged else compared.verdict


def _line(
    key: tuple[str, str, str],
    values: NDArray[np.float64],
    compared: Comparison | None,
    *,
    other_learner: bool,
) -> Line:
    lower, median, upper = np.quantile(values[:, 0], (0.25, 0.5, 0.75))
    return Line(
        *key,
        float(median),
        float(lower),
        float(upper),
        len(values),
        float(np.median(values[:, 1])),
        float("nan") if compared is None else compared.published,
        *prediction_interval(values[:, 0]),
        "" if compared is None else verdict_of(key[1], compared, other_learner=other_learner),
        int(values[:, 2].sum()),
    )


class Rank(NamedTuple):
    """How far the rows stand in the published order in one column.

    Attributes:
        metric: The column.
        value: Spearman's rank correlation of our medians and the published values.
        low: Lower end of its interval over other rows.
        high: Upper end.
        rows: That were compared: a published row that repeats another counts once, and rows
            with a training that fell short are left out.
        n: Fewest seeds of a row.
        verdict: Whether the interval lies above 0.
        left_out: Names of the rows whose trainings fell short.
    """

    metric: str
    value: float
    low: float
    high: float
    rows: int
    n: int
    verdict: str
    left_out: str


def ranks(compared: Mapping[tuple[str, str], Comparison]) -> tuple[Rank, ...]:
    """Our order of the rows beside the published one, column by column."""
    rows = list(dict.fromkeys(row for row, _ in compared))
    columns = list(dict.fromkeys(metric for _, metric in compared))
    theirs = {
        row: tuple(compared[row, c].published for c in columns if (row, c) in compared)
        for row in rows
    }
    first = {values: row for row, values in reversed(theirs.items())}
    return tuple(_rank(c, compared, list(first.values())[::-1]) for c in columns)


def _rank(metric: str, compared: Mapping[tuple[str, str], Comparison], rows: Sequence[str]) -> Rank:
    run = {row: one for row in rows if (one := compared.get((row, metric))) and one.ours}
    short = [row for row, one in run.items() if one.fell_short]
    kept = [one for row, one in run.items() if row not in short]
    found = rank_agreement(
        [float(np.median(one.ours)) for one in kept], [one.published for one in kept]
    )
    seeds = min((len(one.ours) for one in kept), default=0)
    verdict = "the same order" if found.low > 0 else "undecided"
    if found.high < 0:
        verdict = "another order"
    if seeds < FEWEST_SEEDS:
        verdict = f"cannot be judged: {seeds} seed{'' if seeds == 1 else 's'}"
    elif np.isnan(found.value):
        verdict = f"cannot be judged: {len(kept)} rows"
    return Rank(metric, *found, len(kept), seeds, verdict, " ".join(short))


def judge_claims(
    results: Sequence[Result],
    orders: Mapping[Cell, float],
    shortfalls: Shortfalls | None = None,
) -> tuple[Claim, ...]:
    """What the paper says of the annealed beta-VAE.

    A claim that involves a model whose training fell short cannot be judged. All annealed
    models are involved, also those that have no partner or opened no dimension because they
    collapsed: to leave them out would be to choose those that did well.

    Args:
        results: Of the cells that are done, partners included.
        orders: `order_of_opening` of annealed models; NaN, or none, where it is not known.
        shortfalls: Of their trainings.
    """
    values = {
        (cell, score.metric): score.value
        for cell, score in results
        if _of_means(score) and cell.row != FIGURE_2
    }
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
            found=over_seeds(
                [
                    (cell.seed, orders[cell])
                    for cell in annealed
                    if np.isfinite(_known(cell, orders))
                ]
            ),
            fell_short=ours,
        ),
        Claim(
            text=f"no Bottleneck model has a higher ELBO {LEMMA} (nats)",
            found=over_seeds(above_the_line(values)),
            fell_short=_names([*annealed, *_bottleneck(cells)], short),
        ),
    )


def _known(cell: Cell, orders: Mapping[Cell, float]) -> float:
    return orders.get(cell, float("nan"))


def _bottleneck(cells: Iterable[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.row.objective == "bottleneck"]


def above_the_line(values: Values) -> list[tuple[int, float]]:
    """How far the best Bottleneck model of a seed lies above the best annealed one's line.

    In the plane of rate and distortion models of one ELBO lie on a line of slope -1. The line
    of the ELBO's optimum touches the rate-distortion curve, and all other points of the curve
    lie above it: what is trained to another rate pays for it (paper, figure 1 left).
    """
    cells = [cell for cell, metric in values if metric == "elbo"]
    best: dict[tuple[str, int], float] = {}
    for cell in cells:
        key = cell.row.objective, cell.seed
        best[key] = max(best.get(key, -np.inf), values[cell, "elbo"])
    return [
        (seed, best["annealed", seed] - best["bottleneck", seed])
        for objective, seed in best
        if objective == "annealed" and ("bottleneck", seed) in best
    ]


def _names(cells: Iterable[Cell], short: Shortfalls) -> tuple[str, ...]:
    """Those whose trainings fell short."""
    return tuple(f"{cell.row.name} (seed {cell.seed})" for cell in cells if short.get(cell))


def _of_means(score: Score) -> bool:
    return score.representation in ("mean", "")


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
    rows: Sequence[Row], table: Mapping[str, Mapping[str, float]] | None = None
) -> dict[tuple[str, str], float]:
    """Published values by row and metric: those of the paper, and others that replace some.

    Args:
        rows: Of the study; values of others are left out.
        table: `[published.<row>]` of a settings file.

    Raises:
        InputError: a row of the table that the study has none of, or a metric that is none.
    """
    for name, values in (table or {}).items():
        names = [row.name for row in rows]
        if name not in names:
            raise InputError(f"no such row{nearest(name, names)}", where="published", found=name)
        for metric in values:
            if metric not in METRICS:
                hint = nearest(metric, list(METRICS))
                raise InputError(f"no such metric{hint}", where=f"published.{name}", found=metric)
    known = read_toml(PUBLISHED)
    whole = {
        row.name: known.get(row.name, {}) | dict((table or {}).get(row.name, {})) for row in rows
    }
    return {(name, metric): value for name, row in whole.items() for metric, value in row.items()}
