"""Find the glitches in strain, encode them and store them in an archive."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._archive import ARCHIVE
from glitchvae.cli._catalog import say_catalog
from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._gps import GPS
from glitchvae.cli._limits import limits
from glitchvae.cli._manners import exit_status, note, tell_problem
from glitchvae.cli._tables import Table, TableFile, print_table
from glitchvae.errors import GlitchvaeError, InputError, StorageError
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.archive import Archive, Filled, Task
    from glitchvae.embedding import Embeddings, Job
    from glitchvae.strain import StrainSource
    from glitchvae.triggers import Triggers

_PATH = click.Path(path_type=Path)
_EXTENT = ("gps", "duration", "ifo")
_COVERED = ("covered", "searched")


@click.command("embed")
@click.argument("inputs", nargs=-1, type=_PATH, metavar="INPUT...")
@click.option(
    "--triggers",
    type=_PATH,
    metavar="FILE",
    help="Table of triggers to embed, instead of a search of the strain.",
)
@click.option(
    "--gps",
    type=GPS,
    multiple=True,
    metavar="T",
    help="GPS time to embed, instead of a search of the strain. Repeatable.",
)
@click.option("--ifo", help="Detector of strain files that do not state it.")
@click.option("--channel", help="Channel to read from strain files with several channels.")
@click.option(
    "--gwosc",
    nargs=3,
    metavar="IFO START END",
    help="Detector and GPS times of open data to download from GWOSC.",
)
@click.option(
    "--frametype",
    metavar="NAME",
    help="Type of frames to find by gwdatafind; needs --ifo, --start and --end.",
)
@click.option("--start", type=GPS, metavar="T", help="First GPS time of the strain to use.")
@click.option("--end", type=GPS, metavar="T", help="GPS time at which the strain to use ends.")
@limits
@click.option(
    "--snr",
    type=float,
    default=7.5,
    show_default=True,
    help="Minimum SNR of triggers.",
)
@click.option(
    "--model",
    default="default",
    show_default=True,
    metavar="NAME|DIR",
    help="Model that encodes the glitches: the name of a shipped model, or a folder.",
)
@click.option(
    "--imaging",
    default="gravity-spy",
    show_default=True,
    help="Imaging settings: gravity-spy as in Gravity Spy, or the faster light.",
)
@click.option(
    "--uncertainty/--no-uncertainty",
    default=True,
    show_default=True,
    help="Compute how much each code varies under small changes of its image.",
)
@ARCHIVE
@click.option(
    "-o",
    "--output",
    type=TableFile(),
    help="File to write the rows to as well: .h5, .parquet, .csv or .ecsv; - is CSV on stdout.",
)
@click.option("--codes", is_flag=True, help="Include the codes in CSV and ECSV files.")
@click.option(
    "--probabilities",
    is_flag=True,
    help="Add a column p_CLASS for every known class to the output file.",
)
@click.option(
    "--contact-sheet",
    type=_PATH,
    metavar="PNG",
    help="PNG file for a contact sheet of the 60 loudest glitches.",
)
@DEVICE
@click.option(
    "--plan",
    "only_plan",
    is_flag=True,
    help="Process a few minutes of the data, print estimated time and memory, then stop.",
)
@click.pass_context
def command(ctx: click.Context, archive: Path | None, only_plan: bool, **options: Any) -> None:
    """Find the glitches in strain, encode them and store them in an archive.

    INPUT is strain (GWOSC HDF5, GWF, gwpy HDF5) of one or several detectors, a folder of such
    files, or images (a spectrogram set, Gravity Spy's HDF5, a folder of its pictures), recognised
    by content. If INPUT is an archive, its glitches are encoded with another --model from the
    stored pictures. Finished work is not repeated, so the same command continues an interrupted
    run. Exit status 1 if an input could not be used.
    """
    from glitchvae.archive import archive_path, create_archive

    _check_outputs(options["output"], options["contact_sheet"])
    if options["probabilities"] and options["output"] is None:
        raise click.UsageError("--probabilities needs --output.")
    if any((path / "archive.json").is_file() for path in options["inputs"]):
        _encode_anew(options, archive, only_plan=only_plan)
        return
    job = _job(options, archive)
    tasks, problems = _tasks(options)
    done = len(tasks)
    for task in tasks:
        note(task.facts(job))
    if only_plan and tasks:
        plans = [task.plan(job, archive_path(archive)) for task in tasks]
        click.echo(str(functools.reduce(operator.add, plans)))
    elif tasks:
        store = create_archive(archive_path(archive))
        filled, failed = _run(tasks, store, job)
        problems += failed
        done = len(filled)
        _conclude(filled, store, options)
    ctx.exit(exit_status(problems, done))


def _check_outputs(output: Path | None, contact_sheet: Path | None) -> None:
    """Refuse outputs that cannot be written, before any work."""
    from glitchvae.embedding import check_output

    if output is not None:
        check_output(output)
    if contact_sheet is not None and contact_sheet.suffix.lower() != ".png":
        raise InputError("not the name of a picture", where=contact_sheet, expected=".png")


def _job(options: dict[str, Any], archive: Path | None) -> Job:
    from glitchvae.archive import archive_path
    from glitchvae.archive.known_classes import job_of
    from glitchvae.classes.user import catalog_path

    names = ("snr", "ifo", "channel", "gps", "frametype", "gwosc", "start", "end", "flags", "masks")
    given = {name: options[name] for name in names if options[name]}
    if options["segments"]:
        given["segments"] = [Path(option).name for option in options["segments"]]
    if options["triggers"]:
        given["triggers"] = options["triggers"].name
    job, known = job_of(
        options["model"],
        catalog=catalog_path(None, archive_path(archive)),
        imaging=options["imaging"],
        snr=options["snr"],
        uncertainty=options["uncertainty"],
        device=choose_device(options["device"]),
        configuration=given,
        archive=archive_path(archive),
    )
    say_catalog(known)
    return job


def _tasks(options: dict[str, Any]) -> tuple[list[Task], int]:
    """Tasks for the usable inputs, and the number of others; each problem is reported."""
    from glitchvae.archive import image_tasks, strain_tasks
    from glitchvae.embedding import limit_sources, open_inputs

    inputs = open_inputs(options["inputs"], ifo=options["ifo"], channel=options["channel"])
    files, outside = _cut(inputs.sources, options["start"], options["end"])
    sources = [*files, *_found_sources(options)]
    image_sets, damaged = image_tasks(inputs.image_sets)
    problems = [*inputs.problems, *outside, *damaged]
    if not sources and not image_sets:
        raise _nothing(problems)
    for problem in problems:
        tell_problem(problem)
    sources = limit_sources(
        sources,
        segments=options["segments"],
        flags=options["flags"],
        masks=options["masks"],
        ifo=options["ifo"],
    )
    triggers, outside = _triggers(options, sources)
    for problem in outside:
        note(str(problem))
    nowhere = triggers is not None and len(triggers) == 0 and outside
    strain = [] if nowhere else strain_tasks(sources, triggers)
    return [*strain, *image_sets], len(problems) + len(outside)


def _cut(
    sources: Sequence[StrainSource], start: float | None, end: float | None
) -> tuple[list[StrainSource], list[GlitchvaeError]]:
    """Strain between two times, and errors of files that have none then."""
    begin, stop = start or -math.inf, end or math.inf
    if not begin < stop:
        raise click.UsageError(f"--start {begin:.15g} is not before --end {stop:.15g}.")
    kept, problems = [], []
    for source in sources:
        first, last = map(float, source.segments.extent())
        try:
            inside = begin <= first and last <= stop
            part = source if inside else source.crop(max(begin, first), min(stop, last))
        except GlitchvaeError as error:
            problems.append(error)
        else:
            kept.append(part)
    return kept, problems


def _nothing(problems: list[GlitchvaeError]) -> GlitchvaeError:
    if len(problems) == 1:
        return problems[0]
    if problems:
        return InputError("no input can be used: " + "; ".join(map(str, problems)))
    return InputError("no input", remedy="Name strain files or images, or use --gwosc.")


def _found_sources(options: dict[str, Any]) -> list[StrainSource]:
    """Strain to download from GWOSC, or frames to find by gwdatafind, as the options say."""
    from glitchvae.strain import find_strain, open_gwosc

    sources = []
    if options["gwosc"]:
        ifo, start, end = options["gwosc"]
        sources.append(open_gwosc(ifo, _seconds(start), _seconds(end)))
    if options["frametype"]:
        given = [options[name] for name in ("ifo", "frametype", "channel", "start", "end")]
        if None in (given[0], *given[3:]):
            raise click.UsageError("--frametype needs --ifo, --start and --end.")
        sources.append(find_strain(*given))
    return sources


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise click.UsageError(f"--gwosc IFO START END: {text!r} is no GPS time.") from error


def _triggers(
    options: dict[str, Any], sources: list[StrainSource]
) -> tuple[Triggers | None, list[GlitchvaeError]]:
    """Triggers that the user gave, None for a search; errors of times without strain."""
    from glitchvae.embedding import read_triggers_for, triggers_at

    if options["triggers"] and options["gps"]:
        raise click.UsageError("--triggers and --gps exclude each other.")
    if (options["triggers"] or options["gps"]) and not sources:
        raise InputError("triggers were given, but no strain")
    if options["triggers"]:
        return read_triggers_for(options["triggers"], sources, ifo=options["ifo"]), []
    if options["gps"]:
        return triggers_at(options["gps"], sources)
    return None, []


def _run(tasks: list[Task], archive: Archive, job: Job) -> tuple[list[Filled], int]:
    """Run the tasks; returns the results and the number of failures."""
    filled, failed = [], 0
    for task in tasks:
        try:
            with progress_of(task.name, task.size, task.unit) as report:
                part = task.fill(archive, job, report)
            filled.append(part)
            failed += len(part.problems)
            for problem in part.problems:
                tell_problem(problem, what="not read to its end")
        except StorageError:
            raise
        except GlitchvaeError as error:
            failed += 1
            tell_problem(error, what=task.name)
    return filled, failed


def _encode_anew(options: dict[str, Any], archive: Path | None, *, only_plan: bool) -> None:
    """Encode the glitches of an archive with another model."""
    from glitchvae.archive import Archive
    from glitchvae.archive.reencoding import count_events, encode_anew

    search = ("triggers", "gps", "gwosc", "frametype", "start", "end", "ifo", "channel")
    search += ("segments", "flags")
    if len(options["inputs"]) > 1 or any(options[name] for name in search) or archive is not None:
        raise click.UsageError(
            "An archive as input excludes other inputs, --archive, and options of a search."
        )
    store = Archive(options["inputs"][0])
    job = _job(options, store.path)
    rows = count_events(store, job.checkpoint.digest)
    if only_plan:
        click.echo(f"{rows:,} rows of other models, their pictures at hand")
        return
    with progress_of(store.path.name, rows, "glitches") as report:
        filled = encode_anew(store, job, progress=report)
    _conclude([filled], store, options)


def _conclude(filled: list[Filled], archive: Archive, options: dict[str, Any]) -> None:
    """Print the tables and write the files that were asked for."""
    from glitchvae.embedding import Embeddings, write_embeddings

    output, contact_sheet = options["output"], options["contact_sheet"]
    archive.refresh_classes()
    known = sum(part.known for part in filled)
    parts = [part.rows for part in filled if part.rows is not None]
    if parts:
        rows = Embeddings.join(parts)
        _print_table(rows)
        if output is not None:
            shares = archive.probabilities(rows) if options["probabilities"] else None
            write_embeddings(output, rows, shares, codes=options["codes"])
        if contact_sheet is not None:
            _draw(archive, rows, contact_sheet)
    total = sum(map(len, parts))
    plural = "" if total == 1 else "es"
    number = _episodes(parts) if total else 0
    among = f" in {number:,} episode{'' if number == 1 else 's'}" if total else ""
    searched = _searched(filled)
    for line in searched:
        click.echo(line)
    if options["triggers"] and not searched:
        click.echo("live time unknown, and so no rates: --segments FILE tells the searched time")
    click.echo(f"{total:,} glitch{plural}{among}, {known:,} known before; archive: {archive.path}")


def _episodes(parts: list[Embeddings]) -> int:
    """Number of episodes of the glitches of all inputs."""
    import numpy as np

    from glitchvae.triggers.episodes import episodes

    columns = [np.concatenate([getattr(p, name) for p in parts]) for name in _EXTENT]
    return len(np.unique(episodes(*columns)))


def _searched(filled: list[Filled]) -> list[str]:
    """Print covered and searched time, a line for each detector and threshold."""
    from glitchvae.archive.ledger import joined
    from glitchvae.archive.live import spell
    from glitchvae.triggers.tiles import too_short

    own = [part.coverage for part in filled if part.coverage is not None]
    lines = []
    for ifo, snr in sorted({(c.ifo, c.snr) for c in own}):
        mine = [c for c in own if (c.ifo, c.snr) == (ifo, snr)]
        covered, searched = (joined(*(getattr(c, name) for c in mine)) for name in _COVERED)
        told = (
            f"{ifo}: {spell(float(abs(covered)))} covered,"
            f" {spell(float(abs(searched)))} searched above SNR {snr:g}"
        )
        why = "" if searched else too_short(covered)
        lines.append(f"{told}; {why}" if why else told)
    return lines


def _print_table(rows: Embeddings) -> None:
    """Print the number of glitches of each nearest class, by status."""
    from collections import Counter

    from glitchvae.status import FLAGS, has_flag

    counts = Counter(zip(rows.class_name.tolist(), rows.status.tolist(), strict=True))
    classes = Counter(rows.class_name.tolist())
    statuses = Counter(rows.status.tolist())
    table = Table("nearest class", "glitches", *statuses)
    for name, number in classes.most_common():
        cells = (counts[name, status] or None for status in statuses)
        table.add_row(name or "(no image)", number, *cells)
    table.footer = ("all", len(rows), *statuses.values())
    print_table(table)
    for word, meaning in FLAGS.items():
        if marked := int(has_flag(rows.flags, word).sum()):
            click.echo(f"{word}: {marked} of {len(rows)} glitches ({meaning})")
    if rows.label is not None and (labelled := rows.label != "").any():
        agreeing = int((rows.class_name == rows.label)[labelled].sum())
        click.echo(f"nearest class and label agree for {agreeing} of {labelled.sum()}")


def _draw(archive: Archive, rows: Embeddings, path: Path) -> None:
    from glitchvae.plots import EVENTS_PER_SHEET, captions_of, contact_sheet, loudest

    drawn = rows.take(loudest(rows.snr, EVENTS_PER_SHEET))
    title = None if len(drawn) == len(rows) else f"The {len(drawn)} loudest of {len(rows)} glitches"
    contact_sheet(archive.thumbnails(drawn), captions_of(drawn), path, title=title)
    click.echo(f"contact sheet: {path}")
