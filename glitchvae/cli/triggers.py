"""Find glitches in strain, or turn a trigger file into another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from glitchvae.triggers import Triggers


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path),
              help="Table to write: .h5, .csv, .ecsv, .xml or .xml.gz.")  # fmt: skip
@click.option("--snr", type=click.FloatRange(min=2), show_default="7.5 in strain, else all",
              help="Least signal-to-noise ratio of a trigger.")  # fmt: skip
@click.option("--ifo", help="Detector, where the files do not tell it.")
@click.option("--channel", help="Channel, where a strain file holds several.")
def command(
    inputs: tuple[Path, ...], output: Path, snr: float | None, ifo: str | None, channel: str | None
) -> None:
    """Find glitches in the strain of one detector.

    INPUTS are strain files, joined in time. Trigger files (Omicron, Gravity Spy, lists of
    GPS times) are converted instead, --snr then leaves out the weaker ones.
    """
    from glitchvae.strain import is_strain
    from glitchvae.triggers import check_suffix, write_triggers

    check_suffix(output)
    kinds = {path: is_strain(path) for path in inputs}
    if len(set(kinds.values())) > 1:
        raise click.UsageError(f"strain and other files mixed: {', '.join(map(str, inputs))}")
    strain = all(kinds.values())
    found = _search(inputs, snr, ifo, channel) if strain else _convert(inputs, snr, ifo)
    write_triggers(output, found)
    counts = ", ".join(f"{count} of {name}" for name, count in found.ifos.items())
    click.echo(f"{output}: {len(found)} triggers{f' ({counts})' if counts else ''}")


def _search(
    paths: tuple[Path, ...], snr: float | None, ifo: str | None, channel: str | None
) -> Triggers:
    """Search the files minute by minute, with a bar on stderr."""
    from igwn_segments import segmentlist
    from rich.console import Console
    from rich.progress import Progress

    from glitchvae.strain import open_strain
    from glitchvae.triggers import SNR, Triggers, scan_source

    source = open_strain(paths, ifo=ifo, channel=channel)
    seconds = abs(source.segments)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{seconds:g} s of {source.ifo}", total=seconds)
        found = []
        for cell, triggers in scan_source(source, snr=SNR if snr is None else snr):
            found.append(triggers)
            bar.advance(task, abs(source.segments & segmentlist([cell])))
    return Triggers.join(found)


def _convert(paths: tuple[Path, ...], snr: float | None, ifo: str | None) -> Triggers:
    """Read and join trigger files; rows without an SNR stay."""
    from glitchvae.triggers import Triggers, read_triggers

    triggers = Triggers.join([read_triggers(path, ifo=ifo) for path in paths])
    return triggers if snr is None else triggers.take(~(triggers.snr < snr))
