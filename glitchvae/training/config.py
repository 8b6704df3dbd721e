"""Settings of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, SerializeAsAny

from glitchvae.config import Settings, parse, read_toml
from glitchvae.models import GlitchVAESettings
from glitchvae.objectives import Annealed, Objective, read_objective


class Augmentation(Settings):
    """Small changes of the images that should not change what they are.

    Attributes:
        time_shift: All views of a batch move by one time, uniform within plus or minus
            this many seconds, rounded to pixels in each view; what leaves on one side
            enters on the other. Zero keeps them in place.
        band_limit: Share of events whose upper rows are hidden from the encoder above a
            frequency uniform in log f, as if their strain had a lower sample rate. The
            loss still asks for the hidden rows, so that the codes of one glitch at 16, 4,
            2 and 1 kHz come to lie together.
        lowest_limit: Lowest frequency at which `band_limit` cuts (Hz); strain at 1024 Hz
            reaches 323 Hz.
        gain: Range of a factor, uniform in its logarithm, on the energies that each
            event shows the encoder; the loss asks for the energies as they are. Pictures
            published before gwpy normalised by medians are darker by up to ln 2.
    """

    time_shift: float = Field(default=0.01, ge=0)
    band_limit: float = Field(default=0.3, ge=0, le=1)
    lowest_limit: float = Field(default=300.0, gt=0)
    gain: tuple[PositiveFloat, PositiveFloat] = (0.65, 1.0)


class TrainingConfig(Settings):
    """Everything that, with the data, determines a training run.

    Attributes:
        objective: What is minimised.
        steps: Updates in all.
        batch_size: Events per update.
        learning_rate: Of Adam at the first step; falls linearly to zero at the last.
        seed: Of initial weights, data order, augmentation and posterior samples.
        precision: Arithmetic of the convolutions; KL and likelihood stay in float32.
        log_every: Steps averaged into one row of `log.csv`.
        save_every: Steps between two writes of the state a run resumes from.
        model: Size of the network.
        augmentation: Changes of the images during training.
    """

    objective: SerializeAsAny[Objective] = Field(default_factory=Annealed)
    steps: int = Field(default=8000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    seed: int = Field(default=0, ge=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    log_every: int = Field(default=20, ge=1)
    save_every: int = Field(default=500, ge=1)
    model: GlitchVAESettings = GlitchVAESettings()
    augmentation: Augmentation = Augmentation()


def read_training_config(path: str | Path | None = None, **changes: Any) -> TrainingConfig:
    """A TOML file, or the defaults, with some entries replaced.

    Args:
        path: A TOML file with the keys of `TrainingConfig`.
        changes: Entries that win over the file's; None leaves the file's. `objective` is a
            name: it keeps the file's `[objective]` table if that has the same name.

    Raises:
        ConfigError: unknown keys or objectives, with the nearest valid name; bad values.
    """
    return changed_config(read_toml(path) if path is not None else {}, changes, where=path)


def changed_config(
    values: dict[str, Any], changes: dict[str, Any], *, where: object = None
) -> TrainingConfig:
    """A table with some entries replaced, as `read_training_config` describes.

    Raises:
        ConfigError: as `read_training_config`.
    """
    given = {key: value for key, value in changes.items() if value is not None}
    table = values.get("objective", {})
    name = given.pop("objective", table.get("name", "annealed"))
    if table.get("name", name) != name:
        table = {}
    objective = read_objective({**table, "name": name}, where=where)
    return parse(TrainingConfig, {**values, **given, "objective": objective}, where=where)
