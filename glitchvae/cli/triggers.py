"""Find glitches in strain, or turn a trigger file into another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from glitchvae.cli._limits import limits
from glitchvae.cli._manners import exit_status, tell_problem
from glitchvae.cli._tables import TableFile
from glitchvae.errors import GlitchvaeError
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.strain import StrainSource
    from glitchvae.triggers import Triggers


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=TableFile(),
    help="Table to write: .h5, .csv, .ecsv, .xml or .xml.gz; - is CSV on stdout.",
)
@click.option(
    "--snr",
    type=click.FloatRange(min=2),
    show_default="7.5 in strain, else all",
    help="Minimum SNR of triggers.",
)
@click.option("--ifo", help="Detector of files of strain or triggers that do not state it.")
@click.option("--channel", help="Channel to read from strain files with several channels.")
@limits
@click.pass_context
def command(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    output: Path,
    snr: float | None,
    ifo: str | None,
    channel: str | None,
    **limited: tuple[str, ...],
) -> None:
    """Find glitches in strain.

    INPUTS are strain files of one or several detectors. Trigger files (Omicron, Gravity Spy,
    lists of GPS times) are converted instead, without those below --snr. Exit status 1 if a
    file could not be used.
    """
    from glitchvae.triggers import Triggers, check_suffix, write_triggers

    check_suffix(output)
    strain, tables, problems = _told_apart(inputs)
    if strain and tables:
        raise click.UsageError(
            f"strain files and other files cannot be mixed: {', '.join(map(str, inputs))}"
        )
    if tables and (limited["segments"] or limited["flags"]):
        raise click.UsageError("--segments and --flag limit a search of strain.")
    found, more = (
        _search(strain, snr, ifo, channel, limited) if strain else _convert(tables, snr, ifo)
    )
    problems += more
    if not found:
        raise problems[0]
    for problem in problems:
        tell_problem(problem)
    found = Triggers.join(found)
    write_triggers(output, found)
    counts = ", ".join(f"{count} of {name}" for name, count in found.ifos.items())
    click.echo(f"{output}: {len(found)} triggers{f' ({counts})' if counts else ''}")
    ctx.exit(exit_status(len(problems), 1))


def _told_apart(inputs: tuple[Path, ...]) -> tuple[list[Path], list[Path], list[GlitchvaeError]]:
    """Strain files and other files, and errors of unusable ones."""
    from glitchvae.strain import is_strain

    strain, others, problems = [], [], []
    for path in inputs:
        try:
            (strain if is_strain(path) else others).append(path)
        except GlitchvaeError as error:
            problems.append(error)
    return strain, others, problems


def _search(
    paths: list[Path],
    snr: float | None,
    ifo: str | None,
    channel: str | None,
    limited: dict[str, tuple[str, ...]],
) -> tuple[list[Triggers], list[GlitchvaeError]]:
    """Search every usable file; also the errors of the others."""
    from glitchvae.embedding import limit_sources, open_inputs
    from glitchvae.triggers import SNR, Triggers

    inputs = open_inputs(paths, ifo=ifo, channel=channel)
    problems, threshold = list(inputs.problems), SNR if snr is None else snr
    sources = limit_sources(inputs.sources, **limited, ifo=ifo)
    found = [_search_one(s.with_gaps(problems.append), threshold) for s in sources]
    return [Triggers.join(found).sorted()] if found else [], problems


def _search_one(source: StrainSource, snr: float) -> Triggers:
    """Search the strain of one detector minute by minute, with a bar on stderr."""
    from igwn_segments import segmentlist

    from glitchvae.triggers import Triggers, search_cells
    from glitchvae.triggers.record import triggers_from
    from glitchvae.triggers.tiles import too_short

    found = []
    with progress_of(f"search {source.ifo}", round(abs(source.segments)), "s") as report:
        for cell in search_cells(source, snr=snr):
            found.append(cell.triggers)
            report(round(abs(source.segments & segmentlist([cell.span]))))
    if why := too_short(source.segments):
        click.echo(f"{source.ifo}: {why}", err=True)
    return Triggers.join(found) if found else triggers_from({"gps": [], "ifo": []})


def _convert(
    paths: list[Path], snr: float | None, ifo: str | None
) -> tuple[list[Triggers], list[GlitchvaeError]]:
    """Read the triggers of every readable file; rows without an SNR stay."""
    from glitchvae.triggers import read_triggers

    found, problems = [], []
    for path in paths:
        try:
            triggers = read_triggers(path, ifo=ifo)
        except GlitchvaeError as error:
            problems.append(error)
        else:
            found.append(triggers if snr is None else triggers.take(~(triggers.snr < snr)))
    return found, problems
