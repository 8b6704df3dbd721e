"""Comparison of methods with several seeds on equal test events: a table and a ranking."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.probes.scores import score_draws
from glitchvae.statistics import (
    CONFIDENCE,
    Claim,
    Comparison,
    claims_markdown,
    paired_difference,
)
from glitchvae.store import replacing, write_rows


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Predictions of one method for the test events.

    Attributes:
        name: Of the method.
        classes: (S, N) named classes by seed and event.
        published: Accuracy that others state, None where they state none.
        figures: Further numbers for the table, means over the seeds.
        shortfalls: What its trainings fell short of, each after the name of its seed and a
            colon; no claim about it can then be judged.
        reduced: Whether the setting is smaller than that of the published accuracy, or its
            events others.
    """

    name: str
    classes: NDArray[np.object_]
    published: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    shortfalls: tuple[str, ...] = ()
    reduced: bool = False


@dataclass(frozen=True, kw_only=True)
class RankedMethod:
    """One row of the table.

    Attributes:
        name: Of the method.
        accuracy: Mean over the seeds.
        interval: Of the accuracy, for other seeds and other events.
        macro_f1: Mean over the seeds.
        seeds: Accuracy of each seed.
        published: Accuracy that others state.
        figures: Further numbers.
        shortfalls: What its trainings fell short of.
        verdict: On the published accuracy beside those of the seeds; "" where none is stated.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    seeds: tuple[float, ...]
    published: float | None
    figures: Mapping[str, float]
    shortfalls: tuple[str, ...] = ()
    verdict: str = ""


def rank(
    truth: NDArray[np.object_],
    entries: Sequence[Entry],
    *,
    groups: NDArray | None = None,
) -> list[RankedMethod]:
    """Compute the row of every method, in the given order.

    Args:
        truth: (N,) true classes of the test events.
        entries: The methods.
        groups: (N,) events of one group, such as a day, count as one.
    """
    return [_line(truth, entry, groups) for entry in entries]


def _line(truth: NDArray[np.object_], entry: Entry, groups: NDArray | None) -> RankedMethod:
    right = entry.classes == truth
    # Accuracy is the difference from a method that is never right.
    found = paired_difference(right, np.zeros_like(right), groups=groups)
    low, high = np.clip(found.interval, 0.0, 1.0)
    return RankedMethod(
        name=entry.name,
        accuracy=found.value,
        interval=(float(low), float(high)),
        macro_f1=score_draws(truth, entry.classes).macro_f1,
        seeds=found.seeds,
        published=entry.published,
        figures=entry.figures,
        shortfalls=entry.shortfalls,
        verdict="" if (beside := _beside(entry, found.seeds)) is None else beside.verdict,
    )


def _beside(entry: Entry, seeds: tuple[float, ...]) -> Comparison | None:
    """Comparison of a published accuracy with ours, None if none is published."""
    if entry.published is None:
        return None
    return Comparison(
        published=entry.published,
        ours=seeds,
        reduced=entry.reduced,
        fell_short=len({each.partition(":")[0] for each in entry.shortfalls}),
    )


def check_order(
    truth: NDArray[np.object_],
    entries: Sequence[Entry],
    claims: Sequence[tuple[str, str]],
    *,
    groups: NDArray | None = None,
) -> list[Claim]:
    """Test claims (better, worse) on equal seeds and events, in points of accuracy.

    Raises:
        InputError: a claim names a method that is not there.
    """
    points = {entry.name: 100.0 * (entry.classes == truth) for entry in entries}
    if unknown := {name for claim in claims for name in claim} - points.keys():
        raise InputError(
            "a claim names unknown methods",
            where="claims",
            expected=sorted(points),
            found=sorted(unknown),
        )
    fell_short = {entry.name for entry in entries if entry.shortfalls}
    return [
        Claim(
            text=f"{better} above {worse} (points of accuracy)",
            found=paired_difference(points[better], points[worse], groups=groups),
            fell_short=tuple(name for name in (better, worse) if name in fell_short),
        )
        for better, worse in claims
    ]


def write_ranking(
    stem: str | Path, lines: Sequence[RankedMethod], order: Sequence[Claim] = ()
) -> str:
    """Write the table as `stem`.csv and, with claims, as `stem`.md.

    Returns:
        The text of the latter.

    Raises:
        StorageError: the disk refused the write.
    """
    text = ranking_markdown(lines, order)
    with replacing(f"{stem}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_rows(f"{stem}.csv", *_table(lines))
    return text


def write_predictions(
    path: str | Path, truth: NDArray[np.object_], predicted: NDArray[np.object_]
) -> None:
    """Write the predictions of one fit for the test events, for `read_predictions`.

    Raises:
        StorageError: the disk refused the write.
    """
    write_rows(path, ("label", "predicted"), zip(truth, predicted, strict=True))


def read_predictions(
    paths: Sequence[str | Path],
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """True classes (N,) and, by file, the predicted ones (S, N) of the same test events.

    Raises:
        InputError: a file cannot be read, or is of other events than the first.
    """
    tables = [_read_csv(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if not np.array_equal(table[0], tables[0][0]):
            raise InputError(
                "the predictions are of other test events",
                where=path,
                expected=f"those of {paths[0]}",
                remedy="Remove it, and what was made with it, and run again.",
            )
    return tables[0][0], np.stack([predicted for _, predicted in tables])


def _table(lines: Sequence[RankedMethod]) -> tuple[tuple[str, ...], list[tuple]]:
    """Header and rows of the CSV table."""
    figures = _figures(lines)
    header = (
        "method",
        "accuracy",
        "low",
        "high",
        "macro_f1",
        "seeds",
        *figures,
        "published",
        "verdict",
        "shortfalls",
    )
    rows = [
        (
            one.name,
            one.accuracy,
            *one.interval,
            one.macro_f1,
            " ".join(map(str, one.seeds)),
            *(one.figures.get(name, "") for name in figures),
            one.published,
            one.verdict,
            "; ".join(one.shortfalls),
        )
        for one in lines
    ]
    return header, rows


def ranking_markdown(lines: Sequence[RankedMethod], order: Sequence[Claim] = ()) -> str:
    """The table of methods, shortfalls of trainings, and claims, as Markdown."""
    figures = _figures(lines)
    header = (
        "method",
        "accuracy",
        "macro F1",
        "accuracy by seed",
        *figures,
        "published",
        "verdict",
    )
    rows = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    rows += [f"| {' | '.join(_cells(one, figures))} |" for one in lines]
    note = (
        f"In brackets: {CONFIDENCE:.0%} intervals, over seeds and test events; of a single seed "
        "over test events alone, and without the spread between trainings."
    )
    short = [f"- {one.name} fell short: {each}." for one in lines for each in one.shortfalls]
    claims = claims_markdown(order).splitlines() if order else []
    parts = ([note], short, claims)
    text = [line for part in parts if part for line in ("", *part)]
    return "\n".join([*rows, *text, ""])


def _cells(line: RankedMethod, figures: Sequence[str]) -> list[str]:
    low, high = line.interval
    return [
        line.name,
        f"{line.accuracy:.3f} [{low:.3f}, {high:.3f}]",
        f"{line.macro_f1:.3f}",
        " ".join(f"{value:.3f}" for value in line.seeds),
        *(f"{line.figures[name]:.5g}" if name in line.figures else "" for name in figures),
        "not stated" if line.published is None else f"{line.published:.4f}",
        line.verdict,
    ]


def _read_csv(path: str | Path) -> NDArray[np.object_]:
    """The two columns of predictions (2, N)."""
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = [(row["label"], row["predicted"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise InputError(
            "the table is not one of predictions",
            where=path,
            expected="columns label and predicted",
            found=error,
        ) from error
    return np.array(rows, dtype=object).reshape(-1, 2).T


def _figures(lines: Sequence[RankedMethod]) -> list[str]:
    """Names of the additional numbers, in the order of first occurrence."""
    return list(dict.fromkeys(name for one in lines for name in one.figures))
