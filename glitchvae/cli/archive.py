"""Look into an archive, export, label, merge or check it, or remove of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._archive import ARCHIVE
from glitchvae.cli._catalog import CATALOG
from glitchvae.cli._gps import GPS
from glitchvae.cli._manners import exit_status, note, tell_problem
from glitchvae.cli._tables import Table, TableFile, print_table

if TYPE_CHECKING:
    from glitchvae.archive import Archive
    from glitchvae.archive.merging import Merged


@click.group("archive")
def command() -> None:
    """Look into an archive, export, label, merge or check it, or remove of it."""


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
@click.option("--columns", metavar="A,B,...", help="These columns alone, in this order.")
@click.option(
    "--where",
    metavar="SQL",
    help="Rows for which this holds: \"snr > 10 and class_name = 'Tomte'\".",
)
@click.option("--ifo", metavar="IFO", help="Rows of this detector.")
@click.option("--class", "class_name", metavar="CLASS", help="Rows named this class by the model.")
@click.option("--since", type=GPS, metavar="T", help="Rows from this GPS time on.")
@click.option("--until", type=GPS, metavar="T", help="Rows before this GPS time.")
@click.option("--codes", is_flag=True, help="Write the codes to CSV and ECSV too.")
@click.option("--probabilities", is_flag=True, help="Add a column p_CLASS for every known class.")
@click.option(
    "--gravity-spy",
    is_flag=True,
    help="Write Gravity Spy's own columns (event_time, gravityspy_id, ml_label, ...).",
)
@click.option("--model", metavar="NAME", help="Where the archive holds codes of several.")
@CATALOG
@ARCHIVE
def export(
    output: Path,
    columns: str | None,
    catalog: Path | None,
    archive: Path | None,
    **options: Any,
) -> None:
    """Write rows to OUTPUT: .csv, .ecsv, .parquet or .h5; "-" is CSV on stdout.

    CSV and ECSV begin with the columns that people read, and hold the codes with --codes;
    Parquet and HDF5 always hold them. --where is an SQL expression on the columns of the CSV
    file (without utc) and, for classes, p_CLASS; an unknown number is NULL.
    """
    from glitchvae.archive import Archive, archive_path

    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    if columns is not None and not names:
        raise click.UsageError("--columns names no column.")
    if options["gravity_spy"] and (names or options["probabilities"] or options["codes"]):
        raise click.UsageError("--gravity-spy has columns of its own, all classes among them.")
    store = Archive(archive_path(archive), catalog)
    rows = store.export(output, columns=names, **options)
    click.echo(f"{rows} glitch{'' if rows == 1 else 'es'}: {output}")


@command.command()
@click.argument("what", nargs=-1, metavar="FILE | ID CLASS")
@click.option("--remove", "taken", multiple=True, metavar="ID", help="Take the label of ID back.")
@click.option("--reviewer", metavar="NAME", help="Who says it; by default your login.")
@click.option(
    "--skip-bad", is_flag=True, help="Keep the right rows of FILE where others are wrong."
)
@CATALOG
@ARCHIVE
@click.pass_context
def label(
    ctx: click.Context,
    what: tuple[str, ...],
    taken: tuple[str, ...],
    reviewer: str | None,
    catalog: Path | None,
    archive: Path | None,
    *,
    skip_bad: bool,
) -> None:
    """Keep what you say glitches are: one glitch (ID CLASS), or a table of them (FILE).

    CLASS is a class of the catalogue or of your own, in any spelling that its card knows;
    its name is kept, with reviewer and date. A later label of the same glitch takes the place
    of an earlier one. FILE is CSV, ECSV or Parquet with the columns event_id and label, or
    Gravity Spy's gravityspy_id and ml_label; rows without a label are passed over. Where a
    row is wrong nothing is kept, unless --skip-bad is given.
    """
    from glitchvae.archive import Archive, archive_path
    from glitchvae.archive.labels import login

    if bool(taken) == bool(what) or len(what) > 2 or (skip_bad and len(what) != 1):
        raise click.UsageError("Give a table of labels (FILE), or ID CLASS, or --remove ID.")
    store = Archive(archive_path(archive), catalog)
    by = login() if reviewer is None else reviewer
    if taken:
        for event, name in store.unlabel(taken, reviewer=by).items():
            click.echo(f"{event}: no longer {name}")
    elif len(what) == 2:
        for event, name in store.label({what[0]: what[1]}, reviewer=by).items():
            click.echo(f"{event}: {name}")
    status = 0
    for path in what if len(what) == 1 else ():
        status = _label_table(store, Path(path), by, skip_bad=skip_bad)
    store.refresh_classes()
    ctx.exit(status)


def _label_table(store: Archive, path: Path, reviewer: str, *, skip_bad: bool) -> int:
    """Store the labels of a table; returns the exit status."""
    kept, problems = store.label_table(path, reviewer=reviewer, skip_bad=skip_bad)
    for problem in problems:
        tell_problem(problem)
    click.echo(f"{len(kept)} label{'' if len(kept) == 1 else 's'} kept")
    if problems and not kept and not skip_bad:
        note("nothing is kept while a row is wrong; --skip-bad keeps the others")
    return exit_status(len(problems), len(kept))


@command.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SOURCE..."
)
@CATALOG
@click.pass_context
def merge(
    ctx: click.Context, target: Path, sources: tuple[Path, ...], catalog: Path | None
) -> None:
    """Bring everything of the archives SOURCE into the archive TARGET.

    That is glitches, pictures, searched time, labels, heads of models, and the decisions of
    the catalogues beside them. TARGET is made if it is not there; a SOURCE is never changed.
    What TARGET holds already is passed over: of one glitch a row with a code wins, of two labels
    the newer one. A SOURCE that is damaged is named and left out as a whole. A merge that was
    interrupted goes on when it is given again.
    """
    from glitchvae.archive import Archive, create_archive
    from glitchvae.archive.merging import check_sources, count_rows, merge_archive
    from glitchvae.progress import progress_of

    if (target / "archive.json").exists():
        Archive(target)
    chosen, problems = check_sources(target, sources)
    for problem in problems:
        tell_problem(problem)
    table = Table("source", "added", "known", "searches", "labels", "decisions")
    if chosen:
        store = Archive(create_archive(target).path, catalog)
        for source in chosen:
            with progress_of(source.name, count_rows(source), "glitches") as report:
                merged = merge_archive(store, source, report)
            table.add_row(
                str(source),
                merged.rows,
                merged.known,
                merged.searched,
                merged.labels,
                merged.decisions,
            )
            for line in _remarks(merged):
                note(f"{source}: {line}")
        store.refresh_classes()
        print_table(table)
    ctx.exit(exit_status(len(problems), len(chosen)))


def _remarks(merged: Merged) -> list[str]:
    """Messages about a merge."""
    lines = list(merged.conflicts)
    if merged.live_unknown:
        lines.append("no ledger, as of an earlier version: its live time stays unknown")
    if merged.left:
        lines.append(f"{merged.left} jobs are writing it: merge it again when they have ended")
    return lines


@command.command()
@click.option("--model", metavar="NAME", help="Rows of this model, by name or digest.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="Rows of this glitch.")
@click.option(
    "--ids",
    "id_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Rows of the glitches in a table (column event_id) or a list, one a line.",
)
@click.option("--since", type=GPS, metavar="T", help="Rows from this GPS time on.")
@click.option("--until", type=GPS, metavar="T", help="Rows before this GPS time.")
@click.option("--ifo", metavar="IFO", help="Of this detector alone, with --since or --until.")
@click.option("--yes", is_flag=True, help="Remove; without it only tell what would go.")
@ARCHIVE
@click.pass_context
def remove(
    ctx: click.Context,
    model: str | None,
    ids: tuple[str, ...],
    id_file: Path | None,
    since: float | None,
    until: float | None,
    ifo: str | None,
    archive: Path | None,
    *,
    yes: bool,
) -> None:
    """Remove the rows of a model, of a time, or of some glitches, with their pictures.

    Without --yes nothing is changed: what would go is told. With a time goes what was searched
    there, so that rates stay right. With single glitches the searched time stays, and embedding
    the same strain again does not bring them back. Labels stay. A model is removed only where
    each of its glitches has a code and a picture of another one.
    """
    from glitchvae.archive import Archive, archive_path
    from glitchvae.archive.labels import read_ids
    from glitchvae.archive.live import spell

    span = since is not None or until is not None
    ways = (model is not None) + bool(ids or id_file) + span
    if ways != 1 or (ifo is not None and not span):
        raise click.UsageError(
            "Give one of --model, --id or --ids, and --since or --until (these with --ifo)."
        )
    wanted = [*ids, *([] if id_file is None else read_ids(id_file))] or None
    store = Archive(archive_path(archive))
    removal = store.remove(
        model=model, ids=wanted, since=since, until=until, ifo=ifo, dry_run=not yes
    )
    missing = [event for event in dict.fromkeys(wanted or []) if event not in removal.found]
    for event in missing:
        tell_problem(f"{store.path}: no event {event!r}")
    table = Table("glitches", "rows", "parts", "searched time")
    live = ", ".join(f"{name} {spell(seconds)}" for name, seconds in removal.live.items())
    table.add_row(removal.events, removal.rows, removal.parts, live or "stays")
    print_table(table)
    if yes:
        store.refresh_classes()
        click.echo("removed")
    else:
        note("nothing is removed yet: give --yes to remove it")
    ctx.exit(exit_status(len(missing), removal.events))


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
