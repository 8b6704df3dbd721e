"""Estimate of a run: parameters, arithmetic, memory, time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from glitchvae.allocation import freed_memory_kept
from glitchvae.training.config import TrainingConfig
from glitchvae.training.images import TrainingImages
from glitchvae.training.loop import clock, own_random_numbers
from glitchvae.training.memory import explain_exhaustion, memory_of
from glitchvae.training.trainer import Trainer

_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Estimated size, memory and time of a run.

    Attributes:
        parameters: Of the model.
        layers: Sizes of its latent layers, bottom up.
        events: That are trained on.
        data_bytes: Images, on the device or mapped from disk.
        resident: Whether they are on the device.
        flop_per_step: Floating-point operations of matrix products and convolutions.
        memory_bytes: On the device: images, weights, their Adam, activations.
        seconds_per_step: Measured over a few steps.
        seconds: Of the whole run.
    """

    parameters: int
    layers: tuple[int, ...]
    events: int
    data_bytes: int
    resident: bool
    flop_per_step: float
    memory_bytes: int
    seconds_per_step: float
    seconds: float


def plan(
    data: TrainingImages, config: TrainingConfig, *, device: str | torch.device = "cpu"
) -> TrainingPlan:
    """Estimate size, arithmetic, memory and time of a run by a few measured steps."""
    place = torch.device(device)
    with (
        own_random_numbers(place),
        freed_memory_kept(place),
        explain_exhaustion(data, config, place),
    ):
        trainer = Trainer(data, config.model_copy(update={"compiled": "no"}), device)
        with FlopCounterMode(display=False) as counter:
            trainer.advance()
        memory = memory_of(trainer)
        seconds = _seconds_per_step(Trainer(data, config, device))
    return TrainingPlan(
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        layers=tuple(trainer.model.layers),
        events=len(trainer.rows),
        data_bytes=data.nbytes,
        resident=data.resident,
        flop_per_step=float(counter.get_total_flops()),
        memory_bytes=memory.at(min(config.batch_size, len(trainer.rows))),
        seconds_per_step=seconds,
        seconds=seconds * config.steps,
    )


def _seconds_per_step(trainer: Trainer) -> float:
    trainer.advance()
    start = clock(trainer.device)
    for _ in range(_STEPS):
        trainer.advance()
    return (clock(trainer.device) - start) / _STEPS
