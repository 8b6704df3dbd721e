"""Adapt a model to the glitches of an archive."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._manners import note
from glitchvae.cli._tables import Table, print_table

if TYPE_CHECKING:
    from glitchvae.adapting import Comparison

_PATH = click.Path(path_type=Path)


@click.command("adapt")
@click.argument("archive", type=_PATH, metavar="ARCHIVE")
@click.option(
    "--labels",
    metavar="FILE",
    help="Table of identifiers and class labels to train on, in the format of `archive "
    "label FILE`; none to train without labels. [default: the labels in the archive]",
)
@click.option(
    "--model",
    metavar="NAME|DIR",
    help="Model to start from. [default: the model whose codes the archive holds]",
)
@click.option(
    "--strain",
    type=_PATH,
    multiple=True,
    metavar="FILE",
    help="Strain file whose quiet times provide real noise for simulated glitches. Repeatable.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Number of training steps. [default: 800]"
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Training time in minutes; the number of steps follows from a short measurement.",
)
@click.option(
    "--share",
    type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
    help="Fraction of each training batch that is taken from the archive. [default: 0.5]",
)
@click.option(
    "--simulated",
    type=click.IntRange(min=200),
    help="Number of simulated glitches in the training (replay). [default: 4000]",
)
@click.option("--imaging", help="Imaging settings for simulated strain. [default: light]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of all random numbers. [default: 0]")
@DEVICE
@click.option(
    "-o",
    "--output",
    required=True,
    type=_PATH,
    metavar="MODEL",
    help="Folder of the adapted model; an existing model there is replaced at the end.",
)
def command(
    archive: Path,
    labels: str | None,
    model: str | None,
    strain: tuple[Path, ...],
    device: str,
    output: Path,
    **given: Any,
) -> None:
    """Adapt a model to the glitches of an archive.

    Training continues for some minutes on the pictures of ARCHIVE, with or without labels, and on
    simulated glitches of all classes. The head is fitted again, and novelty is measured against
    glitches of the archive. `glitchvae embed ARCHIVE --model MODEL` then encodes the archive.

    A model that classifies simulated glitches worse than before is refused, and the old one stays.
    With fewer than 300 glitches only head and novelty are adapted. The same command continues an
    interrupted run from MODEL.adapting.
    """
    from glitchvae.adapting import AdaptSettings, adapt_model
    from glitchvae.archive import Archive
    from glitchvae.config import parse

    if given["steps"] is not None and given["minutes"] is not None:
        raise click.UsageError("--steps and --minutes exclude each other.")
    settings = parse(AdaptSettings, {k: v for k, v in given.items() if v is not None})
    found = adapt_model(
        Archive(archive),
        output,
        labels,
        model=model,
        strain=strain,
        settings=settings,
        device=choose_device(device),
        tell=note,
    )
    _print(found.comparison)
    click.echo(found.path)


def _print(comparison: Comparison) -> None:
    """Print the figures before and after, with their intervals."""
    table = Table("events", "measure", "before", "after")
    for line in comparison.lines:
        table.add_row(*line.cells())
    print_table(table)
    click.echo(
        f"simulated hold-out: accuracy {-100 * comparison.fall:+.1f} points,"
        f" exact paired p of a fall {comparison.fall_p:.2g}"
    )
    if not math.isnan(comparison.gain_p):  # NaN where no label is a test
        click.echo(f"labels that did not teach: exact paired p of a gain {comparison.gain_p:.2g}")
