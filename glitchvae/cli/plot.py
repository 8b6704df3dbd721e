"""Draw sheets of glitches, and what a model makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from glitchvae.embedding import Embeddings
    from glitchvae.spectrogram import SpectrogramSet

_UNLABELLED = 24
"""Events drawn where none has a label."""

R = TypeVar("R", bound="Embeddings | SpectrogramSet")


@click.group()
def command() -> None:
    """Draw sheets of glitches, and what a model makes of them."""


@command.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="PNG to write.")
@click.option("--class", "class_name", help="Only glitches of this class.")
@click.option("--model", help="Codes of this model, where an archive holds several.")
@click.option("--title", help="Headline of the page.")
def sheet(
    source: Path, out: Path, class_name: str | None, model: str | None, title: str | None
) -> None:
    """The four views of every glitch in SOURCE, an archive or a set of spectrograms.

    Of more glitches than fit a page the loudest are drawn.
    """
    from glitchvae.plots import contact_sheet

    spectrograms, captions, total = _read_glitches(source, class_name, model)
    shown = len(spectrograms)
    found = f"{total} glitches" if shown == total else f"{shown} loudest of {total} glitches"
    contact_sheet(spectrograms, captions, out, title=title or f"{source.name}: {found}")
    click.echo(out)


@command.command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option("--model", default="default", show_default=True, metavar="NAME|DIR")
@click.option("--split", help="Only events of this split.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="PNG to write.")
def reconstructions(images: Path, model: str, split: str | None, out: Path) -> None:
    """The first glitch of each class in IMAGES beside its reconstruction by a model."""
    from glitchvae.checkpoint import load_checkpoint, reconstruct
    from glitchvae.dataset import read_images
    from glitchvae.plots import captions_of, reconstructions

    chosen = _first_of_each_class(read_images(images), split, images)
    rebuilt = reconstruct(load_checkpoint(model, "cpu"), chosen.images)
    reconstructions(chosen.images, rebuilt, captions_of(chosen), out)
    click.echo(out)


def _first_of_each_class(
    spectrograms: SpectrogramSet, split: str | None, source: Path
) -> SpectrogramSet:
    """One usable event a label, in the order of the labels; the first few where there are none."""
    import numpy as np

    from glitchvae.errors import InputError

    wanted = spectrograms.usable
    if split is not None and spectrograms.split is not None:
        wanted = wanted & (spectrograms.split == split)
    rows = np.flatnonzero(wanted)
    if len(rows) == 0:
        raise InputError("no usable event to draw", where=source, found=f"split {split or 'any'}")
    if spectrograms.label is None:
        return spectrograms.take(rows[:_UNLABELLED])
    _, first = np.unique(spectrograms.label[rows].astype(str), return_index=True)
    return spectrograms.take(rows[first])


def _read_glitches(
    source: Path, class_name: str | None, model: str | None
) -> tuple[SpectrogramSet, list[str], int]:
    """Images and captions of the loudest glitches, and how many there are in all."""
    from glitchvae.archive import Archive
    from glitchvae.plots import EVENTS_PER_SHEET, captions_of, loudest
    from glitchvae.spectrogram import SpectrogramSet

    if source.is_dir():
        archive = Archive(source)
        codes = _of_class(archive.embeddings(model=model), class_name, source)
        chosen = codes.take(loudest(codes.snr, EVENTS_PER_SHEET))
        return archive.thumbnails(chosen), captions_of(chosen), len(codes)
    images = _of_class(SpectrogramSet.read(source), class_name, source)
    chosen = images.take(loudest(images.snr, EVENTS_PER_SHEET))
    return chosen, captions_of(chosen), len(images)


def _of_class(record: R, class_name: str | None, source: Path) -> R:
    """The rows of one class, by nearest class or label; all of them where none is asked for."""
    from glitchvae.catalog import read_catalog
    from glitchvae.errors import InputError
    from glitchvae.plots import class_names

    if class_name is not None:
        catalog = read_catalog()
        wanted = catalog.find(class_name).name if class_name in catalog else class_name
        record = record.take(class_names(record) == wanted)
    if len(record) == 0:
        raise InputError("no glitch to draw", where=source, found=f"class {class_name or 'any'}")
    return record
