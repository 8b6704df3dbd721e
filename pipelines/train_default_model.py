"""Simulate glitches of every class and train the model that is shipped as `default`.

The sets are made once, and a set that is there is not made again; the training resumes
where it was stopped. The folder of results ends up with the sets (`sets/*.h5`) and the
checkpoint (`model/`).
"""

import sys
from pathlib import Path
from typing import Any

from pydantic import Field

from glitchvae.config import Settings, parse, read_toml
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.progress import Progress
from glitchvae.spectrogram import imaging_settings
from glitchvae.training import TrainingConfig, changed_config, read_training_data, train


class SetSettings(Settings):
    """One simulated set of images."""

    imaging: str
    count: int = Field(ge=1)
    seed: int
    balance: str = "uniform"


class DefaultModelSettings(Settings):
    """Keys of `train_default_model.toml`."""

    sets: tuple[SetSettings, ...] = Field(min_length=1)
    without: tuple[str, ...] = ()
    training: dict[str, Any]
    device: str = "cpu"


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Make the sets, then train."""
    settings = parse(DefaultModelSettings, read_toml(config), where=config)
    training = changed_config(dict(settings.training), {}, where=config)
    if tiny:
        settings, training = rehearsal(settings, training)
    paths = [make_set(each, out / "sets", settings.device) for each in settings.sets]
    rows, columns = training.image_shape[-2:]
    data = read_training_data(paths, shape=(rows, columns)).leave_out(settings.without)
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


def make_set(settings: SetSettings, folder: Path, device: str) -> Path:
    """A simulated set, unless it is there."""
    path = folder / f"{settings.imaging}-{settings.seed}.h5"
    if not path.exists():
        print(f"simulating {settings.count} events: {path}", file=sys.stderr)
        imaging = imaging_settings(settings.imaging)
        stretches = plan_stretches(
            settings.count,
            settings.seed,
            balance=settings.balance,
            sample_rate=imaging.sample_rate,
        )
        parts = simulate_dataset(stretches, imaging, device=device)
        write_dataset(path, parts, settings.count)
    return path


def count_up() -> Progress:
    """Says on stderr how many steps are done, every hundred."""
    done = 0

    def report(steps: int) -> None:
        nonlocal done
        done += steps
        if done % 100 < steps:
            print(f"{done} steps", file=sys.stderr)

    return report
