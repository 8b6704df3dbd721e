"""The captured part of an update: from a batch to its terms, without the host."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, kl_divergence

from glitchvae.models import Latents, Model, scale_to_range
from glitchvae.objectives import Batch, Objective, Weights, kl_per_dimension
from glitchvae.training.config import TrainingConfig


class StepResult(NamedTuple):
    """Result of a step.

    Attributes:
        terms: Scalars by name, `loss` the one to go down.
        kl: KL of each latent dimension (D,), detached.
        codes: The posterior samples (B, D) of the batch and, where there is one, of the
            second batch, detached.
    """

    terms: dict[str, Tensor]
    kl: Tensor
    codes: tuple[Tensor, ...]


class Step(nn.Module):
    """A model with an objective; a call is the forward part of an update.

    It is a module so that torch's own launcher can wrap it. The discriminator is not among its
    parameters: the model's step must leave it alone.
    """

    def __init__(self, model: Model[Any], objective: Objective, precision: str) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.in_half = precision == "bfloat16"

    def forward(
        self, batch: Batch, weights: Weights, discriminator: nn.Module | None = None
    ) -> StepResult:
        """The terms of a batch of images in [0, 1]."""
        watched = _Watched(self.model)
        batch = in_range(batch, self.model)
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self.in_half):
            terms = self.objective(watched, batch, weights, discriminator)
            other = () if batch.other is None else (self._codes(batch.other),)
        latents = watched.passes[0]
        kl = kl_per_dimension(latents).detach()
        return StepResult(terms, kl, (latents.z.detach(), *other))

    @torch.no_grad()
    def _codes(self, x: Tensor) -> Tensor:
        return self.model.infer(x).z


class DiscriminatorStep(nn.Module):
    """Loss of a discriminator as a module that torch's launcher can wrap."""

    def __init__(self, discriminator: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.objective = objective

    def forward(self, codes: Tensor, other: Tensor) -> Tensor:
        """The loss on detached codes (B, D) of two independent batches."""
        return self.objective.discriminator_loss(self.discriminator, codes, other)


class _Watched:
    """A model that stores its forward passes, so that their results can be reused."""

    def __init__(self, model: Model[Any]) -> None:
        self._model = model
        self.passes: list[Latents] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def layers(self) -> tuple[int, ...]:
        return self._model.layers

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        latents = self._model.infer(x, sample=sample)
        self.passes.append(latents)
        return latents

    def decode(self, z: Tensor) -> Distribution:
        return self._model.decode(z)


def in_range(batch: Batch, model: Model[Any]) -> Batch:
    """Scale images in [0, 1] to the range of the model's likelihood."""
    likelihood = model.likelihood
    scaled = {
        name: scale_to_range(images, likelihood)
        for name in ("x", "target", "other", "positive")
        if (images := getattr(batch, name)) is not None
    }
    return batch._replace(**scaled)


class Captured:
    """A function compiled by torch, or uncompiled with one warning if that fails.

    On a GPU the compiled function is replayed as a CUDA graph. Random numbers are those of
    the function as it is, so that a run means the same either way.
    """

    def __init__(self, function: Callable[..., StepResult], device: torch.device) -> None:
        options: dict[str, Any] = {
            "fallback_random": True,
            "triton.cudagraphs": device.type == "cuda",
        }
        # torch looks up its rule for two normals once and for all. Found while the step is
        # traced, the search would cut it into pieces.
        standard = Normal(torch.zeros(()), torch.ones(()))
        kl_divergence(standard, standard)
        self._plain = function
        self._call: Callable[..., StepResult] = torch.compile(
            function, dynamic=False, options=options
        )
        self._proven = False
        self.obstacle = ""

    def __call__(self, *arguments: Any) -> StepResult:
        """Call the function."""
        if self._proven:
            return self._call(*arguments)
        try:
            outcome = self._call(*arguments)
        except RuntimeError as error:
            # Compilers fail in their own ways; if it was not the compiler, the function
            # raises the same again.
            self._call, self.obstacle = self._plain, f"{type(error).__name__}: {error}"
            outcome = self._plain(*arguments)
            first = self.obstacle.splitlines()[0]
            warnings.warn(f"the step is not compiled: {first}", stacklevel=2)
        self._proven = True
        return outcome


def captured(
    function: Callable[..., StepResult], config: TrainingConfig, device: torch.device
) -> Callable[..., StepResult]:
    """Compile the function if the settings or the device ask for it."""
    wanted = config.compiled == "yes" or (config.compiled == "auto" and device.type == "cuda")
    return Captured(function, device) if wanted else function
