"""Make the sets, then train."""

import sys
from pathlib import Path
from typing import Any

from pydantic import Field

from glitchvae.config import Settings, parse
from glitchvae.progress import Progress
from glitchvae.recipes import read_settings
from glitchvae.training import TrainingConfig, changed_config, read_training_data, train

from .sets import NoiseSettings, SetSettings, make_sets


class DefaultModelSettings(Settings):
    """Keys of `train_default_model.toml`.

    Attributes:
        sets: Simulated sets.
        noise: Real strain that lends them its noise.
        without: Classes that the model is never to see.
        training: Keys of `glitchvae train --config`.
        device: To train on.
    """

    sets: tuple[SetSettings, ...] = Field(min_length=1)
    noise: NoiseSettings = NoiseSettings()
    without: tuple[str, ...] = ()
    training: dict[str, Any]
    device: str = "cpu"


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Make the sets, then train."""
    values = read_settings(config, Path(__file__).parent)
    settings = parse(DefaultModelSettings, values, where=config)
    training = changed_config(dict(settings.training), {}, where=config)
    if tiny:
        settings, training = rehearsal(settings, training)
    paths = make_sets(settings.sets, settings.noise, out / "sets", settings.device, config)
    rows, columns = training.image_shape[-2:]
    shares = [each.share for each in settings.sets]
    data = read_training_data(paths, shape=(rows, columns), shares=shares)
    data = data.leave_out(settings.without)
    resume = (out / "model" / "resume").exists()
    train(data, training, out / "model", resume=resume, device=settings.device, progress=count_up())
    print(out / "model")


def rehearsal(
    settings: DefaultModelSettings, training: TrainingConfig
) -> tuple[DefaultModelSettings, TrainingConfig]:
    """A few events and steps of the same kind."""
    small = SetSettings(imaging="light", count=24, seed=1)
    return (
        settings.model_copy(update={"sets": (small,)}),
        training.model_copy(update={"steps": 5, "batch_size": 8, "precision": "float32"}),
    )


def count_up() -> Progress:
    """Says on stderr how many steps are done, every hundred."""
    done = 0

    def report(steps: int) -> None:
        nonlocal done
        done += steps
        if done % 100 < steps:
            print(f"{done} steps", file=sys.stderr)

    return report
