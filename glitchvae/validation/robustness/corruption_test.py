"""Record of tests with corruptions: classes of events versus strength."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.statistics import binomial_interval
from glitchvae.store import Record, column


class Kept(NamedTuple):
    """Class and code changes at one strength of a corruption.

    Attributes:
        strength: In the unit of the corruption.
        events: How many could be corrupted so.
        share: Of them that keep their class.
        low: Lower end of its exact binomial interval (Clopper & Pearson 1934).
        high: Upper end.
        cosine: Median cosine between the codes before and after.
        distance: Median distance between them.
        commonest: The class that most of the corrupted events are taken for.
    """

    strength: float
    events: int
    share: float
    low: float
    high: float
    cosine: float
    distance: float
    commonest: str


@dataclass(frozen=True, kw_only=True)
class CorruptionTest(Record):
    """Corrupted events; rows are events times corruptions times strengths.

    Attributes:
        event: Number of the event.
        corruption: Name of the corruption.
        unit: Of its strength.
        strength: How much of it.
        original: Class of the event as it is.
        class_name: Class of the corrupted event; "" where it could not be corrupted so.
        cosine: Of the angle between the codes before and after.
        distance: Between them, where events scatter around their class with unit variance
            in every direction (`Prototypes.whitener`).
    """

    schema: ClassVar[str] = "corruption-test"

    event: NDArray[Any] = column("i8")
    corruption: NDArray[Any] = column(str)
    unit: NDArray[Any] = column(str)
    strength: NDArray[Any] = column("f8")
    original: NDArray[Any] = column(str)
    class_name: NDArray[Any] = column(str)
    cosine: NDArray[Any] = column("f4")
    distance: NDArray[Any] = column("f4")

    @property
    def corruptions(self) -> tuple[str, ...]:
        """Names of the corruptions, in the order of first occurrence."""
        return tuple(dict.fromkeys(self.corruption))

    def of(self, corruption: str) -> CorruptionTest:
        """The rows of one corruption."""
        return self.take(self.corruption == corruption)

    def kept(self) -> list[Kept]:
        """Class and code changes at each strength, for the rows of one corruption."""
        usable = self.take(self.class_name != "")
        return [
            _kept(float(strength), usable.take(usable.strength == strength))
            for strength in np.unique(usable.strength)
        ]

    def limits(self) -> NDArray[np.float64]:
        """(events,) smallest strength that changes the class, for the rows of one corruption.

        Infinite where it never does.
        """
        differs = (self.class_name != self.original) & (self.class_name != "")
        strength = np.where(differs, self.strength, np.inf)
        return np.array([strength[self.event == event].min() for event in np.unique(self.event)])

    @property
    def half(self) -> str:
        """Strength at which half of the events changed class, for the rows of one corruption."""
        half = np.quantile(self.limits(), 0.5, method="higher")
        return f"{half:g} {self.unit[0]}" if np.isfinite(half) else "not reached"


def compare_codes(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    named: tuple[NDArray[np.object_], NDArray[np.object_]],
    whitener: NDArray[np.float64],
    *,
    event: NDArray[np.int64],
    corruption: str,
    unit: str,
    strength: NDArray[np.float64],
) -> CorruptionTest:
    """Rows of a test of one corruption.

    Args:
        before: (N, Z) codes.
        after: (N, Z) codes of the corrupted events; NaN where one could not be corrupted.
        named: Classes (N,) before and after.
        whitener: (Z, Z) of the model's prototypes.
        event: (N,).
        corruption: Its name.
        unit: Of the strengths.
        strength: (N,).
    """
    return CorruptionTest(
        event=event,
        corruption=np.full(len(event), corruption, object),
        unit=np.full(len(event), unit, object),
        strength=strength,
        original=named[0],
        class_name=named[1],
        cosine=_cosine(before, after),
        distance=np.linalg.norm((after - before) @ whitener, axis=1),
    )


def _cosine(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.floating]:
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) / np.maximum(norms, np.finfo(np.float32).tiny)


def _kept(strength: float, rows: CorruptionTest) -> Kept:
    same = int((rows.class_name == rows.original).sum())
    return Kept(
        strength,
        len(rows),
        same / len(rows),
        *binomial_interval(same, len(rows)),
        float(np.median(rows.cosine)),
        float(np.median(rows.distance)),
        Counter(rows.class_name).most_common(1)[0][0],
    )
