"""Train a VAE on sets of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._manners import note
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.progress import Progress
    from glitchvae.training import Tracker, TrainingConfig, TrainingData, TrainingPlan


@click.command("train")
@click.argument(
    "datasets", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DATASET..."
)
@click.option(
    "--objective",
    help="Objective of the training. With one latent layer: annealed (default), beta, bottleneck, "
    "factor, tc, dip-i, dip-ii, infovae, iwae, vamp, consistent or labelled. With a hierarchy of "
    "layers (48, 24, 12 and 6 dimensions unless the model in --config says otherwise): dlgm, "
    "tc-dlgm or seatbelt. One of your own: its name or module:Class, with --import.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Total number of training steps.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Number of events in a batch.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Seed of initial weights, data order and posterior samples.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file of settings; or the folder or card of a model, to use its settings.",
)
@click.option(
    "--set",
    "lines",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting to change, as KEY=VALUE in terms of the settings file, such as "
    "batch_size=32, beta0=50 or model.latent_size=16. Repeatable.",
)
@click.option(
    "--resident-limit",
    "limit",
    type=click.FloatRange(min=0),
    metavar="GB",
    help="Size in GB above which images are mapped from disk. [default: half of the memory]",
)
@click.option(
    "--share",
    "shares",
    type=float,
    multiple=True,
    metavar="SHARE",
    help="Relative number of events of a batch from each DATASET; given once for each, in "
    "their order. [default: every event once in an epoch]",
)
@click.option("--resume", is_flag=True, help="Resume the run in the output folder.")
@click.option(
    "--changed-data", is_flag=True, help="Resume although the training data have changed."
)
@click.option(
    "--ensemble",
    "axes",
    multiple=True,
    metavar="KEY=VALUES",
    help="Settings in which the models of an ensemble differ, such as seeds=8 or "
    "beta0=5,25,100; all combinations are trained. Repeatable.",
)
@click.option(
    "--strategy",
    type=click.Choice(["auto", "loop", "vmap", "matrix"]),
    default="auto",
    help="Method by which an ensemble takes its steps; auto measures and takes the fastest.",
)
@click.option(
    "--export",
    "exports",
    type=click.Choice(["onnx", "pt2"]),
    multiple=True,
    help="Export the encoder of each RUN for programs without glitchvae: RUN/encoder.onnx, or "
    "RUN/encoder.pt2 of torch.export. Repeatable.",
)
@click.option("--tensorboard", is_flag=True, help="Write a log for TensorBoard to RUN/tensorboard.")
@DEVICE
@click.option(
    "--plan",
    "only_plan",
    is_flag=True,
    help="Print size and estimated time and memory of the run, then stop.",
)
@click.option(
    "-o",
    "--output",
    "run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Folder of the run, which becomes the model.",
)
def command(
    datasets: tuple[Path, ...],
    config: Path | None,
    lines: tuple[str, ...],
    limit: float | None,
    shares: tuple[float, ...],
    resume: bool,
    changed_data: bool,
    axes: tuple[str, ...],
    strategy: Any,
    exports: tuple[str, ...],
    tensorboard: bool,
    device: str,
    only_plan: bool,
    run: Path | None,
    **changes: Any,
) -> None:
    """Train a VAE on sets of images.

    DATASET is a spectrogram set (HDF5) or Gravity Spy images; several are joined. RUN becomes a
    folder for `glitchvae embed --model RUN`, with `log.csv` and the state for --resume, which
    Ctrl-C writes as well. With --ensemble it holds such a folder for each member. Processes
    started by torchrun share the members, or the batches of a single model.
    """
    from glitchvae.training import launched_ranks, train, train_ensemble

    if run is None and not only_plan:
        raise click.UsageError("Missing option '-o' / '--output' (only --plan goes without).")
    settings, members = _settings(run, resume, config, {**changes, "lines": lines}, axes)
    target = choose_device(device)
    data = _read(datasets, settings, limit, target, run, shares)
    _say_plan(data, settings, target, members=len(members) or 1, asked=only_plan)
    if only_plan or run is None:
        _say_unfinished(settings, members)
        return
    options: Any = {"resume": resume, "changed_data": changed_data, "device": target}
    with _progress(settings.steps) as advance:
        if members:
            folders = train_ensemble(
                data,
                settings,
                members,
                run,
                strategy=strategy,
                report=_say,
                progress=advance,
                trackers=lambda: _trackers(tensorboard),
                **options,
            )
        else:
            trackers = _trackers(tensorboard)
            folders = [train(data, settings, run, progress=advance, trackers=trackers, **options)]
    if members or launched_ranks().first:
        _export(folders, exports)
        click.echo("\n".join(map(str, folders)))


def _read(
    paths: tuple[Path, ...],
    settings: TrainingConfig,
    limit: float | None,
    device: str,
    run: Path | None,
    shares: tuple[float, ...],
) -> TrainingData:
    """Read the sets as bytes at the model's size, in memory if they fit, else in a file."""
    from glitchvae.training import read_training_data, resident_limit

    most = resident_limit(device) if limit is None else int(limit * 1e9)
    _, rows, columns = settings.image_shape
    folder = None if run is None else run.parent
    return read_training_data(
        paths, shape=(rows, columns), limit=most, folder=folder, shares=shares
    )


