"""Embed years of strain in shards: on this machine, by Slurm or by HTCondor."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._gps import GPS
from glitchvae.cli._limits import limits
from glitchvae.cli._manners import exit_status, note, tell_problem
from glitchvae.cli._tables import Table, print_table
from glitchvae.errors import InputError
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.census import Census, Request, Shard, Status
    from glitchvae.strain import StrainSource

_PATH = click.Path(path_type=Path)
_FOLDER = click.argument("folder", type=_PATH)
_MOST = 20  # shards that are listed with their trouble


@click.group("census")
def command() -> None:
    """Embed years of strain in shards: on this machine, by Slurm or by HTCondor."""


@command.command()
@click.argument("inputs", nargs=-1, type=_PATH, metavar="[INPUT...]")
@click.option(
    "-o", "--output", type=_PATH, required=True, metavar="FOLDER", help="Folder of the census."
)
@click.option(
    "--list",
    "lists",
    type=_PATH,
    multiple=True,
    metavar="FILE",
    help="Text file with the path of a strain file on each line. Repeatable.",
)
@click.option(
    "--frames",
    nargs=3,
    multiple=True,
    metavar="IFO TYPE CHANNEL",
    help="Detector, type and channel of frames to find by gwdatafind; needs --start and "
    "--end. Repeatable.",
)
@click.option("--ifo", help="Detector of strain files that do not state it.")
@click.option("--channel", help="Channel to read from strain files with several channels.")
@click.option("--start", type=GPS, metavar="T", help="First GPS time of the strain to use.")
@click.option("--end", type=GPS, metavar="T", help="GPS time at which the strain to use ends.")
@limits
@click.option("--snr", type=float, default=7.5, show_default=True, help="Minimum SNR of triggers.")
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
    help="Imaging settings: gravity-spy, or the faster light.",
)
@click.option(
    "--uncertainty/--no-uncertainty",
    default=True,
    show_default=True,
    help="Compute how much each code varies under small changes of its image.",
)
@click.option(
    "--shard",
    "length",
    type=float,
    default=3600.0,
    show_default=True,
    help="Length of a shard in seconds, a multiple of 60.",
)
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Number of attempts before a failing shard is set aside.",
)
@click.option(
    "--backoff",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Waiting time in seconds before the second attempt; doubled for each further one.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=None,
    help="Number of worker processes on this machine. [default: one for each core]",
)
@click.option(
    "--archive",
    type=_PATH,
    metavar="DIR",
    help="Folder of the resulting archive. [default: FOLDER/archive]",
)
@click.option(
    "--discover", type=_PATH, metavar="DIR", help="Folder for a discovery run after the merge."
)
@click.option("--retry", is_flag=True, help="Try incomplete shards and shards set aside again.")
@click.option(
    "--new-version",
    is_flag=True,
    help="Continue a census that was planned by another version of glitchvae.",
)
@DEVICE
@click.option(
    "--plan",
    "only_plan",
    is_flag=True,
    help="Write the list of shards and print estimated time and memory, then stop.",
)
@click.pass_context
def run(ctx: click.Context, inputs: tuple[Path, ...], output: Path, **options: Any) -> None:
    """Divide strain into shards, embed each of them, and merge the results into one archive.

    INPUT is strain files, or folders of them. The same command, with or without inputs, continues
    an interrupted census; finished shards stay finished. With inputs the census is planned again,
    and only new or changed strain is processed. A shard that fails is tried again; after
    --attempts failures it is set aside with the reason, and the others continue. Exit status 1 if
    strain is left out.
    """
    from glitchvae.census import reset_failed

    named = bool(inputs or options["lists"] or options["frames"])
    census = (
        _planned(inputs, output, options)
        if named
        else _opened(output, new_version=options["new_version"])
    )
    if not named and options["only_plan"]:
        raise click.UsageError(
            "--plan needs inputs; `glitchvae census status` shows an existing plan."
        )
    if options["retry"]:
        note(f"{reset_failed(census)} shards are tried again")
    if options["only_plan"]:
        ctx.exit(exit_status(len(census.plan.problems), len(census.shards)))
    _work_here(census, options["workers"])
    ctx.exit(_conclude(ctx, census, options["discover"]))


@command.command()
@_FOLDER
@click.option(
    "--share",
    metavar="I/N",
    help="Process every N-th shard, starting with number I, counted from 0.",
)
@click.option(
    "--parent",
    type=int,
    hidden=True,
    help="Identifier of a process; the worker ends when that process ends.",
)
@click.pass_context
def work(ctx: click.Context, folder: Path, share: str | None, parent: int | None) -> None:
    """Process shards of a census as one worker of several, without merging.

    Jobs of a cluster run this command. A shard is processed by one worker only. Exit status 1 if a
    shard was set aside or is incomplete, 130 if the worker was asked to end.
    """
    import signal

    from glitchvae.census import Kind, parent_is, read_census, share_of
    from glitchvae.census import work as work_on

    census = read_census(folder)
    shards = census.shards if share is None else share_of(census.shards, *_share(share))
    alive = (lambda: True) if parent is None else parent_is(parent)
    bad, before = 0, signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for shard, kind, reason in work_on(census, shards, alive=alive):
            bad += kind in (Kind.ASIDE, Kind.INCOMPLETE)
            click.echo(_line(shard, kind, reason))
    finally:
        signal.signal(signal.SIGTERM, before)
    ctx.exit(1 if bad else 0)


@command.command()
@_FOLDER
@click.pass_context
def merge(ctx: click.Context, folder: Path) -> None:
    """Merge the parts of finished shards into the archive of a census.

    Parts that were merged before are skipped. Exit status 1 if a shard is not finished, is
    incomplete or set aside.
    """
    from glitchvae.census import read_census

    ctx.exit(_conclude(ctx, read_census(folder), None))


@command.command()
@_FOLDER
@click.pass_context
def status(ctx: click.Context, folder: Path) -> None:
    """Print the progress of a census, and the shards that wait or were set aside, with reasons.

    Exit status 1 if strain is left out.
    """
    from glitchvae.census import read_census, status_of

    census = read_census(folder)
    _tell_plan(census)
    found = status_of(census)
    _print_status(found)
    ctx.exit(_status_of(census, found))


def _requests(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of both kinds of clusters."""
    options = (
        click.option(
            "--jobs", type=int, default=100, show_default=True, help="Number of cluster jobs."
        ),
        click.option(
            "--cpus", type=int, default=1, show_default=True, help="Number of cores of each job."
        ),
        click.option(
            "--memory", type=int, default=4096, show_default=True, help="Memory of each job in MiB."
        ),
        click.option(
            "--account",
            metavar="NAME",
            help="Account or accounting group that the jobs are charged to.",
        ),
        click.option(
            "--at-once", type=int, help="Largest number of jobs that run at the same time."
        ),
        click.option(
            "--discover",
            type=_PATH,
            metavar="DIR",
            help="Folder for a discovery run after the merge.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command()
@_FOLDER
@_requests
@click.option(
    "--hours", type=float, default=8.0, show_default=True, help="Wall time of each job in hours."
)
@click.option("--partition", metavar="NAME", help="Slurm partition of the jobs.")
def slurm(folder: Path, **options: Any) -> None:
    """Write a Slurm job array for a census, and a job that merges the results.

    Plan the census with `glitchvae census run INPUT... -o FOLDER --plan` first.
    """
    from glitchvae.census import read_census, write_slurm

    path = write_slurm(read_census(folder), _request(options))
    click.echo(f"submit: sh {path}")


@command.command()
@_FOLDER
@_requests
@click.option("--user", metavar="NAME", help="Accounting user of the jobs.")
@click.option(
    "--disk", type=int, default=1024, show_default=True, help="Scratch space of each job in MiB."
)
def condor(folder: Path, **options: Any) -> None:
    """Write an HTCondor DAG for a census, with a final node that merges the results.

    Plan the census with `glitchvae census run INPUT... -o FOLDER --plan` first.
    """
    from glitchvae.census import read_census, write_condor

    path = write_condor(read_census(folder), _request(options))
    click.echo(f"submit: condor_submit_dag {path}")


def _request(options: dict[str, Any]) -> Request:
    from glitchvae.census import Request
    from glitchvae.config import parse

    given = {name: value for name, value in options.items() if value is not None}
    if "discover" in given:
        given["discover"] = given["discover"].absolute()
    return parse(Request, given, where="options")


def _share(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and int(number) < int(of)):
        raise click.UsageError(f"--share {text}: expected I/N with I below N, such as 0/100.")
    return int(number), int(of)


def _line(shard: Shard, kind: str, reason: str) -> str:
    return f"{shard.name}\t{kind}" + (f"\t{' '.join(reason.split())}" if reason else "")


def _opened(folder: Path, *, new_version: bool) -> Census:
    from glitchvae.census import read_census, renew_version

    census = read_census(folder)
    if new_version:
        census = renew_version(census)
    census.plan.require_version(census.folder)
    _tell_plan(census)
    return census


def _planned(inputs: tuple[Path, ...], folder: Path, options: dict[str, Any]) -> Census:
    """Plan a census of inputs, or give an existing census a new list of shards."""
    from glitchvae.archive.known_classes import job_of
    from glitchvae.census import How, estimate, find_sources, is_census, plan_census
    from glitchvae.census.census import read_plan
    from glitchvae.classes.user import catalog_path

    archive = options["archive"] or folder / "archive"
    before: set[str] = set()
    if is_census(folder):
        if not options["new_version"]:
            read_plan(folder).require_version(folder)
        before = _names(folder)
    job, _ = job_of(
        options["model"],
        catalog=catalog_path(None, archive),
        imaging=options["imaging"],
        snr=options["snr"],
        uncertainty=options["uncertainty"],
        device=choose_device(options["device"]),
    )
    folders = Path(options["model"]).is_dir()
    how = How(
        model=str(Path(options["model"]).absolute()) if folders else options["model"],
        model_digest=job.checkpoint.digest,
        imaging=options["imaging"],
        snr=options["snr"],
        uncertainty=options["uncertainty"],
        device=job.device,
    )
    start, end = options["start"], options["end"]
    if start is not None and end is not None and not start < end:
        raise click.UsageError(f"--start {start:.15g} is not before --end {end:.15g}.")
    found = find_sources(
        inputs,
        lists=options["lists"],
        frames=options["frames"],
        ifo=options["ifo"],
        channel=options["channel"],
        start=start,
        end=end,
        segments=options["segments"],
        flags=options["flags"],
        masks=options["masks"],
    )
    census = plan_census(
        folder.absolute(),
        found.sources,
        how,
        archive=archive,
        length=options["length"],
        attempts=options["attempts"],
        backoff=options["backoff"],
        span=_span(start, end, found.sources),
        channels=found.channels,
        problems=found.problems,
    )
    for problem in found.problems:
        tell_problem(problem)
    _tell_plan(census, problems=False)
    if before:
        names = {shard.name for shard in census.shards}
        note(f"{len(names - before)} shards are new, {len(before - names)} are gone from the list")
    if options["only_plan"]:
        _print_estimate(estimate(census, found.sources, job, cores=_cores()), census)
    return census


def _span(
    start: float | None, end: float | None, sources: Sequence[StrainSource]
) -> tuple[float, float] | None:
    """Time range from --start to --end, by default that of the strain."""
    if (start is None and end is None) or not sources:
        return None
    extents = [source.whole.segments.extent() for source in sources]
    first = min(float(a) for a, _ in extents) if start is None else start
    last = max(float(b) for _, b in extents) if end is None else end
    if not first < last:
        raise InputError("no strain in this time", found=f"GPS {first:.15g} to {last:.15g}")
    return first, last


def _names(folder: Path) -> set[str]:
    """Names of the shards of a census; none if its list is damaged."""
    from glitchvae.census import read_census

    try:
        return {shard.name for shard in read_census(folder).shards}
    except InputError as error:
        note(f"planned anew: {error}")
        return set()


def _cores() -> int:
    import torch

    return torch.get_num_threads()


def _print_estimate(found: Any, census: Census) -> None:
    table = Table("of what is left", "", header=False)
    table.add_row("shards", f"{found.shards:,} of {len(census.shards):,}")
    table.add_row("strain", f"{found.seconds / 3600:,.2f} h")
    table.add_row("to read", f"{found.read / 2**30:,.2f} GiB")
    table.add_row("core-hours (estimate)", f"{found.core_hours:,.2f}")
    table.add_row("glitches (estimate)", f"{found.events:,.0f}")
    table.add_row("to write (estimate)", f"{found.written / 2**30:,.2f} GiB")
    table.add_row("memory of a worker (estimate)", f"{found.memory / 2**30:.1f} GiB")
    print_table(table)
    click.echo("Estimates are scaled from a short trial on these data, on this machine.")


def _tell_plan(census: Census, *, problems: bool = True) -> None:
    """Report time without strain and time with several files."""
    for problem in census.plan.problems if problems else ():
        tell_problem(problem)
    for ifo, times in census.plan.missing.items():
        note(f"{ifo}: no strain in {_spell(times)}")
    for ifo, times in census.plan.overlaps.items():
        note(f"{ifo}: several files in {_spell(times)}; samples of the one that starts first count")


def _spell(times: tuple[tuple[float, float], ...]) -> str:
    shown = ", ".join(f"GPS {a:.15g} to {b:.15g}" for a, b in times[:5])
    more = f" and {len(times) - 5} more" if len(times) > 5 else ""
    return f"{sum(b - a for a, b in times):,.15g} s ({shown}{more})"


def _work_here(census: Census, workers: int | None) -> None:
    """Run workers on this machine, with progress over the whole census."""
    from glitchvae.census import Kind, run_workers, status_of

    before = status_of(census)
    if before.finished:
        return
    seconds = {shard.name: round(shard.seconds) for shard in census.shards}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    left = before.count(*(kind for kind in Kind if not kind.finished))
    finished: set[str] = set()
    with progress_of("census", round(before.seconds), "s") as report:
        report(round(before.dealt))

        def told(line: str) -> None:
            name, kind, *reason = line.split("\t")
            if name not in seconds:
                note(line)
                return
            if name in finished:  # another worker told of it
                return
            if Kind(kind).finished:
                finished.add(name)
                report(seconds[name])
            if reason:
                tell_problem(f"{name}: {reason[0]}", what=kind)

        run_workers(census, min(workers or cores or 1, left), told=told, lost=note)


def _conclude(ctx: click.Context, census: Census, discover: Path | None) -> int:
    """Merge, report the state and look for new classes; returns the exit status."""
    from glitchvae.census import merge_parts, status_of

    archive, problems = merge_parts(census)
    for problem in problems:
        tell_problem(problem)
    found = status_of(census)
    _print_status(found)
    for ifo, live in sorted(archive.live_time(census.plan.how.snr).items()):
        click.echo(f"{ifo}: {float(abs(live)):,.15g} s live above SNR {census.plan.how.snr:g}")
    rows = archive.info().rows
    click.echo(f"{rows:,} glitch{'' if rows == 1 else 'es'}; archive: {archive.path}")
    if discover is not None and rows:
        from glitchvae.cli.discover_new_classes import command as discovery

        ctx.invoke(discovery, sources=(archive.path,), output=discover, replace=True)
    return max(_status_of(census, found), 1 if problems else 0)


def _status_of(census: Census, found: Status) -> int:
    from glitchvae.census import Kind

    left = sum(own.shards[kind] for own in found.detectors.values() for kind in Kind)
    return 1 if left != found.count(Kind.DONE) or census.plan.problems else 0


def _print_status(found: Status) -> None:
    from glitchvae.census import Kind

    kinds = [kind for kind in Kind if found.count(kind)]
    table = Table("detector", *map(str, kinds), "strain (h)", "covered (h)", "searched (h)")
    for ifo, own in sorted(found.detectors.items()):
        hours = (f"{s / 3600:,.3f}" for s in (own.seconds, own.covered, own.searched))
        table.add_row(ifo, *(own.shards[kind] or None for kind in kinds), *hours)
    print_table(table)
    for shard, kind, reason in found.troubled[:_MOST]:
        tell_problem(f"{shard.name}: {reason}", what=kind)
    if len(found.troubled) > _MOST:
        note(f"and {len(found.troubled) - _MOST} more")
