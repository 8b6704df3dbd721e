"""Several processes for one training, started by torch's launcher (`torchrun`)."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Ranks:
    """Number of this process, and of all processes, of a training.

    Attributes:
        rank: Its number; process 0 writes and reports.
        count: Processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    @property
    def key(self) -> tuple[int, ...]:
        """Key of this process's random streams; empty if it is the only process."""
        return (self.rank,) if self.count > 1 else ()

    def share(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Wrap a module so that its gradients are averaged over the processes."""
        if self.count == 1:
            return module
        return DistributedDataParallel(module, [device.index] if device.type == "cuda" else None)

    def mean(self, values: Tensor) -> Tensor:
        """Values averaged over the processes."""
        if self.count == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.count

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether any process raised a flag; all processes get the same answer."""
        if self.count == 1:
            return flag
        return bool(self.mean(torch.tensor(float(flag), device=device)) > 0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            dist.barrier()


ALONE = Ranks()


def launched_ranks() -> Ranks:
    """Number of this process and of all, from the environment that torchrun sets."""
    return Ranks(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@contextmanager
def launched(device: str | torch.device) -> Iterator[tuple[Ranks, torch.device]]:
    """Join the processes started by torchrun, each on its own GPU if there are GPUs.

    Without torchrun, or with one process, this process is alone on `device`.
    """
    ranks, device = launched_ranks(), torch.device(device)
    if ranks.count == 1:
        yield ALONE, device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        # Once for the life of the process: torch cannot join the same launch twice.
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    yield ranks, device
