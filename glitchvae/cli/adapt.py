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
    help="Table of identifiers and classes that teach, as of `archive label FILE`; none: no label "
    "teaches. Without this option the labels that the archive holds teach.",
)
@click.option(
    "--model",
    metavar="NAME|DIR",
    help="Model to start from; without this option the one whose codes the archive holds.",
)
@click.option(
    "--strain",
    type=_PATH,
    multiple=True,
    metavar="FILE",
    help="Strain whose quiet times lend their noise to simulated glitches. Repeatable.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Number of updates. [default: 800]")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Time for the updates; their number follows from a few that are measured.",
)
@click.option(
    "--share",
    type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
    help="Share of a batch that are events of the archive. [default: 0.5]",
)
@click.option(
    "--simulated",
    type=click.IntRange(min=200),
    help="Number of simulated events that are shown again. [default: 4000]",
)
@click.option("--imaging", help="How simulated strain becomes images. [default: light]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything drawn. [default: 0]")
@DEVICE
@click.option(
    "-o",
    "--output",
    required=True,
    type=_PATH,
    metavar="MODEL",
    help="Folder of the adapted model; one that is there is replaced in the end.",
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

    The weights go on for some minutes on the pictures of ARCHIVE, without labels or with them, and
    on simulated glitches of all classes; the head is refitted, and novelty is measured against
    glitches of the archive. `glitchvae embed ARCHIVE --model MODEL` then encodes it anew.

    A model that names simulated glitches worse than before is refused, and the old one stays.
    With fewer than 300 glitches the weights stay, and head and novelty alone are adapted. The
    same command goes on after a kill, with what lies in MODEL.adapting.
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
