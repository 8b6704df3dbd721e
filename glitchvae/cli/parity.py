"""Compare the Q engine with gwpy on events in your strain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from glitchvae.cli._gps import GPS

if TYPE_CHECKING:
    from glitchvae.spectrogram.parity import ParityReport


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--gps",
    type=GPS,
    multiple=True,
    required=True,
    metavar="T",
    help="GPS time of an event to compare. Repeatable.",
)
@click.option("--ifo", help="Detector of strain files that do not state it.")
@click.option("--channel", help="Channel to read from strain files with several channels.")
@click.option(
    "--imaging", default="gravity-spy", show_default=True, help="Imaging settings to compare."
)
@click.pass_context
def command(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    gps: tuple[float, ...],
    ifo: str | None,
    channel: str | None,
    imaging: str,
) -> None:
    """Compare the Q engine with gwpy on events in your strain.

    INPUTS are strain files of one detector. The table has for each event: the Q of both, the
    median relative error of energy, the largest error as a fraction of the image's maximum,
    the largest error of a Gravity Spy pixel (0 to 1), and the time that both take for four
    views. Exit status 1 if an error exceeds its limit.
    """
    from glitchvae.spectrogram import imaging_settings
    from glitchvae.spectrogram.parity import compare
    from glitchvae.strain import open_strain

    settings = imaging_settings(imaging)
    report = compare(open_strain(inputs, ifo=ifo, channel=channel), gps, settings)
    click.echo(_table(report))
    click.echo(_verdict(report))
    ctx.exit(0 if report.passed else 1)


def _table(report: ParityReport) -> str:
    head = "gps             Q gwpy   Q engine  median    largest   pixel     gwpy s  engine s"
    lines = [
        f"{e.gps:<15.4f} {e.q_gwpy:<8.3f} {e.q_engine:<9.3f} {e.median_error:<9.1e} "
        f"{e.largest_error:<9.1e} {e.pixel_error:<9.1e} {e.gwpy_seconds:<7.3f} "
        f"{e.engine_seconds:.3f}"
        for e in report.events
    ]
    skipped = [f"{gps:<15.4f} not compared: {status}" for gps, status in report.skipped]
    return "\n".join([head, *lines, *skipped])


def _verdict(report: ParityReport) -> str:
    from glitchvae.spectrogram.parity import LARGEST_ERROR, MEDIAN_ERROR, SAME_PLANE

    return (
        f"{len(report.events)} events: {'passed' if report.passed else 'FAILED'}\n"
        f"same Q plane    {report.same_plane:.1%} (at least {SAME_PLANE:.1%})\n"
        f"median error    {report.median_error:.1e} (at most {MEDIAN_ERROR:.0e})\n"
        f"largest error   {report.largest_error:.1e} of the maximum (at most {LARGEST_ERROR:.0e})\n"
        f"pixel error     {report.pixel_error:.1e}\n"
        f"speed           {report.speed_ratio:.1f} times gwpy, one event at a time"
    )
