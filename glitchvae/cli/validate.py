"""Measure disentanglement and robustness of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._manners import note
from glitchvae.cli._robustness import attacks, noise
from glitchvae.cli._strain_robustness import strain
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.validation.disentanglement import Score
    from glitchvae.validation.images.factors import FactorData


@click.group()
def command() -> None:
    """Measure disentanglement and robustness of models."""


for each in (attacks, noise, strain):
    command.add_command(each)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options shared by both data sets."""
    options = (
        click.option(
            "--model",
            "checkpoints",
            type=click.Path(path_type=Path),
            multiple=True,
            metavar="DIR",
            help="Trained model to score. Repeatable.",
        ),
        click.option(
            "--train",
            "run",
            type=click.Path(path_type=Path),
            metavar="RUN",
            help="Folder in which a model is trained first and then scored.",
        ),
        click.option(
            "--objective",
            default="annealed",
            show_default=True,
            help="Objective of --train, as of `glitchvae train`; dlgm, tc-dlgm and seatbelt train "
            "a hierarchy of layers of 48, 24, 12 and 6 dimensions.",
        ),
        click.option(
            "--set",
            "changes",
            multiple=True,
            metavar="KEY=VALUE",
            help="Setting of --train to change, as KEY=VALUE, such as beta0=50, batch_size=128 or "
            "model.latent_size=6. Repeatable.",
        ),
        click.option(
            "--steps",
            type=click.IntRange(min=1),
            default=10_000,
            show_default=True,
            help="Number of steps of --train; 300,000 in the reference study.",
        ),
        click.option(
            "--learning-rate",
            type=click.FloatRange(min=0, min_open=True),
            default=1e-4,
            show_default=True,
            help="Learning rate of --train; use 1e-3 for few steps.",
        ),
        click.option(
            "--points",
            type=click.IntRange(min=100),
            default=50_000,
            show_default=True,
            help="Number of images, drawn at random; with few the sample sizes of metrics are "
            "scaled down.",
        ),
        click.option(
            "--sampled",
            is_flag=True,
            help="Score samples of the posteriors as well as their means.",
        ),
        click.option(
            "--exact-dci",
            is_flag=True,
            help="Compute DCI with scikit-learn's exact boosted trees as well, the learner of "
            "published values, which takes nine minutes a model with 50,000 points.",
        ),
        click.option(
            "--metric",
            "names",
            multiple=True,
            metavar="NAME",
            help="Metric to compute instead of all six: beta_vae_score, factor_vae_score, mig, "
            "dci, modularity, sap, or your own as module:function with --import. Repeatable.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Seed of the choice of images and of the metrics.",
        ),
        DEVICE,
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            metavar="CSV",
            help="CSV file for the scores; a picture of traversals is written beside it.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Published file of dSprites (.npz or .hdf5). [default: the same images are drawn]",
)
@_options
def dsprites(data: Path | None, **options: Any) -> None:
    """Six disentanglement metrics on dSprites.

    The table has the 90 % interval of each score, and the score of shuffled codes. The study of
    Table 2 is `glitchvae recipe run table2_dsprites`.
    """
    from glitchvae.validation.images.dsprites import draw_dsprites, read_dsprites

    _validate(draw_dsprites() if data is None else read_dsprites(data), **options)


@command.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Published folder `rendered_chairs`. [default: parametric chairs are drawn]",
)
@_options
def chairs(data: Path | None, **options: Any) -> None:
    """Six disentanglement metrics on 3D Chairs."""
    from glitchvae.validation.images.chairs import draw_chairs, read_chairs

    _validate(draw_chairs() if data is None else read_chairs(data), **options)


def _validate(
    data: FactorData,
    checkpoints: tuple[Path, ...],
    run: Path | None,
    points: int,
    sampled: bool,
    exact_dci: bool,
    names: tuple[str, ...],
    seed: int,
    device: str,
    output: Path | None,
    **training: Any,
) -> None:
    """Train if requested; then encode, score, print and write."""
    import numpy as np

    from glitchvae.plots.traversals import draw_factor_traversals
    from glitchvae.validation.disentanglement import METRICS, find_metric, steps_of
    from glitchvae.validation.disentanglement.scoring import (
        score_checkpoint,
        train_on,
        write_scores,
    )

    if run is None and not checkpoints:
        raise click.UsageError("Give --model DIR, or --train RUN to train a model first.")
    metrics = tuple(map(find_metric, names)) or METRICS
    target = choose_device(device)
    if run is not None:
        with progress_of("training", training["steps"], "steps") as advance:
            train_on(data, run, seed=seed, device=target, progress=advance, **training)
    models = checkpoints if run is None else (*checkpoints, run)
    chosen = data.sample(points, np.random.default_rng(seed))
    note(f"{data.description}: {len(chosen):,} of {len(data):,} images")
    tables = {}
    for path in models:
        with progress_of(f"scoring {path.name}", steps_of(sampled, metrics), "metrics") as advance:
            tables[path] = score_checkpoint(
                path,
                chosen,
                sampled=sampled,
                exact_dci=exact_dci,
                metrics=metrics,
                seed=seed,
                device=target,
                progress=advance,
            )
        _show(path, tables[path])
    if output is not None:
        write_scores(tables, output)
        for model in tables:
            picture = output.with_name(f"{output.stem}-{model.name}.png")
            draw_factor_traversals(model, chosen, picture)
        click.echo(output)


def _show(path: Path, scores: tuple[Score, ...]) -> None:
    from glitchvae.cli._tables import Table, print_table

    numbers = ("value|.3f", "low|.3f", "high|.3f", "shuffled|.3f")
    table = Table("metric", "codes", *numbers, title=str(path))
    for score in scores:
        table.add_row(*score)
    print_table(table)
