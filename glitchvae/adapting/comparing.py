"""Comparison of a model before and after adaptation, on simulated, labelled and all events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from glitchvae.adapting.events import Events
from glitchvae.adapting.settings import LARGEST_FALL, SIGNIFICANCE
from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery.clustering import find_groups
from glitchvae.probes import brier_score, log_loss, score
from glitchvae.probes.calibration import calibrate
from glitchvae.statistics import Estimate, binomial_interval, bootstrap_interval

HELD_OUT, OTHERS, TAUGHT, EVERY = (
    "simulated hold-out",
    "labels that did not teach",
    "labels that taught, by fold",
    "archive",
)

_GROUPED = 2000  # events that are grouped at most
_DRAWS = 5  # halves of them, for the stability
_RESAMPLES = 300  # behind intervals that are not exact
_BINS = 5  # of the reliability

Named = tuple[NDArray[np.float64], tuple[str, ...]]
"""Probabilities (N, K) and the names of the columns."""


class Line(NamedTuple):
    """One line of the comparison; NaN where a figure has no value or no interval."""

    events: str
    measure: str
    before: Estimate
    after: Estimate

    def cells(self) -> tuple[str, str, str, str]:
        """Each figure as text, with its interval where it has one."""
        return self.events, self.measure, _spelt(self.before), _spelt(self.after)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Figures of a model before and after adaptation.

    Attributes:
        lines: The figures.
        fall: Accuracy on the simulated hold-out that was lost; negative where some was gained.
        fall_p: Of the exact paired test that the fall is none (McNemar 1947), one-sided.
        gain_p: Of the same test that labelled events which did not teach are named no better;
            NaN where there is none.
        largest_fall: Of the accuracy, that is allowed.
    """

    lines: tuple[Line, ...]
    fall: float
    fall_p: float
    gain_p: float
    largest_fall: float = LARGEST_FALL

    @property
    def refused(self) -> bool:
        """Whether accuracy on the hold-out fell by more than is allowed and by more than chance."""
        return self.fall > self.largest_fall and self.fall_p < SIGNIFICANCE

    def as_table(self) -> dict[str, Any]:
        """Figures for the model card: value and ends of the interval."""
        return {
            "fall": self.fall,
            "fall_p": self.fall_p,
            **({"gain_p": self.gain_p} if np.isfinite(self.gain_p) else {}),
            "largest_fall": self.largest_fall,
            "significance": SIGNIFICANCE,
            "figures": [
                {
                    "events": line.events,
                    "measure": line.measure,
                    "before": [float(v) for v in line.before if np.isfinite(v)],
                    "after": [float(v) for v in line.after if np.isfinite(v)],
                }
                for line in self.lines
            ],
        }


def named(prototypes: Prototypes, codes: NDArray, f_max: NDArray) -> Named:
    """Class probabilities of codes under a head, and the names of its classes."""
    return prototypes.classify(codes, f_max).probabilities, prototypes.names


def compare(
    before: tuple[Prototypes, NDArray, NDArray],
    after: tuple[Prototypes, NDArray, NDArray],
    simulated: Events,
    events: Events,
    by_fold: Named | None,
    *,
    largest_fall: float = LARGEST_FALL,
    seed: int,
) -> Comparison:
    """Compare the figures of a model before and after adaptation.

    Args:
        before: Head, codes of the simulated hold-out, and of the archive's events.
        after: The same of the adapted model.
        simulated: The hold-out.
        events: Of the archive.
        by_fold: What heads that had not seen them say of the events that taught; None where
            nothing taught.
        largest_fall: Of the accuracy on the hold-out, that is allowed.
        seed: Of resamples.
    """
    rng = np.random.default_rng(seed)
    held = [named(head, codes, simulated.f_max) for head, codes, _ in (before, after)]
    every = [named(head, codes, events.f_max) for head, _, codes in (before, after)]
    lines = _scored(HELD_OUT, held[0], held[1], simulated.truth, rng)
    fall, fall_p = paired_fall(held[0], held[1], simulated.truth)
    others = (events.truth != "") & (events.label == "")
    gain_p = np.nan
    if others.any():
        one, other = (_some(each, others) for each in every)
        lines += _scored(OTHERS, one, other, events.truth[others], rng)
        gain_p = paired_fall(other, one, events.truth[others])[1]
    if by_fold is not None:
        taught = events.label != ""
        lines += _scored(TAUGHT, _some(every[0], taught), by_fold, events.label[taught], rng)
    lines.append(_agreement(every[0], every[1]))
    lines += _groups(before, after, rng)
    return Comparison(
        lines=tuple(lines), fall=fall, fall_p=fall_p, gain_p=gain_p, largest_fall=largest_fall
    )


def paired_fall(before: Named, after: Named, truth: NDArray[np.object_]) -> tuple[float, float]:
    """Loss of accuracy on the same events, and its p-value.

    Of the events that one of the two names rightly and the other does not, as many would be
    lost as gained by chance: an exact binomial test (McNemar 1947), one-sided.
    """
    was, now = (_said(each) == truth for each in (before, after))
    lost, gained = int((was & ~now).sum()), int((now & ~was).sum())
    p = stats.binomtest(lost, lost + gained, alternative="greater").pvalue if lost + gained else 1.0
    return (lost - gained) / len(truth), float(p)


