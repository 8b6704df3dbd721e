"""A whole run: steps, state, log, checkpoint."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from glitchvae.errors import ModelError
from glitchvae.store import Progress
from glitchvae.training.config import TrainingConfig
from glitchvae.training.export import export
from glitchvae.training.images import TrainingImages
from glitchvae.training.state import load_state, refuse_existing, save_state
from glitchvae.training.trainer import Trainer

_PLAN_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will take."""

    parameters: int
    data_bytes: int
    resident: bool
    events: int
    seconds_per_step: float
    seconds: float


def plan(
    data: TrainingImages, config: TrainingConfig, *, device: str | torch.device = "cpu"
) -> Plan:
    """Size and time of a run, the time measured over a few steps."""
    with _own_random_numbers(device):
        trainer = Trainer(data, config, device)
        trainer.advance()
        start = _clock(device)
        for _ in range(_PLAN_STEPS):
            trainer.advance()
        seconds = (_clock(device) - start) / _PLAN_STEPS
    return Plan(
        parameters=sum(p.numel() for p in trainer.model.parameters()), data_bytes=data.nbytes,
        resident=data.resident, events=len(trainer.rows), seconds_per_step=seconds,
        seconds=seconds * config.steps,
    )  # fmt: skip


def train(
    data: TrainingImages,
    config: TrainingConfig,
    out: str | Path,
    *,
    resume: bool = False,
    changed_data: bool = False,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Path:
    """Train a model into the folder `out`, which is then a checkpoint.

    Beside the checkpoint the folder holds `log.csv` and `resume/state.pt`, from which
    `resume=True` goes on: on a CPU to the same weights, bit by bit, as a run that never
    stopped. Where the data carry labels, class prototypes are fitted to the codes of the
    training events and calibrated on the validation events.

    Args:
        data: Images of glitches or pictures.
        config: Settings of the run.
        out: Folder of the run.
        resume: Go on with the run in `out`.
        changed_data: Go on even if the data are not those the run began with.
        device: Where to train.
        progress: Called with the number of steps just finished.

    Raises:
        InputError: `out` holds a run, or none to resume.
        ModelError: the loss is not finite, or the run to resume began with other data or
            settings. The state written before stays.
        KeyboardInterrupt: after a signal, once the checkpoint is written.
    """
    run = Path(out)
    with _own_random_numbers(device), _stop_signal() as stopped:
        if not resume:
            refuse_existing(run)
        progress = progress or (lambda _: None)
        trainer, log = Trainer(data, config, device), []
        if resume:
            state = load_state(run, config, data, changed_data=changed_data)
            trainer.restore(state)
            log = state["log"]
            progress(trainer.step)
        _advance(trainer, log, run, stopped, progress)
        export(run, trainer.model, config, trainer.data, log, trainer.step)
        if trainer.step < config.steps:
            raise KeyboardInterrupt
    return run


def _advance(
    trainer: Trainer,
    log: list[dict[str, float]],
    run: Path,
    stopped: Callable[[], bool],
    progress: Progress,
) -> None:
    """Steps until the last or a signal; the terms are read, checked and logged now and then."""
    config = trainer.config
    while trainer.step < config.steps and not stopped():
        trainer.advance()
        progress(1)
        saves = trainer.step % config.save_every == 0
        if saves or trainer.step % config.log_every == 0:
            _log_terms(trainer, log, run)
        if saves:
            save_state(run, trainer.state(), config, trainer.data, log)
    _log_terms(trainer, log, run)
    save_state(run, trainer.state(), config, trainer.data, log)


def _log_terms(trainer: Trainer, log: list[dict[str, float]], run: Path) -> None:
    try:
        terms = trainer.read_terms()
    except ModelError as error:
        raise ModelError(
            error.problem, where=run, found=error.found, remedy=error.remedy
        ) from error  # fmt: skip
    if terms is not None:
        log.append(terms)


@contextmanager
def _own_random_numbers(device: str | torch.device) -> Iterator[None]:
    """Draws inside leave torch's generators as they were."""
    devices = [torch.cuda.current_device()] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or a scheduler's SIGTERM has come; a second one is not held back.

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


def _clock(device: str | torch.device) -> float:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
