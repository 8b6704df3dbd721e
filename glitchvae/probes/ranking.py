"""Several methods, each with several seeds, on the same test events: a table and an order."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.probes.comparing import FEWEST_SEEDS, Difference, compare_paired
from glitchvae.probes.scores import CONFIDENCE, score_draws
from glitchvae.store import replacing


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one method named the test events.

    Attributes:
        name: Of the method.
        classes: (S, N) named classes by seed and event.
        published: Accuracy that others state, None where they state none.
        figures: Further numbers for the table, means over the seeds.
        shortfalls: What its trainings fell short of; no claim about it can then be judged.
    """

    name: str
    classes: NDArray[np.object_]
    published: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    shortfalls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes:
        name: Of the method.
        accuracy: Mean over the seeds.
        interval: Of the accuracy, for other seeds and other events.
        macro_f1: Mean over the seeds.
        seeds: Accuracy of each seed.
        published: Accuracy that others state.
        figures: Further numbers.
        shortfalls: What its trainings fell short of.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    seeds: tuple[float, ...]
    published: float | None
    figures: Mapping[str, float]
    shortfalls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """That one method is better than another, and what was found.

    Attributes:
        better: Name of the one.
        worse: Name of the other.
        difference: In accuracy.
        fell_short: Names of those of the two whose trainings fell short.
    """

    better: str
    worse: str
    difference: Difference
    fell_short: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """That of the difference; "cannot be judged" where a training fell short."""
        return "cannot be judged" if self.fell_short else self.difference.verdict

    def __str__(self) -> str:
        """One sentence, with the reason where the claim cannot be judged."""
        low, high = (100 * end for end in self.difference.interval)
        seeds = ", ".join(f"{100 * value:+.1f}" for value in self.difference.seeds)
        reasons = [f"trainings of {name} fell short" for name in self.fell_short]
        if len(self.difference.seeds) < FEWEST_SEEDS:
            reasons.append(f"fewer than {FEWEST_SEEDS} seeds")
        why = f" ({'; '.join(reasons)})" if reasons else ""
        return (
            f"{self.better} above {self.worse}: {100 * self.difference.value:+.1f} points "
            f"[{low:+.1f}, {high:+.1f}], by seed {seeds}: {self.verdict}{why}."
        )


def rank(
    truth: NDArray[np.object_],
    entries: Sequence[Entry],
    rng: np.random.Generator,
    *,
    groups: NDArray | None = None,
) -> list[Line]:
    """The line of every method, in the order given.

    Args:
        truth: (N,) true classes of the test events.
        entries: The methods.
        rng: Draws the resamples behind the intervals.
        groups: (N,) events of one group, such as a day, are drawn together.
    """
    return [_line(truth, entry, rng, groups) for entry in entries]


def _line(
    truth: NDArray[np.object_], entry: Entry, rng: np.random.Generator, groups: NDArray | None
) -> Line:
    right = entry.classes == truth
    # Accuracy is the difference from a method that is never right.
    found = compare_paired(right, np.zeros_like(right), rng, groups=groups)
    return Line(
        name=entry.name, accuracy=found.value, interval=found.interval, seeds=found.seeds,
        macro_f1=score_draws(truth, entry.classes).macro_f1,
        published=entry.published, figures=entry.figures, shortfalls=entry.shortfalls,
    )  # fmt: skip


def check_order(
    truth: NDArray[np.object_],
    entries: Sequence[Entry],
    claims: Sequence[tuple[str, str]],
    rng: np.random.Generator,
    *,
    groups: NDArray | None = None,
) -> list[Claim]:
    """The difference behind each claim (better, worse), between equal seeds and events.

    Raises:
        InputError: a claim names a method that is not there.
    """
    right = {entry.name: entry.classes == truth for entry in entries}
    if unknown := {name for claim in claims for name in claim} - right.keys():
        raise InputError(
            "a claim of unknown methods", where="claims", expected=sorted(right),
            found=sorted(unknown),
        )  # fmt: skip
    fell_short = {entry.name for entry in entries if entry.shortfalls}
    return [
        Claim(
            better=better, worse=worse,
            difference=compare_paired(right[better], right[worse], rng, groups=groups),
            fell_short=tuple(name for name in (better, worse) if name in fell_short),
        )
        for better, worse in claims
    ]  # fmt: skip


