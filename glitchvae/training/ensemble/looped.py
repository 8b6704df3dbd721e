"""An ensemble whose members take their steps one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from glitchvae.models import Model
from glitchvae.training.config import TrainingConfig
from glitchvae.training.images import TrainingImages
from glitchvae.training.trainer import Trainer


class LoopedEnsemble:
    """Members that share the images alone: each is as if trained on its own."""

    def __init__(
        self, data: TrainingImages, configs: Sequence[TrainingConfig], device: torch.device
    ) -> None:
        data = data.to(device)
        self.device = device
        self.trainers = [Trainer(data, config, device) for config in configs]

    @property
    def step(self) -> int:
        """Number of updates so far."""
        return self.trainers[0].step

    @property
    def models(self) -> list[Model[Any]]:
        """The model of each member."""
        return [trainer.model for trainer in self.trainers]

    def advance(self) -> None:
        """One update of every member."""
        for trainer in self.trainers:
            trainer.advance()

    def read_terms(self) -> list[dict[str, float]] | None:
        """Mean terms of each member since the last call, as `Trainer.read_terms`.

        Raises:
            ModelError: one of them is not finite.
        """
        rows = [trainer.read_terms() for trainer in self.trainers]
        return [row for row in rows if row is not None] or None

    def states(self) -> list[dict[str, Any]]:
        """State of each member, as of a `Trainer`."""
        return [trainer.state() for trainer in self.trainers]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """Continue from what `states` returned."""
        for trainer, state in zip(self.trainers, states, strict=True):
            trainer.restore(state)
