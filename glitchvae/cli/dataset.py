"""Summarise, convert, merge and split sets of images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._manners import exit_status, note, tell_problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glitchvae.dataset import SetSummary
    from glitchvae.spectrogram import SpectrogramSet

SET = click.argument("source", type=click.Path(path_type=Path), metavar="SET")
OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="HDF5 file to write."
)
METADATA = click.option(
    "--metadata",
    type=click.Path(path_type=Path),
    metavar="TABLE",
    help="Table with times and trigger properties of the same events, such as a Gravity Spy table.",
)
TAXONOMY = click.option(
    "--taxonomy",
    metavar="NAME",
    help="Taxonomy whose labels are accepted: training, o3 or zooniverse. [default: all]",
)


@click.group()
def command() -> None:
    """Summarise, convert, merge and split sets of images.

    SET is a spectrogram set, a Gravity Spy training set (HDF5) or a folder of its PNG
    pictures, recognised by content. Labels are converted to the official names of the
    catalogue. Unknown labels are kept and counted; events left out are counted.
    """


@command.command()
@SET
@TAXONOMY
def info(source: Path, taxonomy: str | None) -> None:
    """Summarise SET: classes, splits, detectors, status, frequency bands, times, memory."""
    from glitchvae.classes.catalog import read_catalog
    from glitchvae.cli._tables import print_table
    from glitchvae.dataset import name_classes, stream_images, summarise

    catalog = read_catalog()
    summary = summarise(
        name_classes(part, catalog, taxonomy=taxonomy) for part in stream_images(source)
    )
    print_table(_table_of_classes(summary))
    for key, value in summary.lines():
        click.echo(f"{key:12s}{value}")


@command.command()
@SET
@OUTPUT
@click.option(
    "--layout",
    type=click.Choice(["own", "gravity-spy"]),
    default="own",
    show_default=True,
    help="Layout of the file to write.",
)
@click.option(
    "--from-view",
    type=float,
    metavar="SECONDS",
    help="Duration in seconds of the view from which all others are cut: 4, for sets "
    "published with one view. The shorter views are blurred.",
)
@click.option(
    "--events",
    "wanted",
    type=click.Path(path_type=Path),
    metavar="TABLE",
    help="Table with a column event_id, or list of identifiers with one a line, of the "
    "events to keep.",
)
@METADATA
@TAXONOMY
@click.pass_context
def convert(
    ctx: click.Context,
    source: Path,
    output: Path,
    layout: str,
    from_view: float | None,
    wanted: Path | None,
    metadata: Path | None,
    taxonomy: str | None,
) -> None:
    """Write SET in another layout, with times and trigger properties from --metadata.

    Exit status 1 if events of --events are not in SET; the others are written.
    """
    from glitchvae.archive.labels import read_ids
    from glitchvae.dataset import write_gravity_spy

    events = None if wanted is None else read_ids(wanted)
    spectrograms = _read(source, metadata, taxonomy, from_view=from_view, events=events)
    if layout == "own":
        spectrograms.write(output)
        without_image = 0
    else:
        without_image = write_gravity_spy(spectrograms, output)
    click.echo(f"{output}: {len(spectrograms) - without_image} events")
    if without_image:
        note(f"left out, for want of an image: {without_image}")
    _report(spectrograms.left_out)
    if missing := sorted({*(events or ())} - {*spectrograms.event_id}):
        some = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        note(f"not in {source}: {len(missing)} of {len(events or ())} events ({some})")
        ctx.exit(1)


@command.command()
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SET..."
)
@OUTPUT
@TAXONOMY
@click.pass_context
def merge(
    ctx: click.Context, sources: tuple[Path, ...], output: Path, taxonomy: str | None
) -> None:
    """Join several sets of the same imaging settings; an identifier occurs once.

    A file that cannot be read is reported and left out; the exit status is then 1. Sets of
    different imaging settings are refused, but `glitchvae train` accepts them together.
    """
    from glitchvae.dataset import merge_sets
    from glitchvae.errors import InputError

    sets, unreadable = [], 0
    for source in sources:
        try:
            sets.append(_read(source, None, taxonomy))
        except InputError as error:
            tell_problem(error)
            unreadable += 1
    merged = merge_sets(sets)
    if unreadable:
        left_out = {**merged.left_out, "unreadable_set": unreadable}
        merged = dataclasses.replace(merged, left_out=left_out)
    merged.write(output)
    click.echo(f"{output}: {len(merged)} events of {len(sets)} sets")
    _report(merged.left_out)
    ctx.exit(exit_status(unreadable, len(sets)))


@command.command()
@SET
@OUTPUT
@click.option(
    "--published", "kind", flag_value="published", help="Keep the split of the published set."
)
@click.option(
    "--random",
    "kind",
    flag_value="random",
    help="Split at random without regard to time, which gives too high scores.",
)
@click.option(
    "--fractions",
    type=click.FloatRange(0, 1),
    nargs=3,
    default=(0.7, 0.15, 0.15),
    show_default=True,
    help="Fractions of training, validation and test events.",
)
@click.option(
    "--block",
    type=click.FloatRange(min=0, min_open=True),
    default=86400.0,
    show_default=True,
    help="Length in seconds of the blocks of time that are not divided.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the split."
)
@METADATA
@TAXONOMY
def split(
    source: Path,
    output: Path,
    kind: str | None,
    fractions: tuple[float, float, float],
    block: float,
    seed: int,
    metadata: Path | None,
    taxonomy: str | None,
) -> None:
    """Write SET with a split into train, validation and test, by blocks of time.

    Glitches of one hour resemble each other more than other glitches of their class. If a split
    divides such an hour, scores are too high. With --random or --published a warning states how
    many blocks of time are divided; `glitchvae probe` computes scores for both kinds of split.
    """
    import numpy as np

    from glitchvae.dataset import (
        empty_splits,
        published_split,
        split_at_random,
        split_by_time_blocks,
    )
    from glitchvae.dataset.describing import listed

    spectrograms = _read(source, metadata, taxonomy)
    rng = np.random.default_rng(seed)
    if kind == "published":
        names = published_split(spectrograms)
    elif kind == "random":
        names = split_at_random(len(spectrograms), rng, fractions=fractions)
    else:
        names = split_by_time_blocks(spectrograms.gps, rng, fractions=fractions, block=block)
    for name in empty_splits(names, fractions):
        click.echo(
            f"Warning: no event in the split {name}; there are too few blocks of {block:g} s "
            "or events for its share.",
            err=True,
        )
    dataclasses.replace(spectrograms, split=names).write(output)
    counts = {name: int(np.sum(names == name)) for name in ("train", "validation", "test")}
    click.echo(f"{output}: {listed(counts)}")
    _report(spectrograms.left_out)
    if kind is not None:
        _warn_of_parted_blocks(spectrograms.gps, names, block)


def _read(
    source: Path,
    metadata: Path | None,
    taxonomy: str | None,
    *,
    from_view: float | None = None,
    events: Sequence[str] | None = None,
) -> SpectrogramSet:
    """A set with the names of the catalogue, and what a table knows of its events."""
    from glitchvae.classes.catalog import read_catalog
    from glitchvae.dataset import add_metadata, name_classes, read_images
    from glitchvae.triggers import read_triggers

    images = read_images(source, from_view=from_view, events=events)
    spectrograms = name_classes(images, read_catalog(), taxonomy=taxonomy)
    if metadata is None:
        return spectrograms
    return add_metadata(spectrograms, read_triggers(metadata))


def _warn_of_parted_blocks(gps: NDArray[np.float64], names: NDArray[Any], block: float) -> None:
    """Say where neighbours in time are in different splits, or that nobody can know."""
    import numpy as np

    from glitchvae.dataset import shared_blocks

    if shared := shared_blocks(gps, names, block=block):
        click.echo(
            f"Warning: {shared} blocks of {block:g} s have events in more than one split; "
            "scores on this split are too good. `glitchvae probe` shows by how much.",
            err=True,
        )
    if untimed := int((~np.isfinite(gps)).sum()):
        click.echo(
            f"Warning: whether this split parts neighbours cannot be told of {untimed} events "
            "without a time.",
            err=True,
        )


def _table_of_classes(summary: SetSummary) -> Any:
    from glitchvae.cli._tables import Table

    splits = sorted(summary.splits)
    table = Table("class", *(name or "no split" for name in splits), "all")
    for label in sorted({label for label, _ in summary.classes}):
        counts = [summary.classes[label, name] for name in splits]
        table.add_row(label or "no label", *counts, sum(counts))
    table.footer = ("all", *(summary.splits[n] for n in splits), summary.events)
    return table


def _report(left_out: Mapping[str, int]) -> None:
    from glitchvae.dataset.describing import listed

    if left_out:
        note(f"left out or marked: {listed(left_out)}")