def _settings(
    run: Path | None,
    resume: bool,
    config: Path | None,
    changes: dict[str, Any],
    axes: tuple[str, ...],
) -> tuple[TrainingConfig, Mapping[str, Any]]:
    """Settings and ensemble members of the run to resume, else of the settings file."""
    from glitchvae.training import (
        expand_members,
        is_ensemble,
        read_training_config,
        refuse_existing,
        resumed_config,
        resumed_ensemble,
    )

    if run is not None and not resume:
        refuse_existing(run)
    if run is not None and resume and is_ensemble(run):
        return resumed_ensemble(run, **changes)
    if run is not None and resume and config is None:
        settings = resumed_config(run, **changes)
    else:
        settings = read_training_config(config, **changes)
    return settings, expand_members(settings, axes) if axes else {}


def _trackers(tensorboard: bool) -> list[Tracker]:
    from glitchvae.training import TensorBoard

    return [TensorBoard()] if tensorboard else []


def _export(folders: Sequence[Path], endings: tuple[str, ...]) -> None:
    """The encoder of each model as `encoder.ENDING` in its folder."""
    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.embedding import export_encoder

    for folder in folders if endings else ():
        checkpoint = load_checkpoint(folder)
        for ending in endings:
            export_encoder(checkpoint, folder / f"encoder.{ending}")


def _progress(steps: int) -> AbstractContextManager[Progress]:
    """Progress bar, shown by the first process alone."""
    from glitchvae.training import launched_ranks

    if launched_ranks().first:
        return progress_of("training", steps, "steps")
    return nullcontext(lambda _: None)


def _say(text: str) -> None:
    note(text)


def _say_plan(
    data: TrainingData, settings: TrainingConfig, device: str, *, members: int, asked: bool
) -> None:
    """Print the expected time and memory of the run."""
    from glitchvae.training import launched_ranks, plan

    if asked or launched_ranks().count == 1:
        _say(_describe(plan(data, settings, device=device), settings, device, members))


def _say_unfinished(settings: TrainingConfig, members: Mapping[str, Any]) -> None:
    """Report schedules that the run, or members of it, would not finish."""
    from glitchvae.training import member_config
    from glitchvae.training.shortfalls import unfinished

    configs = [member_config(settings, changes) for changes in members.values()] or [settings]
    found = [text for one in configs for text in unfinished(one.objective, one.steps)]
    for text in dict.fromkeys(found):
        _say(text)


def _describe(size: TrainingPlan, settings: TrainingConfig, device: str, members: int) -> str:
    objective = settings.objective.model_dump()["name"]
    place = f"resident on {device}" if size.resident else "mapped from disk"
    several = f", {members} members: at most {members} times that" if members > 1 else ""
    layers = ", ".join(map(str, size.layers))
    batch = min(settings.batch_size, size.events)
    latents = f"{layers} latent dimensions" + (" from layer to layer" * (len(size.layers) > 1))
    return (
        f"{size.parameters / 1e6:.2f} M parameters, {latents}, "
        f"objective {objective}; {size.events} training "
        f"events, {size.data_bytes / 1e6:.0f} MB of images {place}; "
        f"{settings.steps} steps of {batch} at {size.seconds_per_step:.3f} s, "
        f"{size.flop_per_step / 1e9:.3g} GFLOP and {size.memory_bytes / 1e6:.0f} MB: "
        f"about {size.seconds / 60:.1f} min{several}"
    )
