"""Find the glitches most similar to a given one, or the neighbours of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._archive import ARCHIVE
from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._gps import GPS
from glitchvae.cli._manners import note
from glitchvae.cli._tables import Table, print_table

if TYPE_CHECKING:
    from glitchvae.archive import Archive
    from glitchvae.embedding import Embeddings

_PATH = click.Path(path_type=Path)


@click.command("similar")
@click.option(
    "--gps", type=GPS, metavar="T", help="GPS time within 0.5 s of the glitch to compare with."
)
@click.option("--id", "event_id", metavar="ID", help="Identifier of the glitch to compare with.")
@click.option(
    "--image", type=_PATH, metavar="FILE", help="Set of images whose first glitch is compared."
)
@click.option(
    "--all", "every", is_flag=True, help="Write a table of the neighbours of every glitch."
)
@click.option(
    "-k",
    "count",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Number of neighbours.",
)
@click.option(
    "--model",
    metavar="NAME|DIR",
    help="Model whose codes are compared, if the archive holds codes of several models.",
)
@ARCHIVE
@click.option(
    "-o",
    "--output",
    type=_PATH,
    metavar="FILE",
    help="PNG file for a contact sheet of the neighbours; with --all the table to write "
    "(.csv or .parquet).",
)
@DEVICE
def command(
    gps: float | None,
    event_id: str | None,
    image: Path | None,
    every: bool,
    count: int,
    model: str | None,
    archive: Path | None,
    output: Path | None,
    device: str,
) -> None:
    """Find the glitches most similar to a given one, or with --all the neighbours of all.

    The distance is the Euclidean distance between posterior means, in standard deviations of
    the prior. The search is exact.
    """
    from glitchvae.archive import Archive, archive_path

    if sum(given is not None for given in (gps, event_id, image)) + every != 1:
        raise click.UsageError("Give one of --gps, --id, --image and --all.")
    store = Archive(archive_path(archive))
    if every:
        _write_all(store, model, count, output)
        return
    name = model and Path(model).name
    query: Any = event_id
    if gps is not None:
        query = _at(store, gps, name)
    elif image is not None:
        query = _encode(image, store, model, device)
    rows, distances = store.nearest(query, count, model=name)
    _print_rows(rows, distances)
    if output is not None:
        _draw(store, rows, distances, output)


def _write_all(archive: Archive, model: str | None, count: int, output: Path | None) -> None:
    """Write the neighbours of every glitch of an archive as a table."""
    from glitchvae.archive.neighbours import neighbour_graph, write_graph
    from glitchvae.progress import progress_of

    if output is None:
        raise click.UsageError("--all needs a table to write: -o FILE (.csv or .parquet).")
    events = archive.embeddings(model=model and Path(model).name)
    with progress_of("searching", len(events), "glitches") as advance:
        graph = neighbour_graph(events.mean, count, progress=advance)
    lines = write_graph(output, graph, events.event_id)
    click.echo(f"{lines} pairs of neighbours: {output}")


def _at(archive: Archive, gps: float, model: str | None) -> str:
    """The glitch nearest to a time, which is reported to the user."""
    row = archive.find(gps, model=model).take([0])
    known = f", {row.class_name[0]}" if row.class_name[0] else ""
    note(f"like {row.event_id[0]} of {row.ifo[0]}, GPS {row.gps[0]:.4f}{known}")
    return str(row.event_id[0])


def _encode(image: Path, archive: Archive, model: str | None, device: str) -> Any:
    """Code (Z,) of the first usable image of a set."""
    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.dataset import read_images
    from glitchvae.embedding import encode_spectrograms
    from glitchvae.errors import InputError

    spectrograms = read_images(image)
    if not spectrograms.usable.any():
        raise InputError("no usable image", where=image, found=sorted(set(spectrograms.status)))
    checkpoint = load_checkpoint(model or "default", choose_device(device))
    archive.require_model(checkpoint.digest)
    first = spectrograms.take(spectrograms.usable).take([0])
    return encode_spectrograms(first, checkpoint, device=choose_device(device)).mean[0]


def _print_rows(rows: Embeddings, distances: Any) -> None:

    table = Table(
        "distance|.3g", "id", "detector", "GPS|.4f", "SNR|.1f", "nearest class", "label", "status"
    )
    for n, distance in enumerate(distances):
        label = "" if rows.label is None else rows.label[n]
        table.add_row(
            distance,
            rows.event_id[n],
            rows.ifo[n],
            rows.gps[n],
            rows.snr[n],
            rows.class_name[n],
            label,
            rows.status[n],
        )
    print_table(table)
    if not len(rows):
        click.echo("the archive holds no other glitch with a code")


def _draw(archive: Archive, rows: Embeddings, distances: Any, path: Path) -> None:
    from glitchvae.plots import captions_of, contact_sheet

    texts = [f"{d:.2f}  ·  {text}" for d, text in zip(distances, captions_of(rows), strict=True)]
    contact_sheet(archive.thumbnails(rows), texts, path)
    click.echo(f"contact sheet: {path}")
