"""Tracking of runs: an interface of three calls, and TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from glitchvae.errors import ConfigError, how_to_install
from glitchvae.training.config import TrainingConfig
from glitchvae.training.log import kl_columns

FOLDER = "tensorboard"


class Tracker(Protocol):
    """Follower of a run: called at the start, with every row of the log, and at the end."""

    def start(self, run: Path, config: TrainingConfig) -> None:
        """Called when the run in a folder starts or resumes."""
        ...

    def record(self, step: int, terms: Mapping[str, float]) -> None:
        """Called with a row of the log: named terms after `step` updates."""
        ...

    def finish(self, run: Path) -> None:
        """Called when the checkpoint of the run is written."""
        ...


class TensorBoard:
    """Writes the terms of a run for TensorBoard, in `RUN/tensorboard`.

    Raises:
        ConfigError: the package tensorboard is not installed.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "TensorBoard is not installed",
                found=error,
                remedy=f"{how_to_install('track')} Or read log.csv.",
            ) from error
        self._open = SummaryWriter
        self._writer: Any = None

    def start(self, run: Path, config: TrainingConfig) -> None:
        """Open a file of events in the folder of the run."""
        self._writer = self._open(str(run / FOLDER))
        self._writer.add_text("config", f"```json\n{config.model_dump_json(indent=1)}\n```")

    def record(self, step: int, terms: Mapping[str, float]) -> None:
        """Add the terms, with the KL of single dimensions in one group."""
        dimensions = kl_columns(terms)
        for name, value in terms.items():
            if name != "step":
                self._writer.add_scalar(f"kl/{name}" if name in dimensions else name, value, step)

    def finish(self, run: Path) -> None:
        """Write remaining data and close the file."""
        self._writer.close()