def write_ranking(stem: str | Path, lines: Sequence[Line], order: Sequence[Claim] = ()) -> str:
    """Write the table as `stem`.csv and, with what can be said of an order, as `stem`.md.

    Returns:
        The text of the latter.

    Raises:
        StorageError: the disk refused the write.
    """
    text = ranking_markdown(lines, order)
    with replacing(f"{stem}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    _write_csv(f"{stem}.csv", ranking_rows(lines))
    return text


def write_predictions(
    path: str | Path, truth: NDArray[np.object_], predicted: NDArray[np.object_]
) -> None:
    """Keep what one fit named the test events, for `read_predictions`.

    Raises:
        StorageError: the disk refused the write.
    """
    _write_csv(path, [("label", "predicted"), *zip(truth, predicted, strict=True)])


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
                "other test events", where=path, expected=f"those of {paths[0]}",
                remedy="Remove it, and what was made with it, and run again.",
            )  # fmt: skip
    return tables[0][0], np.stack([predicted for _, predicted in tables])


def ranking_rows(lines: Sequence[Line]) -> list[tuple]:
    """Header and rows for CSV."""
    figures = _figures(lines)
    header = (
        "method", "accuracy", "low", "high", "macro_f1", "seeds", *figures, "published",
        "shortfalls",
    )  # fmt: skip
    rows = [
        (
            one.name, one.accuracy, *one.interval, one.macro_f1, " ".join(map(str, one.seeds)),
            *(one.figures.get(name, "") for name in figures), one.published,
            "; ".join(one.shortfalls),
        )
        for one in lines
    ]  # fmt: skip
    return [header, *rows]


def ranking_markdown(lines: Sequence[Line], order: Sequence[Claim] = ()) -> str:
    """The table, what trainings fell short of, and in words what can be said of an order."""
    figures = _figures(lines)
    header = ("method", "accuracy", "macro F1", "accuracy by seed", *figures, "published")
    rows = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    rows += [f"| {' | '.join(_cells(one, figures))} |" for one in lines]
    note = (
        f"In brackets: {CONFIDENCE:.0%} intervals, by bootstrap over seeds and test events; of a "
        "single seed over test events alone, and without the spread between trainings."
    )
    short = [f"- {one.name} fell short: {each}." for one in lines for each in one.shortfalls]
    parts = ([note], short, [f"- {claim}" for claim in order])
    text = [line for part in parts if part for line in ("", *part)]
    return "\n".join([*rows, *text, ""])


def _cells(line: Line, figures: Sequence[str]) -> list[str]:
    low, high = line.interval
    return [
        line.name,
        f"{line.accuracy:.3f} [{low:.3f}, {high:.3f}]",
        f"{line.macro_f1:.3f}",
        " ".join(f"{value:.3f}" for value in line.seeds),
        *(f"{line.figures[name]:.5g}" if name in line.figures else "" for name in figures),
        "not stated" if line.published is None else f"{line.published:.4f}",
    ]


def _write_csv(path: str | Path, rows: Iterable[Sequence[object]]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _read_csv(path: str | Path) -> NDArray[np.object_]:
    """The two columns of predictions (2, N)."""
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = [(row["label"], row["predicted"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise InputError(
            "no predictions", where=path, expected="columns label and predicted", found=error
        ) from error
    return np.array(rows, dtype=object).reshape(-1, 2).T


def _figures(lines: Sequence[Line]) -> list[str]:
    """Names of the further numbers, in the order they first occur in."""
    return list(dict.fromkeys(name for one in lines for name in one.figures))
