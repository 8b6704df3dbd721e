"""`glitchvae validate strain`: glitches in strain, perturbed on purpose and by nature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from glitchvae.cli._gps import GPS
from glitchvae.cli._tables import Table, print_table
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.checkpoint import Checkpoint
    from glitchvae.spectrogram import ImagingSettings
    from glitchvae.strain import StrainSource
    from glitchvae.validation.robustness.corruption_test import CorruptionTest
    from glitchvae.validation.robustness.strain_attacks import StrainAttacks

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="STRAIN...")
@click.option(
    "--gps",
    "times",
    type=GPS,
    required=True,
    multiple=True,
    metavar="T",
    help="GPS time of a glitch. Repeatable.",
)
@click.option("--to", "target", metavar="CLASS", help="Target class of an adversarial attack.")
@click.option(
    "--corruptions",
    is_flag=True,
    help="Apply corruptions that occur at detectors, in place of an attack.",
)
@click.option(
    "--model",
    default="default",
    show_default=True,
    metavar="NAME|DIR",
    help="Model to test: the name of a shipped model, or a folder.",
)
@click.option(
    "--imaging", default="light", show_default=True, help="Imaging settings of the strain."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of random perturbations and corruptions.",
)
@click.option(
    "-o",
    "--output",
    type=_PATH,
    metavar="H5",
    help="HDF5 file to write all results to; with --corruptions a picture of the curves is "
    "written beside it.",
)
def strain(
    files: tuple[Path, ...],
    times: tuple[float, ...],
    target: str | None,
    corruptions: bool,
    model: str,
    imaging: str,
    seed: int,
    output: Path | None,
) -> None:
    """Measure the robustness of the class of a glitch in strain.

    With --to: the smallest perturbation of whitened strain that changes the class to the target.
    Its norm is an SNR, since the noise of whitened strain has unit variance. The SNR at which
    white noise changes the class is given for comparison.

    With --corruptions: changes of code and class under corruptions at several strengths: another
    noise spectrum, a shift in time, a drifting line, a second glitch, additional noise.
    """
    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.spectrogram import imaging_settings
    from glitchvae.strain import open_strain

    if corruptions == (target is not None):
        raise click.UsageError("Give --to CLASS or --corruptions.")
    settings, checkpoint = imaging_settings(imaging), load_checkpoint(model)
    source = open_strain(files)
    found = (
        _attack(checkpoint, source, times, target, settings, seed)
        if target is not None
        else _change(checkpoint, source, times, settings, seed, output)
    )
    if output is not None:
        found.write(output)
        click.echo(output)


def _attack(
    checkpoint: Checkpoint,
    source: StrainSource,
    times: tuple[float, ...],
    target: str,
    settings: ImagingSettings,
    seed: int,
) -> StrainAttacks:
    import numpy as np

    from glitchvae.validation.robustness.strain_attacks import (
        StrainAttacks,
        attack_strain,
        noise_limit,
    )
    from glitchvae.validation.robustness.whitened_events import whiten_event

    rng, parts = np.random.default_rng(seed), []
    events = [whiten_event(source, gps, settings) for gps in times]
    table = Table(
        "GPS|.3f",
        "class",
        "SNR|.1f",
        "attack (SNR)|.2f",
        "of the event's|.2f",
        "white noise (SNR)|g",
    )
    with progress_of("attacking", len(events), "events") as advance:
        for event in events:
            found = attack_strain(checkpoint, event, target)
            limit, least = noise_limit(checkpoint, event, rng), found.smallest
            reached = np.isfinite(least)
            table.add_row(
                event.gps,
                f"{found.original[0]} -> {target}",
                event.snr,
                least if reached else "not reached",
                least / event.snr if reached else None,
                limit,
            )
            parts.append(found)
            advance(1)
    print_table(table)
    return StrainAttacks.join(parts)


def _change(
    checkpoint: Checkpoint,
    source: StrainSource,
    times: tuple[float, ...],
    settings: ImagingSettings,
    seed: int,
    output: Path | None,
) -> CorruptionTest:

    from glitchvae.validation.robustness.strain_corruptions import corrupt_strain
    from glitchvae.validation.robustness.strain_events import Event

    events = [Event(source, gps) for gps in times]
    with progress_of("changing", len(events), "events") as advance:
        found = corrupt_strain(checkpoint, events, settings, seed=seed, progress=advance)
    table = Table(
        "corruption",
        "strength",
        "unit",
        "keep their class|.0f",
        "of",
        "cosine|.3f",
        "distance|.2f",
        "most are then",
    )
    for corruption in found.corruptions:
        rows = found.of(corruption)
        for kept in rows.kept():
            table.add_row(
                corruption,
                kept.strength,
                rows.unit[0],
                kept.share * kept.events,
                kept.events,
                kept.cosine,
                kept.distance,
                kept.commonest,
            )
    print_table(table)
    halves = Table("corruption", "half of the events have another class from")
    for corruption in found.corruptions:
        halves.add_row(corruption, found.of(corruption).half)
    print_table(halves)
    if output is not None:
        from glitchvae.plots.corruptions import corruption_panels

        corruption_panels({checkpoint.name: found}, output.with_suffix(".png"))
        click.echo(output.with_suffix(".png"))
    return found
