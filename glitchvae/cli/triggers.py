"""Find glitches in strain, or turn a trigger file into another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.strain import StrainSource
    from glitchvae.triggers import Triggers


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path),
              help="Table to write: .h5, .csv, .ecsv, .xml or .xml.gz.")  # fmt: skip
@click.option("--snr", type=click.FloatRange(min=2), show_default="7.5 in strain, else all",
              help="Least signal-to-noise ratio of a trigger.")  # fmt: skip
@click.option("--ifo", help="Detector, where the files do not tell it.")
@click.option("--channel", help="Channel, where a strain file holds several.")
@click.pass_context
def command(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    output: Path,
    snr: float | None,
    ifo: str | None,
    channel: str | None,
) -> None:
    """Find glitches in strain.

    INPUTS are strain files of one or several detectors. Trigger files (Omicron, Gravity
    Spy, lists of GPS times) are converted instead, --snr then leaves out the weaker ones.
    Exit status 1 if a file could not be used.
    """
    from glitchvae.strain import is_strain
    from glitchvae.triggers import check_suffix, write_triggers

    check_suffix(output)
    kinds = {path: is_strain(path) for path in inputs}
    if len(set(kinds.values())) > 1:
        raise click.UsageError(f"strain and other files mixed: {', '.join(map(str, inputs))}")
    strain = all(kinds.values())
    bad = 0
    if strain:
        found, bad = _search(inputs, snr, ifo, channel)
    else:
        found = _convert(inputs, snr, ifo)
    write_triggers(output, found)
    counts = ", ".join(f"{count} of {name}" for name, count in found.ifos.items())
    click.echo(f"{output}: {len(found)} triggers{f' ({counts})' if counts else ''}")
    ctx.exit(1 if bad else 0)


def _search(
    paths: tuple[Path, ...], snr: float | None, ifo: str | None, channel: str | None
) -> tuple[Triggers, int]:
    """What is found in every file that can be used, and how many files cannot."""
    from glitchvae.embedding import open_inputs
    from glitchvae.triggers import SNR, Triggers

    inputs = open_inputs(paths, ifo=ifo, channel=channel)
    if not inputs.sources:
        raise inputs.problems[0]
    for problem in inputs.problems:
        click.echo(f"left out: {problem}", err=True)
    threshold = SNR if snr is None else snr
    found = [_search_one(source, threshold) for source in inputs.sources]
    return Triggers.join(found).sorted(), len(inputs.problems)


def _search_one(source: StrainSource, snr: float) -> Triggers:
    """Search the strain of one detector minute by minute, with a bar on stderr."""
    from igwn_segments import segmentlist

    from glitchvae.triggers import Triggers, scan_source

    found = []
    with progress_of(f"search {source.ifo}", round(abs(source.segments)), "s") as report:
        for cell, triggers in scan_source(source, snr=snr):
            found.append(triggers)
            report(round(abs(source.segments & segmentlist([cell]))))
    return Triggers.join(found)


def _convert(paths: tuple[Path, ...], snr: float | None, ifo: str | None) -> Triggers:
    """Read and join trigger files; rows without an SNR stay."""
    from glitchvae.triggers import Triggers, read_triggers

    triggers = Triggers.join([read_triggers(path, ifo=ifo) for path in paths])
    return triggers if snr is None else triggers.take(~(triggers.snr < snr))
