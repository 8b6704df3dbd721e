"""Summarise an archive; export, label, merge, remove or verify its rows."""

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
    """Summarise an archive; export, label, merge, remove or verify its rows."""


@command.command()
@ARCHIVE
def info(archive: Path | None) -> None:
    """Print the number of glitches by detector, class, status and model."""
    from glitchvae.archive import Archive, archive_path

    summary = Archive(archive_path(archive)).info()
    table = Table("key", "value", header=False)
    for name, value in summary.lines():
        table.add_row(name, value)
    print_table(table)


@command.command()
@click.argument("output", type=TableFile())
@click.option("--columns", metavar="A,B,...", help="Columns to write, in this order.")
@click.option(
    "--where",
    metavar="SQL",
    help="SQL condition on rows to write, such as \"snr > 10 and class_name = 'Tomte'\".",
)
@click.option("--ifo", metavar="IFO", help="Write only rows of this detector.")
@click.option(
    "--class", "class_name", metavar="CLASS", help="Write only rows of this nearest known class."
)
@click.option("--since", type=GPS, metavar="T", help="Write only rows at or after this GPS time.")
@click.option("--until", type=GPS, metavar="T", help="Write only rows before this GPS time.")
@click.option("--codes", is_flag=True, help="Include the codes in CSV and ECSV files.")
@click.option("--probabilities", is_flag=True, help="Add a column p_CLASS for every known class.")
@click.option(
    "--gravity-spy",
    is_flag=True,
    help="Write Gravity Spy's columns (event_time, gravityspy_id, ml_label, ...).",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Model whose rows are written, if the archive holds codes of several models.",
)
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

    CSV and ECSV begin with the most used columns and hold the codes only with --codes; Parquet
    and HDF5 always hold them. --where is an SQL expression on the columns of the CSV
    file (without utc) and, for classes, p_CLASS; an unknown number is NULL.
    """
    from glitchvae.archive import Archive, archive_path

    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    if columns is not None and not names:
        raise click.UsageError("--columns names no column.")
    if options["gravity_spy"] and (names or options["probabilities"] or options["codes"]):
        raise click.UsageError("--gravity-spy excludes --columns, --codes and --probabilities.")
    store = Archive(archive_path(archive), catalog)
    rows = store.export(output, columns=names, **options)
    click.echo(f"{rows} glitch{'' if rows == 1 else 'es'}: {output}")


@command.command()
@click.argument("what", nargs=-1, metavar="FILE | ID CLASS")
@click.option(
    "--remove",
    "taken",
    multiple=True,
    metavar="ID",
    help="Identifier of a glitch whose label is withdrawn.",
)
@click.option(
    "--reviewer",
    metavar="NAME",
    help="Name of the reviewer, stored with the label. [default: your login name]",
)
@click.option(
    "--skip-bad", is_flag=True, help="Store the valid rows of FILE although others are invalid."
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
    """Store labels: of one glitch (ID CLASS), or of a table of glitches (FILE).

    CLASS is a class of the catalogue or of your own, by its name or an alias on its card. It is
    stored with reviewer and date, and replaces an earlier label of the same glitch. FILE is CSV,
    ECSV or Parquet with the columns event_id and label, or Gravity Spy's gravityspy_id and
    ml_label; rows without a label are skipped. If a row is invalid nothing is stored, unless
    --skip-bad is given.
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
    """Copy the content of the archives SOURCE into the archive TARGET.

    The content is glitches, pictures, searched time, labels, heads of models, and the decisions in
    the catalogues beside the archives. TARGET is created if it does not exist; a SOURCE is never
    changed. Of two rows of one glitch the one with a code is kept, of two labels the newer one. A
    damaged SOURCE is reported and left out as a whole. The same command continues an interrupted
    merge.
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
@click.option("--model", metavar="NAME", help="Remove rows of this model, given by name or digest.")
@click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="ID",
    help="Remove rows of the glitch with this identifier. Repeatable.",
)
@click.option(
    "--ids",
    "id_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Remove rows of all glitches in a table (column event_id) or in a list with one "
    "identifier a line.",
)
@click.option(
    "--since", type=GPS, metavar="T", help="Remove rows and searched time from this GPS time on."
)
@click.option(
    "--until", type=GPS, metavar="T", help="Remove rows and searched time before this GPS time."
)
@click.option("--ifo", metavar="IFO", help="Limit --since and --until to this detector.")
@click.option(
    "--yes",
    is_flag=True,
    help="Remove the rows; without this option only print what would be removed.",
)
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

    Without --yes nothing is changed, and the command prints what it would remove. A time is removed
    together with its live time, so that rates stay correct. Single glitches are removed without it,
    and do not return when the same strain is embedded again. Labels stay. A model is removed only
    if each of its glitches has a code and a picture of another model.
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
    """Read the whole archive and report every problem; exit status 1 if there is one."""
    from glitchvae.archive import Archive, archive_path

    store = Archive(archive_path(archive))
    problems = 0
    for problem in store.verify():
        problems += 1
        click.echo(problem)
    note(f"{store.path}: {problems or 'no'} problem{'' if problems == 1 else 's'}")
    ctx.exit(1 if problems else 0)
