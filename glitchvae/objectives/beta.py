"""Objectives of distortion and rate: constant or annealed beta, and a rate with a target."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from glitchvae.objectives.base import VAE, Batch, Objective, Weights
from glitchvae.objectives.schedules import Constant, Linear, Schedule, ScheduleShape, anneal


class Beta(Objective):
    """beta-VAE (Higgins et al. 2017): constant beta; 1 is the ELBO.

    Example:
        >>> Beta(beta=4).weights(step=0)
        {'beta': 4.0}
    """

    of_the_weights: ClassVar[frozenset[str]] = frozenset({"beta"})
    name: Literal["beta"] = "beta"
    beta: float = Field(default=1.0, ge=0.0)

    def schedules(self) -> dict[str, Schedule]:
        """A constant beta."""
        return {"beta": Constant(self.beta)}


class Annealed(Objective):
    """beta-annealed VAE: beta falls linearly to 1 over `iteration_threshold` steps.

    Sankarapandian & Kulis, "beta-Annealed Variational Autoencoder for glitches": a
    `beta0` well above 1 opens the latent dimensions one after the other, in order of
    return; the end is the ELBO. Other ways down than the paper's straight line are
    `shape` "cosine" and "cyclical"; `cycles` concerns the latter alone.

    Example:
        >>> objective = Annealed(beta0=25, iteration_threshold=100)
        >>> [objective.weights(step)["beta"] for step in (0, 50, 100, 1000)]
        [25.0, 13.0, 1.0, 1.0]
    """

    of_the_weights: ClassVar[frozenset[str]] = frozenset(
        {"beta0", "iteration_threshold", "shape", "cycles"}
    )
    name: Literal["annealed"] = "annealed"
    beta0: float = Field(default=25.0, ge=0.0)
    iteration_threshold: int = Field(default=4000, ge=1)
    shape: Literal["linear", "cosine", "cyclical"] = "linear"
    cycles: int = Field(default=4, ge=1)

    def schedules(self) -> dict[str, Schedule]:
        """Beta falling from `beta0` to 1."""
        fall = anneal(self.shape, self.beta0, 1.0, self.iteration_threshold, self.cycles)
        return {"beta": fall}


class WeightedBeta(Objective):
    """Base of objectives with one weight, beta, that is constant or annealed.

    A `shape` other than "constant" takes beta from `beta0` to `beta` over
    `iteration_threshold` steps, as the beta-annealed VAE does; `cycles` is of "cyclical".
    """

    of_the_weights: ClassVar[frozenset[str]] = frozenset(
        {"beta", "shape", "beta0", "iteration_threshold", "cycles"}
    )
    beta: float = Field(default=1.0, ge=0.0)
    shape: ScheduleShape = "constant"
    beta0: float = Field(default=25.0, ge=0.0)
    iteration_threshold: int = Field(default=4000, ge=1)
    cycles: int = Field(default=4, ge=1)

    def schedules(self) -> dict[str, Schedule]:
        """Beta, constant or annealed from `beta0`."""
        way = anneal(self.shape, self.beta0, self.beta, self.iteration_threshold, self.cycles)
        return {"beta": way}


class Bottleneck(Objective):
    """D + gamma abs(R - C) with a capacity C that rises from 0 to `capacity` nats.

    Burgess et al. 2018, "Understanding disentangling in beta-VAE", equation 8. R is the
    mean rate of the batch: the distance is taken after the mean, so that events may
    differ in rate. The defaults are those of Locatello et al. 2019.

    Example:
        >>> Bottleneck(capacity=25, iteration_threshold=100).weights(step=50)
        {'gamma': 1000.0, 'capacity': 12.5}
    """

    of_the_weights: ClassVar[frozenset[str]] = frozenset(
        {"gamma", "capacity", "iteration_threshold"}
    )
    name: Literal["bottleneck"] = "bottleneck"
    gamma: float = Field(default=1000.0, ge=0.0)
    capacity: float = Field(default=25.0, ge=0.0)
    iteration_threshold: int = Field(default=100_000, ge=1)

    def schedules(self) -> dict[str, Schedule]:
        """A constant gamma and the rising capacity."""
        rise = Linear(0.0, self.capacity, self.iteration_threshold)
        return {"gamma": Constant(self.gamma), "capacity": rise}

    def target_rate(self) -> float:
        """The capacity."""
        return self.capacity

    def penalty(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """The distance of R and C in nats."""
        return (terms["rate"] - weights["capacity"]).abs()

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + gamma times the distance of R and C."""
        return terms["reconstruction"] + weights["gamma"] * self.penalty(terms, weights)

    def __call__(
        self, model: VAE, batch: Batch, weights: Weights, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """The terms of a batch and their `penalty`, with the weighted sum under `loss`."""
        terms = super().__call__(model, batch, weights, discriminator)
        return {**terms, "penalty": self.penalty(terms, weights)}
