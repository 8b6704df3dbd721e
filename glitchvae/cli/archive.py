"""Look into an archive, export it, check it, label its glitches or name them anew."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from glitchvae.cli._archive import ARCHIVE
from glitchvae.cli._catalog import CATALOG, say_catalog
from glitchvae.cli._tables import print_table


@click.group("archive")
def command() -> None:
    """Look into an archive, export it, check it, label its glitches or name them anew."""


@command.command()
@ARCHIVE
def info(archive: Path | None) -> None:
    """How many glitches, of which detectors, classes, states and models."""
    from rich.table import Table

    from glitchvae.archive import Archive, archive_path

    summary = Archive(archive_path(archive)).info()
    table = Table(show_header=False, box=None)
    for name, value in summary.lines():
        table.add_row(f"[bold]{name}[/bold]", value)
    print_table(table)


@command.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME", help="Where the archive holds codes of several.")
@ARCHIVE
def export(output: Path, model: str | None, archive: Path | None) -> None:
    """Write every row to OUT: .h5, .parquet, .csv or .ecsv."""
    from glitchvae.archive import Archive, archive_path

    rows = Archive(archive_path(archive)).export(output, model=model)
    click.echo(f"{rows} glitches: {output}")


@command.command()
@click.option("--model", metavar="NAME|DIR", help="Whose codes; its folder, if it was moved.")
@CATALOG
@ARCHIVE
def classify(model: str | None, catalog: Path | None, archive: Path | None) -> None:
    """Give every glitch the class that its model and your catalogue name now.

    Glitches keep the class they were given when they were embedded. After a class was
    accepted, merged or retired, this names all of them anew from their codes.
    """
    from rich.table import Table

    from glitchvae.archive import Archive, archive_path, checkpoint_of
    from glitchvae.archive.known_classes import known_classes
    from glitchvae.classes.user import catalog_path

    store = Archive(archive_path(archive))
    name = model and Path(model).name
    checkpoint = checkpoint_of(store.embeddings(model=name), model)
    known = known_classes(checkpoint, catalog_path(catalog, store.path))
    say_catalog(known)
    changes = store.classify(known.prototypes, model=name)
    table = Table("class before", "class now", "glitches")
    for (before, now), count in changes.items():
        if before != now:
            table.add_row(before or "(none)", now, f"{count:,}")
    if table.row_count:
        print_table(table)
    changed = sum(count for (before, now), count in changes.items() if before != now)
    click.echo(f"{changed:,} of {sum(changes.values()):,} glitches have another class now")


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
    click.echo(f"{store.path}: {problems or 'no'} problem{'' if problems == 1 else 's'}", err=True)
    ctx.exit(1 if problems else 0)
