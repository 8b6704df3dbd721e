"""What a VAE is trained for: named terms, their weights over time, one table.

An objective is a frozen setting that computes terms (means over the batch, in nats) and
adds them with scheduled weights. Rate and distortion are kept apart so that the
rate-distortion curve is a plot of the training log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field
from torch import Tensor
from torch.distributions import Distribution, Normal, kl_divergence

from glitchvae.config import Settings, nearest, parse
from glitchvae.errors import ConfigError


class Batch(NamedTuple):
    """One training batch.

    `x` is the model's input (B, views + 1, F, T), `target` the views (B, views, F, T) it
    has to explain, `valid` the pixels of them that exist (B, 1, F, T).
    """

    x: Tensor
    target: Tensor
    valid: Tensor


class VAE(Protocol):
    """What an objective asks of a model."""

    def encode(self, x: Tensor) -> Normal: ...  # noqa: D102
    def decode(self, z: Tensor) -> Distribution: ...  # noqa: D102
    def prior(self, posterior: Normal) -> Normal: ...  # noqa: D102


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


def distortion(likelihood: Distribution, batch: Batch) -> Tensor:
    """Negative log-likelihood of the valid pixels in nats, mean over the batch."""
    log_prob = likelihood.log_prob(batch.target)
    return -(log_prob * batch.valid).flatten(1).sum(dim=1).mean()


def rate(posterior: Normal, prior: Normal) -> Tensor:
    """KL divergence of posterior and prior in nats, summed over latents, mean over the batch."""
    return kl_divergence(posterior, prior).sum(dim=-1).mean()


class Objective(Settings):
    """Base of the objectives: D + beta R unless a subclass has other terms or another total."""

    def schedules(self) -> dict[str, Schedule]:
        """The weights by name."""
        raise NotImplementedError

    def terms(self, model: VAE, batch: Batch) -> dict[str, Tensor]:
        """`reconstruction` and `rate` of one posterior sample per event."""
        posterior = model.encode(batch.x)
        likelihood = model.decode(posterior.rsample())
        return {
            "reconstruction": distortion(likelihood, batch),
            "rate": rate(posterior, model.prior(posterior)),
        }

    def total(self, terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
        """The scalar that is minimised: D + beta R."""
        return terms["reconstruction"] + weights["beta"] * terms["rate"]

    def weights(self, step: int) -> dict[str, float]:
        """Every weight after `step` steps."""
        return {name: schedule(step) for name, schedule in self.schedules().items()}

    def __call__(self, model: VAE, batch: Batch, step: int) -> dict[str, Tensor]:
        """The terms of a batch, with their weighted sum under `loss`."""
        terms = self.terms(model, batch)
        return {"loss": self.total(terms, self.weights(step)), **terms}


class Beta(Objective):
    """beta-VAE (Higgins et al. 2017): the same beta throughout; 1 is the ELBO."""

    name: Literal["beta"] = "beta"
    beta: float = Field(default=1.0, ge=0.0)

    def schedules(self) -> dict[str, Schedule]:
        """A constant beta."""
        return {"beta": Constant(self.beta)}


class Annealed(Objective):
    """beta-annealed VAE: beta falls linearly to 1 over `iteration_threshold` steps.

    Sankarapandian & Kulis, "beta-Annealed Variational Autoencoder for glitches": a
    `beta0` well above 1 opens the latent dimensions one after the other, in order of
    return; the end is the ELBO.
    """

    name: Literal["annealed"] = "annealed"
    beta0: float = Field(default=25.0, ge=0.0)
    iteration_threshold: int = Field(default=4000, ge=1)

    def schedules(self) -> dict[str, Schedule]:
        """Beta falling from `beta0` to 1."""
        return {"beta": Linear(self.beta0, 1.0, self.iteration_threshold)}


OBJECTIVES: dict[str, type[Objective]] = {"beta": Beta, "annealed": Annealed}
"""Every objective by the name it has on the command line and in a model card."""


def read_objective(values: dict[str, Any], *, where: object = None) -> Objective:
    """The objective that a table of a configuration file describes.

    Raises:
        ConfigError: an unknown objective or key, with the nearest valid name.
    """
    name = str(values.get("name"))
    if name not in OBJECTIVES:
        raise ConfigError(
            f"unknown objective {name!r}{nearest(name, list(OBJECTIVES))}", where=where
        )
    return parse(OBJECTIVES[name], values, where=where)