def _said(each: Named) -> NDArray[np.object_]:
    """(N,) the most probable class; "" where there is none."""
    shares, names = each
    best = np.array(names, dtype=object)[np.nan_to_num(shares, nan=-1.0).argmax(axis=1)]
    return np.where(np.isfinite(shares).all(axis=1), best, "")


def _some(each: Named, rows: NDArray[np.bool_]) -> Named:
    return each[0][rows], each[1]


def _scored(
    events: str, before: Named, after: Named, truth: NDArray[np.object_], rng: np.random.Generator
) -> list[Line]:
    """Accuracy, macro recall, log-loss, Brier score, reliability."""
    found = [_figures(each, truth, rng) for each in (before, after)]
    nothing = Estimate(np.nan, np.nan, np.nan)
    measures = list(dict.fromkeys(m for one in found for m in one))
    return [Line(events, m, *(one.get(m, nothing) for one in found)) for m in measures]


def _figures(
    each: Named, truth: NDArray[np.object_], rng: np.random.Generator
) -> dict[str, Estimate]:
    said = _said(each)
    right = said == truth
    scores = score(truth, said, rng, resamples=_RESAMPLES)
    low, high = scores.intervals[1]
    figures = {
        "accuracy": _share(right),
        "macro recall": Estimate(scores.macro_recall, float(low), float(high)),
    }
    shares, names = _with_all(each, truth)
    own = np.arange(len(truth))
    for measure, of in (("log-loss", log_loss), ("Brier score", brier_score)):
        # The score of each event, so that a resample is a mean of some of them.
        single = np.array([of(shares[i : i + 1], truth[i : i + 1], names) for i in own])
        bounds = bootstrap_interval(
            lambda drawn, single=single: np.average(single, weights=drawn),
            own,
            rng,
            resamples=_RESAMPLES,
        )
        figures[measure] = Estimate(float(single.mean()), float(bounds[0]), float(bounds[1]))
    kept = calibrate(shares.max(axis=1).clip(0, 1), right, bins=_BINS)
    for said_p, share, count in zip(kept.confidence, kept.accuracy, kept.count, strict=True):
        place = min(int(said_p * _BINS), _BINS - 1)
        bin_name = f"right of those called {place / _BINS:.0%} to {(place + 1) / _BINS:.0%} sure"
        low, high = binomial_interval(round(share * count), int(count))
        figures[bin_name] = Estimate(float(share), low, high)
    return figures


def _with_all(each: Named, truth: NDArray[np.object_]) -> Named:
    """Probabilities with a column for every true class; unknown probabilities become 0."""
    shares, names = each
    more = tuple(sorted(set(truth.astype(str)) - set(names)))
    blank = np.zeros((len(shares), len(more)))
    return np.hstack([np.nan_to_num(shares, nan=0.0), blank]), (*names, *more)


def _share(right: NDArray[np.bool_]) -> Estimate:
    low, high = binomial_interval(int(right.sum()), len(right))
    return Estimate(float(right.mean()), low, high)


def _agreement(before: Named, after: Named) -> Line:
    """Share of events whose class is the same before and after."""
    nothing = Estimate(np.nan, np.nan, np.nan)
    return Line(EVERY, "named as before", nothing, _share(_said(before) == _said(after)))


def _groups(
    before: tuple[Prototypes, NDArray, NDArray],
    after: tuple[Prototypes, NDArray, NDArray],
    rng: np.random.Generator,
) -> list[Line]:
    """Stability of groups of codes: in random halves of the archive, and after adaptation."""
    rows = np.sort(rng.permutation(len(before[2]))[:_GROUPED])
    points = [codes[rows] @ head.whitener for head, _, codes in (before, after)]
    groups = [find_groups(each) for each in points]
    halves = [np.sort(rng.permutation(len(rows))[: len(rows) // 2]) for _ in range(_DRAWS)]
    stable = [
        _spread([adjusted_rand_score(own[half], find_groups(each[half])) for half in halves])
        for each, own in zip(points, groups, strict=True)
    ]
    counts = [Estimate(float(own.max(initial=-1) + 1), np.nan, np.nan) for own in groups]
    nothing = Estimate(np.nan, np.nan, np.nan)
    alike = Estimate(float(adjusted_rand_score(groups[0], groups[1])), np.nan, np.nan)
    return [
        Line(EVERY, "groups of codes", counts[0], counts[1]),
        Line(EVERY, "groups in halves (adjusted Rand index)", stable[0], stable[1]),
        Line(EVERY, "groups as before (adjusted Rand index)", nothing, alike),
    ]


def _spelt(value: Estimate) -> str:
    if np.isnan(value.value):
        return ""
    if np.isnan(value.low):
        return f"{value.value:.3g}"
    return f"{value.value:.3f} ({value.low:.3f}-{value.high:.3f})"


def _spread(draws: Sequence[float]) -> Estimate:
    return Estimate(float(np.mean(draws)), float(np.min(draws)), float(np.max(draws)))
