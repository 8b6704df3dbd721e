"""Objectives compared by how hard their codes are, beside how accurate their classes are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.statistics import Difference, paired_difference
from glitchvae.validation.robustness.corruption_test import CorruptionTest

from .hardness import Hardness


class ModelHardness(NamedTuple):
    """What was measured of one model, on the same events as of all others.

    Attributes:
        probe: Attacks where the linear probe tells classes apart.
        nearest: Attacks where the nearest class does.
        corruptions: Corruptions, classes by the linear probe.
    """

    probe: Hardness
    nearest: Hardness
    corruptions: CorruptionTest

    @property
    def kept(self) -> NDArray[np.float64]:
        """(N,) share of the corruptions under which each event keeps its class."""
        same = (self.corruptions.class_name == self.corruptions.original).astype(float)
        return same.reshape(-1, len(self.probe)).mean(axis=0)


Measure = Callable[[ModelHardness], NDArray]
"""Something of every event."""

Models = Mapping[str, Sequence[ModelHardness]]
"""By objective, seed after seed."""


class Against(NamedTuple):
    """One objective less the baseline, seed by seed with the same seeds.

    Attributes:
        name: Objective.
        events: How many the linear probe names rightly on the codes of both, with every seed.
        accuracy: Of the linear probe, all events.
        probe: Logarithm of the distance to its boundaries, of those events.
        nearest: Logarithm of the distance to the boundaries of the nearest class, of the events
            that it names rightly with both.
        kept: Share of corruptions under which the probe keeps to its class, of `events`.
    """

    name: str
    events: int
    accuracy: Difference
    probe: Difference
    nearest: Difference
    kept: Difference


def compare_hardness(found: Models, baseline: str, *, groups: NDArray) -> list[Against]:
    """Every objective against one of them, on the events that both name rightly.

    Args:
        found: What was measured.
        baseline: The one that the others are compared with.
        groups: (N,) events of one group, such as a block of time, count as one.

    Raises:
        InputError: no such baseline.
    """
    if baseline not in found:
        raise InputError("no such objective", expected=", ".join(found), found=baseline)
    return [
        _against(name, models, found[baseline], groups)
        for name, models in found.items()
        if name != baseline
    ]


def as_markdown(
    rows: Sequence[Against], baseline: str, shortfalls: Mapping[str, Sequence[str]] | None = None
) -> str:
    """A table of comparisons; ratios of distances are geometric means.

    Args:
        rows: One for each objective.
        baseline: The one that they are compared with.
        shortfalls: By objective, what its trainings fell short of; no comparison with such
            models can be judged, which is said below the table.
    """
    header = (
        "objective",
        f"accuracy less that of {baseline} (points)",
        "events",
        f"distance over that of {baseline}, linear probe",
        "nearest class",
        "corruptions survived (points)",
    )
    lines = [
        (
            row.name,
            _points(row.accuracy),
            f"{row.events}",
            _ratio(row.probe),
            _ratio(row.nearest),
            _points(row.kept),
        )
        for row in rows
    ]
    table = [header, ["---"] * len(header), *lines]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in table) + "\n"
    short = [f"- {name}: {each}" for name, said in (shortfalls or {}).items() for each in said]
    if not short:
        return text
    return "\n".join([text, "Cannot be judged, as these trainings fell short:", "", *short, ""])


def _against(
    name: str, models: Sequence[ModelHardness], baseline: Sequence[ModelHardness], groups: NDArray
) -> Against:
    seeds = min(len(models), len(baseline))
    pair = models[:seeds], baseline[:seeds]

    def compare(measure: Measure, rows: NDArray[np.bool_]) -> Difference:
        mine, other = (np.stack([measure(one)[rows] for one in side]) for side in pair)
        if not rows.any():
            return Difference(value=np.nan, interval=(np.nan, np.nan), seeds=())
        return paired_difference(mine, other, groups=groups[rows])

    by_probe, by_nearest = (
        _right_in_all([hit(one) for side in pair for one in side])
        for hit in (lambda one: one.probe, lambda one: one.nearest)
    )
    return Against(
        name=name,
        events=int(by_probe.sum()),
        accuracy=compare(lambda one: one.probe.right, np.ones_like(by_probe)),
        probe=compare(lambda one: np.log(one.probe.distance), by_probe),
        nearest=compare(lambda one: np.log(one.nearest.distance), by_nearest),
        kept=compare(lambda one: one.kept, by_probe),
    )


def _right_in_all(found: Sequence[Hardness]) -> NDArray[np.bool_]:
    """(N,) events that all name rightly and that can be taken from all."""
    return np.all([one.right & np.isfinite(one.distance) for one in found], axis=0)


def _ratio(found: Difference) -> str:
    low, high = np.exp(found.interval)
    return f"{np.exp(found.value):.2f} [{low:.2f}, {high:.2f}]"


def _points(found: Difference) -> str:
    low, high = (100 * end for end in found.interval)
    return f"{100 * found.value:+.1f} [{low:+.1f}, {high:+.1f}]"
