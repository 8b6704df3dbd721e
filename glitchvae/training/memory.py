"""Memory of a training step, and advice if it is insufficient."""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from glitchvae.allocation import return_freed_memory
from glitchvae.errors import ModelError
from glitchvae.models import Model
from glitchvae.training.config import TrainingConfig
from glitchvae.training.images import TrainingImages
from glitchvae.training.trainer import Trainer

_BYTES_A_WEIGHT = 16
"""Weight, gradient and the two moments of Adam, four bytes each."""

_BACKWARD = 1.5
"""Peak memory of the backward pass in units of activations."""

_SHARE = 0.8
"""Share of the free memory that a recommended batch may use."""


class Memory(NamedTuple):
    """Bytes on the device as a function of the batch size."""

    fixed: int
    per_event: float

    def at(self, batch_size: int) -> int:
        """Bytes with this number of events in a batch."""
        return int(self.fixed + batch_size * self.per_event)


def memory_of(trainer: Trainer) -> Memory:
    """Memory of the steps of a run, from the tensors that two small steps save."""
    weights = sum(p.numel() for p in trainer.model.parameters())
    weights += (
        0
        if trainer.discriminator is None
        else sum(p.numel() for p in trainer.discriminator.parameters())
    )
    images = trainer.data.nbytes if trainer.data.resident else 0
    few, more = kept_bytes(trainer, 2), kept_bytes(trainer, 4)
    return Memory(images + _BYTES_A_WEIGHT * weights, _BACKWARD * (more - few) / 2)


@contextmanager
def explain_exhaustion(
    data: TrainingImages,
    config: TrainingConfig,
    device: torch.device,
    *,
    members: int = 1,
    network: Model[Any] | None = None,
) -> Iterator[None]:
    """Convert a failed allocation to an error with advice.

    Raises:
        ModelError: out of memory; names the batch size that would fit.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_exhaustion(error):
            raise
        traceback.clear_frames(error.__traceback__)  # what the failed step still holds
        told = str(error).splitlines()
        raise ModelError(
            f"out of memory on {device} with batches of {config.batch_size}",
            found=told[0] if told else None,
            remedy=_advice(data, config, device, members, network),
        ) from error


def is_exhaustion(error: BaseException) -> bool:
    """Whether an exception reports lack of memory, on a GPU or a CPU."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


def free_memory(device: torch.device) -> int:
    """Bytes a process may still take on a device."""
    return_freed_memory(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min(_available(), _allowed())


def _available() -> int:
    """Main memory available on the machine; the total if the system does not tell."""
    lines = Path("/proc/meminfo")
    if lines.exists():
        words = dict(line.split(":") for line in lines.read_text().splitlines())
        return int(words["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _allowed() -> int:
    """Memory left under a limit on this process (`ulimit -v`)."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    taken = Path("/proc/self/statm")
    if limit == resource.RLIM_INFINITY or not taken.exists():
        return sys.maxsize
    return max(0, limit - int(taken.read_text().split()[0]) * resource.getpagesize())


def _advice(
    data: TrainingImages,
    config: TrainingConfig,
    device: torch.device,
    members: int,
    network: Model[Any] | None,
) -> str:
    room = _SHARE * free_memory(device)
    plain = config.model_copy(update={"compiled": "no"})
    trainer = Trainer(data, plain, device, network=network)
    per_event = members * memory_of(trainer).per_event
    # A batch that failed is too large whatever is free by now.
    fits = min(int(room / max(per_event, 1.0)), config.batch_size // 2)
    if fits < 1:
        return "Not even one event fits beside the weights: choose a smaller model."
    return f"--batch-size {fits} would fit."


def kept_bytes(trainer: Trainer, events: int) -> int:
    """Bytes that a forward pass saves for the backward pass."""
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda kept: kept):
        outcome: Any = trainer.probe(events)
    del outcome
    return sum(sizes.values())
