"""Make strain and image sets with known glitches in them."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from glitchvae.cli._gps import GPS
from glitchvae.errors import InputError
from glitchvae.progress import progress_of

_BALANCE = click.option(
    "--balance",
    default="official",
    show_default=True,
    help="Class proportions: official for those of the training set v1.1, o3 for those of "
    "O3a at L1, or uniform.",
)


@click.group()
def command() -> None:
    """Make strain and image sets with known glitches in them.

    The same seed gives the same bytes.
    """


@command.command()
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    required=True,
    help="Length of the strain in seconds.",
)
@click.option("--ifo", default="H1", show_default=True, help="Detector whose noise is simulated.")
@click.option("--seed", type=int, required=True, help="Seed of all random numbers.")
@click.option(
    "--sample-rate",
    type=click.FloatRange(min=512),
    default=4096,
    show_default=True,
    help="Sample rate in Hz.",
)
@click.option(
    "--glitches", type=int, default=None, help="Number of glitches. [default: one in 12 s]"
)
@_BALANCE
@click.option(
    "--inject",
    "also",
    multiple=True,
    metavar="FAMILY=COUNT",
    help="Family and number of glitches to add: a class, a shape in no catalogue as "
    "Ladder=15, or your own as module:FAMILY=15 with --import. Repeatable.",
)
@click.option("--start", type=GPS, metavar="T", help="GPS time of the first sample.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="HDF5 file to write, in GWOSC's layout.",
)
def strain(
    duration: float,
    ifo: str,
    seed: int,
    sample_rate: float,
    glitches: int | None,
    balance: str,
    also: tuple[str, ...],
    start: float | None,
    output: Path,
) -> None:
    """Write strain with glitches, and beside it OUTPUT_truth.csv with their parameters."""
    from glitchvae.simulate import simulate_strain
    from glitchvae.simulate.strain import START
    from glitchvae.strain import write_gwosc

    simulated, truth = simulate_strain(
        duration,
        ifo,
        seed,
        sample_rate=sample_rate,
        glitches=glitches,
        balance=balance,
        also=_numbers(also),
        start=START if start is None else start,
    )
    table = output.with_name(f"{output.stem}_truth.csv")
    write_gwosc(output, simulated)
    truth.write_csv(table)
    click.echo(f"{output}: {duration:g} s of {ifo} at {sample_rate:g} Hz")
    click.echo(f"{table}: {len(truth)} glitches of {len(set(truth.label))} classes")


def _numbers(options: tuple[str, ...]) -> dict[str, int]:
    """Number of glitches of each family."""
    found: dict[str, int] = {}
    for option in options:
        name, _, count = option.rpartition("=")
        if not name or not count.isdecimal():
            raise InputError(
                "--inject is not of the form FAMILY=COUNT",
                where="--inject",
                expected="FAMILY=COUNT",
                found=option,
            )
        found[name] = found.get(name, 0) + int(count)
    return found


@command.command()
@click.option("--count", type=click.IntRange(min=1), required=True, help="Number of glitches.")
@_BALANCE
@click.option("--seed", type=int, required=True, help="Seed of all random numbers.")
@click.option(
    "--imaging", "imaging_name", default="light", show_default=True, help="Imaging settings."
)
@click.option(
    "--ifo",
    "ifos",
    multiple=True,
    default=("H1", "L1"),
    show_default=True,
    help="Detector whose noise is simulated.",
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="Device on which images are computed: auto, cpu or cuda.",
)
@click.option(
    "--layout",
    type=click.Choice(["own", "gravity-spy"]),
    default="own",
    show_default=True,
    help="Layout of the file: a spectrogram set, or that of Gravity Spy's training sets.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="HDF5 file to write."
)
def dataset(
    count: int,
    balance: str,
    seed: int,
    imaging_name: str,
    ifos: tuple[str, ...],
    device: str,
    layout: str,
    output: Path,
) -> None:
    """Write a set of images, and beside it OUTPUT_truth.h5 with each event's parameters.

    An interrupted run leaves no file and has to start again. For very many events, make several
    sets with different seeds and join them with `glitchvae dataset merge`.
    """
    from collections import Counter

    from glitchvae.dataset import write_gravity_spy
    from glitchvae.dataset.simulated import (
        keep_truth,
        plan_stretches,
        simulate_dataset,
        truth_path,
        write_dataset,
    )
    from glitchvae.simulate import Truth
    from glitchvae.spectrogram import imaging_settings

    imaging = imaging_settings(imaging_name)
    plan = plan_stretches(count, seed, balance=balance, ifos=ifos, sample_rate=imaging.sample_rate)
    with progress_of("simulating", count, "events") as report:
        parts = simulate_dataset(plan, imaging, device=device)
        if layout == "own":
            truth = write_dataset(output, parts, count, progress=report)
        else:
            truths: list[Truth] = []
            write_gravity_spy(keep_truth(parts, truths, report), output)
            truth = Truth.join(truths)
    truth.write(truth_path(output))
    for label, number in sorted(Counter(truth.label).items()):
        click.echo(f"{label:22s}{number:7d}")
