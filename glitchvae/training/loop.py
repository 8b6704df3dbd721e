"""The loop of a run: steps, logs and saves, until the last step or a signal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from glitchvae.allocation import freed_memory_kept
from glitchvae.errors import ModelError
from glitchvae.progress import Progress
from glitchvae.training.config import TrainingConfig
from glitchvae.training.launch import Ranks


class Runner(Protocol):
    """Anything that takes steps: one model or an ensemble."""

    device: torch.device

    @property
    def step(self) -> int:
        """Number of updates so far."""
        ...

    def advance(self) -> None: ...  # noqa: D102


def run_steps(
    runner: Runner,
    config: TrainingConfig,
    *,
    log: Callable[[], None],
    save: Callable[[], None],
    stopped: Callable[[], bool],
    progress: Progress,
    ranks: Ranks,
) -> None:
    """Take steps until the last or a signal, with regular calls of `log` and `save`.

    Several processes agree on a signal when they log, so that no step waits for it.
    """
    while runner.step < config.steps:
        runner.advance()
        progress(1)
        saves = runner.step % config.save_every == 0
        watched = (config.log_every, config.validate_every, config.keep_every)
        logs = saves or any(every and runner.step % every == 0 for every in watched)
        if logs:
            log()
        if saves:
            save()
        if (logs or ranks.count == 1) and ranks.any(stopped(), runner.device):
            break
    log()
    save()


@contextmanager
def settled(device: torch.device) -> Iterator[Callable[[], bool]]:
    """Isolate random numbers and memory of a run, and catch stop signals."""
    with own_random_numbers(device), freed_memory_kept(device), stop_signal() as stopped:
        yield stopped


@contextmanager
def own_random_numbers(device: str | torch.device) -> Iterator[None]:
    """Restore the state of torch's generators after the block."""
    device = torch.device(device)
    devices = []
    if device.type == "cuda":
        devices = [torch.cuda.current_device() if device.index is None else device.index]
    with torch.random.fork_rng(devices=devices):
        yield


@contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
    """Catch Ctrl-C and SIGTERM of a scheduler; a second signal takes effect at once.

    Python delivers signals to the main thread alone: elsewhere nothing is intercepted.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop.is_set
        return
    before: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    try:
        for number in before:
            signal.signal(number, note)
        yield stop.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def naming(run: Path) -> Iterator[None]:
    """Add the name of the run to errors of its model."""
    try:
        yield
    except ModelError as error:
        raise type(error)(
            error.problem, where=run, found=error.found, remedy=error.remedy
        ) from error


def clock(device: str | torch.device) -> float:
    """Time in seconds after all work on the device is finished."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
