"""Weights of terms over the course of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

ScheduleShape = Literal["constant", "linear", "cosine", "cyclical"]
"""Shape of the change of a weight from its first value to its last."""


class Schedule(Protocol):
    """A weight as a function of the number of finished steps."""

    @property
    def steps(self) -> int:
        """Number of steps after which the weight is constant."""
        ...

    def __call__(self, step: int) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Constant:
    """The same weight at every step.

    Example:
        >>> Constant(4.0)(step=1000)
        4.0
    """

    value: float

    @property
    def steps(self) -> int:
        """Number of steps: 0."""
        return 0

    def __call__(self, step: int) -> float:
        """`value`."""
        return self.value


@dataclass(frozen=True)
class Linear:
    """Linear from `start` at step 0 to `end` at step `steps`, then `end`.

    Example:
        >>> [Linear(25.0, 1.0, 100)(step) for step in (0, 50, 100, 1000)]
        [25.0, 13.0, 1.0, 1.0]
    """

    start: float
    end: float
    steps: int

    def __call__(self, step: int) -> float:
        """The weight after `step` steps."""
        fraction = min(step / self.steps, 1.0)
        return self.start + (self.end - self.start) * fraction


@dataclass(frozen=True)
class Cosine:
    """Half a cosine period from `start` to `end`, then `end`.

    Example:
        >>> [round(Cosine(25.0, 1.0, 100)(step), 2) for step in (0, 25, 50, 100)]
        [25.0, 21.49, 13.0, 1.0]
    """

    start: float
    end: float
    steps: int

    def __call__(self, step: int) -> float:
        """The weight after `step` steps."""
        fraction = 0.5 * (1.0 - math.cos(math.pi * min(step / self.steps, 1.0)))
        return self.start + (self.end - self.start) * fraction


@dataclass(frozen=True)
class Cyclical:
    """`cycles` equal cycles from `start` to `end` within `steps` steps, then `end`.

    In the first half of each cycle the weight moves in a straight line, in the second it
    stays at `end` (Fu et al. 2019, "Cyclical Annealing Schedule", equations 6 and 7 with
    R = 0.5; their weight rises from 0 to 1, ours goes wherever it is told).

    Example:
        >>> [Cyclical(0.0, 1.0, 100, cycles=2)(step) for step in (0, 20, 40, 50, 100)]
        [0.0, 0.8, 1.0, 0.0, 1.0]
    """

    start: float
    end: float
    steps: int
    cycles: int = 4

    def __call__(self, step: int) -> float:
        """The weight after `step` steps."""
        if step >= self.steps:
            return self.end
        place = step * self.cycles / self.steps % 1.0
        return self.start + (self.end - self.start) * min(2.0 * place, 1.0)


def anneal(shape: ScheduleShape, start: float, end: float, steps: int, cycles: int) -> Schedule:
    """Make the schedule of a shape; a constant one is at `end` from the first step."""
    match shape:
        case "constant":
            return Constant(end)
        case "linear":
            return Linear(start, end, steps)
        case "cosine":
            return Cosine(start, end, steps)
        case "cyclical":
            return Cyclical(start, end, steps, cycles)
