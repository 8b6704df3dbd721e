"""A complete run: steps, state, log, checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from glitchvae.models import Model
from glitchvae.progress import Progress
from glitchvae.training.config import TrainingConfig
from glitchvae.training.export import export
from glitchvae.training.images import TrainingImages
from glitchvae.training.launch import launched
from glitchvae.training.loop import clock, naming, run_steps, settled
from glitchvae.training.memory import explain_exhaustion
from glitchvae.training.shortfalls import say_unfinished
from glitchvae.training.state import (
    STATE,
    check_state,
    read_state,
    refuse_existing,
    whole_state,
    write_log,
    write_state,
)
from glitchvae.training.tracking import Tracker
from glitchvae.training.trainer import Trainer
from glitchvae.training.watching import check_watchable, is_best, is_patience_over, validation_terms

_LOG = logging.getLogger(__name__)
CHECKPOINTS, BEST = "checkpoints", "best"
"""Folders of a run for intermediate checkpoints: all that are kept, and the best so far."""


def train(
    data: TrainingImages,
    config: TrainingConfig,
    out: str | Path,
    *,
    resume: bool = False,
    changed_data: bool = False,
    device: str | torch.device = "cpu",
    progress: Progress = lambda _: None,
    trackers: Sequence[Tracker] = (),
    network: Model[Any] | None = None,
) -> Path:
    """Train a model in the folder `out`, which then is a checkpoint.

    Beside the checkpoint the folder holds `log.csv` and `resume/state.pt`, from which
    `resume=True` goes on: on a CPU to the same weights, bit by bit, as a run that never
    stopped. Where the data carry labels, class prototypes are fitted to the codes of the
    training events and calibrated on the validation events.

    With `validate_every` and `keep_every` of the settings there are checkpoints on the way,
    `best` and `checkpoints/step-…`; with `patience` a run that makes no progress ends early.

    Processes that torchrun started share each batch and average their gradients; the first
    of them writes.

    Args:
        data: Images of glitches or pictures.
        config: Settings of the run.
        out: Folder of the run.
        resume: Go on with the run in `out`.
        changed_data: Go on even if the data are not those the run began with.
        device: Where to train.
        progress: Called with the number of steps just finished.
        trackers: Told of the start, of every row of the log and of the end.
        network: A model to start from, with the settings `config.model`; it is copied. Unless
            given one is built with fresh weights.

    Raises:
        InputError: `out` holds a run, or none to resume.
        ModelError: the loss is not finite, the memory does not suffice, or the run to resume
            began with other data or settings. The state written before stays.
        KeyboardInterrupt: after a signal, once the checkpoint is written.
    """
    run = Path(out)
    with launched(device) as (ranks, place), settled(place) as stopped:
        if not resume:
            refuse_existing(run)
        trainer, log = Trainer(data, config, place, ranks, network), []
        if resume:
            state = read_state(run / STATE)
            check_state(state, config, data, where=run, changed_data=changed_data)
            trainer.restore(state)
            log = state["log"]
            progress(trainer.step)
            if trainer.step >= config.steps:
                _LOG.warning(
                    "%s: has %d steps already and asks for %d; more need a larger `steps`",
                    run,
                    trainer.step,
                    config.steps,
                )
        record = RunRecord(trainer, log, run, trackers if ranks.first else ())
        if ranks.first:
            say_unfinished(config, run)
        check_watchable(config, data)
        with explain_exhaustion(data, config, place, network=network):
            run_steps(
                trainer,
                config,
                log=record.log_terms,
                save=record.save,
                stopped=lambda: stopped() or record.is_over,
                progress=progress,
                ranks=ranks,
            )
        if ranks.first:
            record.finish()
        ranks.wait()
        if trainer.step < config.steps and not record.is_over:
            raise KeyboardInterrupt
    return run


class RunRecord:
    """Files of a run; of several processes the first writes them."""

    def __init__(
        self, trainer: Trainer, log: list[dict[str, float]], run: Path, trackers: Sequence[Tracker]
    ) -> None:
        self.trainer, self.rows, self.run, self.trackers = trainer, log, run, trackers
        self.began = (trainer.step, clock(trainer.device))
        self.is_over = False  # whether the run ends before its last step, for want of progress
        for tracker in trackers:
            tracker.start(run, trainer.config)

    def log_terms(self) -> None:
        """Read the terms since the last call, check and store them.

        Raises:
            ModelError: one of them is not finite.
        """
        with naming(self.run):
            terms = self.trainer.read_terms()
        if terms is not None:
            self.rows.append(terms | self._validation())
            for tracker in self.trackers:
                tracker.record(int(terms["step"]), self.rows[-1])
            self.is_over = is_patience_over(self.rows, self.trainer.config.patience)
            self._keep()

    def _validation(self) -> dict[str, float]:
        trainer, every = self.trainer, self.trainer.config.validate_every
        if not every or trainer.step % every:
            return {}
        return validation_terms(trainer.model, trainer.data, seed=trainer.config.seed)

    def _keep(self) -> None:
        """Write the checkpoints that are due: an intermediate one, and the best so far."""
        trainer, folders = self.trainer, []
        every, step = trainer.config.keep_every, trainer.step
        if every and step % every == 0:
            folders.append(self.run / CHECKPOINTS / f"step-{step:08d}")
        if is_best(self.rows):
            folders.append(self.run / BEST)
        if folders and trainer.ranks.first:
            export(
                folders,
                trainer.model,
                trainer.config,
                trainer.data,
                self.rows,
                step,
                on_the_way=True,
            )

    def save(self) -> None:
        """Write the state to resume from, and the log."""
        trainer = self.trainer
        if trainer.ranks.first:
            state = whole_state(trainer.state(), trainer.config, trainer.data, self.rows)
            write_state(self.run / STATE, state)
            write_log(self.run, self.rows)

    def finish(self) -> None:
        """Write the checkpoint."""
        trainer, (first, began) = self.trainer, self.began
        speed = (trainer.step - first) / (clock(trainer.device) - began)
        export(
            [self.run],
            trainer.model,
            trainer.config,
            trainer.data,
            self.rows,
            trainer.step,
            speed=speed,
        )
        for tracker in self.trackers:
            tracker.finish(self.run)
