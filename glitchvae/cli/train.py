"""Train a VAE on sets of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._progress import progress_of

if TYPE_CHECKING:
    from glitchvae.training import Plan, TrainingConfig, TrainingData


@click.command("train")
@click.argument(
    "datasets", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DATASET..."
)
@click.option(
    "--objective",
    help="annealed unless given; beta, bottleneck, factor, tc, dip-i, dip-ii, dlgm, tc-dlgm, "
    "seatbelt.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Updates in all.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Events per update.")
@click.option("--seed", type=click.IntRange(min=0), help="Of weights, data order and samples.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of further settings.")
@click.option(
    "--resident-limit", "limit", type=click.FloatRange(min=0), metavar="GB",
    help="Images beyond this are mapped from disk; half of the memory unless given.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the run in RUN.")
@click.option("--changed-data", is_flag=True, help="Resume although the data are others.")
@DEVICE
@click.option("--plan", "only_plan", is_flag=True, help="Print size and time, then stop.")
@click.option(
    "-o", "--out", "run", type=click.Path(path_type=Path), metavar="RUN", help="Folder of the run."
)
def command(
    datasets: tuple[Path, ...], config: Path | None, limit: float | None, resume: bool,
    changed_data: bool, device: str, only_plan: bool, run: Path | None, **changes: Any,
) -> None:  # fmt: skip
    """Train a VAE on sets of images.

    DATASET is a spectrogram set (HDF5) or Gravity Spy images; several are joined. RUN
    becomes a checkpoint folder for `glitchvae embed --model RUN`, with `log.csv` and the
    state that --resume goes on from. Ctrl-C writes it too.
    """
    from glitchvae.training import plan, refuse_existing, train

    if run is None and not only_plan:
        raise click.UsageError("Missing option '-o' / '--out' (only --plan goes without).")
    if run is not None and not resume:
        refuse_existing(run)
    settings = _settings(run if resume else None, config, changes)
    target = choose_device(device)
    data = _read(datasets, settings, limit, target, run)
    click.echo(_describe(plan(data, settings, device=target), settings, target), err=True)
    if only_plan or run is None:
        return
    with progress_of("training", settings.steps, "steps") as advance:
        train(
            data, settings, run, resume=resume, changed_data=changed_data, device=target,
            progress=advance,
        )  # fmt: skip
    click.echo(run)


def _read(
    paths: tuple[Path, ...], settings: TrainingConfig, limit: float | None, device: str,
    run: Path | None,
) -> TrainingData:  # fmt: skip
    """The sets as bytes at the model's size, in memory where they fit, else beside the run."""
    from glitchvae.training import read_training_data, resident_limit

    most = resident_limit(device) if limit is None else int(limit * 1e9)
    _, rows, columns = settings.image_shape
    folder = None if run is None else run.parent
    return read_training_data(paths, shape=(rows, columns), limit=most, folder=folder)


def _settings(resumed: Path | None, config: Path | None, changes: dict[str, Any]) -> TrainingConfig:
    """The settings of the run to resume, else of the file, with the options on top."""
    from glitchvae.training import read_training_config, resumed_config

    if resumed is not None and config is None:
        return resumed_config(resumed, **changes)
    return read_training_config(config, **changes)


def _describe(size: Plan, settings: TrainingConfig, device: str) -> str:
    objective = settings.objective.model_dump()["name"]
    place = f"resident on {device}" if size.resident else "mapped from disk"
    return (
        f"{size.parameters / 1e6:.2f} M parameters, objective {objective}; {size.events} training "
        f"events, {size.data_bytes / 1e6:.0f} MB of images {place}; "
        f"{settings.steps} steps of {settings.batch_size} at {size.seconds_per_step:.3f} s: "
        f"about {size.seconds / 60:.1f} min"
    )
