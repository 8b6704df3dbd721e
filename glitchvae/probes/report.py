"""Results of probes as tables: CSV, Markdown and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from glitchvae.probes.events import ProbeSet
from glitchvae.probes.protocol import ProbeResult
from glitchvae.statistics import CONFIDENCE
from glitchvae.store import replacing, write_rows

MEASURES = {"accuracy": "accuracy", "macro_f1": "macro F1", "macro_recall": "macro recall"}
HEADER = ("split", "method", "test events", *MEASURES.values(), "calibration error")
"""Header of the table for people."""


def write_report(
    folder: str | Path, outcomes: Sequence[ProbeResult], events: ProbeSet, about: dict[str, Any]
) -> None:
    """Write results to a folder.

    `scores.csv`, `classes.csv`, `calibration.csv` and `predictions.csv` hold one line per
    number; `probe.md` is the table for people, `probe.json` everything but the predictions.

    Args:
        folder: Made if it is not there.
        outcomes: What `run_probes` gave.
        events: What it was given.
        about: Inputs and options, for `probe.json`.

    Raises:
        StorageError: the disk refused the write.
    """
    folder = Path(folder)
    for name, (header, rows) in tables(outcomes, events).items():
        write_rows(folder / f"{name}.csv", header, rows)
    with replacing(folder / "probe.md") as temporary:
        temporary.write_text(markdown(outcomes), encoding="utf-8")
    with replacing(folder / "probe.json") as temporary:
        temporary.write_text(json.dumps(_tree(outcomes, about), indent=1), encoding="utf-8")


def tables(
    outcomes: Sequence[ProbeResult], events: ProbeSet
) -> dict[str, tuple[Sequence[str], list[tuple]]]:
    """Header and rows of every table by name."""
    return {
        "scores": (
            ("split", "method", "measure", "value", "low", "high"),
            [(o.split, *row) for o in outcomes for row in o.scores.rows(o.method)],
        ),
        "classes": (
            ("split", "method", "class", "events", "recall", "low", "high", "precision"),
            [(o.split, o.method, *one) for o in outcomes for one in o.scores.classes()],
        ),
        "calibration": (
            ("split", "method", "events", "confidence", "accuracy"),
            [(o.split, o.method, *row) for o in outcomes for row in _bins(o)],
        ),
        "predictions": (
            ("split", "method", "event_id", "gps", "label", "predicted"),
            [(o.split, o.method, *row) for o in outcomes for row in _predictions(o, events)],
        ),
    }


def markdown(outcomes: Sequence[ProbeResult]) -> str:
    """A table with a row for each method and split, intervals in brackets."""
    lines = [f"| {' | '.join(HEADER)} |", f"|{'---|' * len(HEADER)}"]
    lines += [f"| {' | '.join(cells(outcome))} |" for outcome in outcomes]
    lines.append(f"\nIn brackets: {CONFIDENCE:.0%} intervals, by bootstrap over test events or")
    lines.append("blocks of time; of few-shot naming, over draws of the known events.\n")
    return "\n".join(lines)


def cells(outcome: ProbeResult) -> list[str]:
    """Cells of one row of the table."""
    by_measure = {name: (value, low, high) for _, name, value, low, high in outcome.scores.rows("")}
    return [
        outcome.split,
        outcome.method,
        str(len(outcome.test)),
        *("{:.3f} [{:.3f}, {:.3f}]".format(*by_measure[name]) for name in MEASURES),
        "" if outcome.calibration is None else f"{outcome.calibration.error:.3f}",
    ]


def _bins(outcome: ProbeResult) -> Iterable[tuple]:
    if (found := outcome.calibration) is None:
        return []
    return zip(
        found.count.tolist(), found.confidence.tolist(), found.accuracy.tolist(), strict=True
    )


def _predictions(outcome: ProbeResult, events: ProbeSet) -> Iterable[tuple]:
    rows = outcome.test
    return zip(
        events.event_id[rows], events.gps[rows], events.label[rows], outcome.classes, strict=True
    )


def _tree(outcomes: Sequence[ProbeResult], about: dict[str, Any]) -> dict[str, Any]:
    return about | {"outcomes": [_branch(outcome) for outcome in outcomes]}


def _branch(outcome: ProbeResult) -> dict[str, Any]:
    return {
        "split": outcome.split,
        "method": outcome.method,
        "test_events": len(outcome.test),
        **{name: [*map(_finite, row)] for _, name, *row in outcome.scores.rows("")},
        "calibration_error": outcome.calibration and outcome.calibration.error,
        "classes": {one.name: _plain(one._asdict()) for one in outcome.scores.classes()},
        "names": outcome.scores.names,
        "confusion": outcome.scores.confusion.tolist(),
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values without the name; NaN becomes None."""
    return {k: v if k == "events" else _finite(v) for k, v in values.items() if k != "name"}


def _finite(value: float) -> float | None:
    """The value, or None if it is NaN or infinite, which JSON cannot hold."""
    return value if math.isfinite(value) else None
