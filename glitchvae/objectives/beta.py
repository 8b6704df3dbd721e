"""Distortion and rate alone, with a beta that stays or falls."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from glitchvae.objectives.base import Objective
from glitchvae.objectives.schedules import Constant, Linear, Schedule


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
