"""Weights of terms over the course of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """A weight as a function of the number of finished steps."""

    def __call__(self, step: int) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Constant:
    """The same weight at every step."""

    value: float

    def __call__(self, step: int) -> float:
        """`value`."""
        return self.value


@dataclass(frozen=True)
class Linear:
    """From `start` at step 0 to `end` at step `steps` in a straight line, then `end`."""

    start: float
    end: float
    steps: int

    def __call__(self, step: int) -> float:
        """The weight after `step` steps."""
        fraction = min(step / self.steps, 1.0)
        return self.start + (self.end - self.start) * fraction
