"""Look into an archive, export it, check it, or label its glitches."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from glitchvae.cli._archive import ARCHIVE
from glitchvae.cli._catalog import CATALOG
from glitchvae.cli._manners import note
from glitchvae.cli._tables import Table, TableFile, print_table


@click.group("archive")
def command() -> None:
    """Look into an archive, export it, check it, or label its glitches."""


@command.command()
@ARCHIVE
def info(archive: Path | None) -> None:
    """How many glitches, of which detectors, classes, states and models."""
    from glitchvae.archive import Archive, archive_path

    summary = Archive(archive_path(archive)).info()
    table = Table("key", "value", header=False)
    for name, value in summary.lines():
        table.add_row(name, value)
    print_table(table)


@command.command()
@click.argument("output", type=TableFile())
@click.option("--model", metavar="NAME", help="Where the archive holds codes of several.")
@click.option("--probabilities", is_flag=True, help="Add a column p_CLASS for every known class.")
@ARCHIVE
def export(output: Path, model: str | None, archive: Path | None, *, probabilities: bool) -> None:
    """Write every row to OUTPUT: .h5, .parquet, .csv or .ecsv; "-" is CSV on stdout."""
    from glitchvae.archive import Archive, archive_path

    store = Archive(archive_path(archive))
    rows = store.export(output, model=model, probabilities=probabilities)
    click.echo(f"{rows} glitches: {output}")


@command.command()
@click.argument("event_id", metavar="ID")
@click.argument("class_name", metavar="CLASS")
@CATALOG
@ARCHIVE
def label(event_id: str, class_name: str, catalog: Path | None, archive: Path | None) -> None:
    """Keep what you say a glitch is: the glitch ID is of CLASS.

    CLASS is a class of the catalogue or of your own, in any spelling that its card knows;
    its name is kept. A later label of the same glitch takes the place of an earlier one.
    """
    from glitchvae.archive import Archive, archive_path
    from glitchvae.classes.catalog import read_catalog
    from glitchvae.classes.user import catalog_path

    store = Archive(archive_path(archive))
    known = read_catalog(own=catalog_path(catalog, store.path))
    kept = store.label({event_id: class_name}, catalog=known)
    store.refresh_classes()
    click.echo(f"{event_id}: {kept[event_id]}")


@command.command()
@ARCHIVE
@click.pass_context
def verify(ctx: click.Context, archive: Path | None) -> None:
    """Read everything and name every problem; exit status 1 if there is one."""
    from glitchvae.archive import Archive, archive_path

    store = Archive(archive_path(archive))
    problems = 0
    for problem in store.verify():
        problems += 1
        click.echo(problem)
    note(f"{store.path}: {problems or 'no'} problem{'' if problems == 1 else 's'}")
    ctx.exit(1 if problems else 0)
