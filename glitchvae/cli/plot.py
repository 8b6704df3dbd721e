"""Draw glitches, their reconstructions, latent traversals, and logs of trainings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import rich_click as click

from glitchvae.cli._archive import ARCHIVE
from glitchvae.cli._catalog import CATALOG

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glitchvae.checkpoint import Checkpoint
    from glitchvae.embedding import Embeddings
    from glitchvae.spectrogram import SpectrogramSet

_UNLABELLED = 24
"""Number of events drawn from a set without labels."""

_FOR_KL = 256
"""Events whose mean KL orders the dimensions of a model without a log."""

OUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="PNG file to write."
)

R = TypeVar("R", bound="Embeddings | SpectrogramSet")


@click.group()
def command() -> None:
    """Draw glitches, their reconstructions, latent traversals, and logs of trainings."""


@command.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@OUT
@click.option("--class", "class_name", help="Draw only glitches of this class.")
@click.option(
    "--model", help="Model whose codes are used, if the archive holds codes of several models."
)
@click.option("--title", help="Title of the page.")
def sheet(
    source: Path, output: Path, class_name: str | None, model: str | None, title: str | None
) -> None:
    """Draw the four views of the glitches in SOURCE, an archive or a set of spectrograms.

    If there are more than 60 glitches the loudest 60 are drawn.
    """
    from glitchvae.plots import contact_sheet

    spectrograms, captions, total = _read_glitches(source, class_name, model)
    shown = len(spectrograms)
    found = f"{total} glitches" if shown == total else f"{shown} loudest of {total} glitches"
    contact_sheet(spectrograms, captions, output, title=title or f"{source.name}: {found}")
    click.echo(output)


@command.command()
@click.argument("event_id", metavar="ID")
@OUT
@click.option(
    "--model",
    metavar="NAME",
    help="Model whose codes are used, if the archive holds codes of several models.",
)
@CATALOG
@ARCHIVE
def glitch(
    event_id: str, output: Path, model: str | None, catalog: Path | None, archive: Path | None
) -> None:
    """Draw the four views of the glitch ID of an archive, with axes of time and frequency."""
    from glitchvae.archive import Archive, archive_path
    from glitchvae.plots import glitch_picture, headlines_of

    store = Archive(archive_path(archive), catalog)
    rows = store.get(event_id, model=model).take([0])
    title, subtitle = headlines_of(rows, 0)
    picture = store.thumbnails(rows).images[0]
    glitch_picture(picture, output, title=title, subtitle=subtitle, status=str(rows.status[0]))
    click.echo(output)


@command.command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "--model",
    default="default",
    show_default=True,
    metavar="NAME|DIR",
    help="Model that reconstructs: the name of a shipped model, or a folder.",
)
@click.option("--split", help="Draw only events of this split.")
@OUT
def reconstructions(images: Path, model: str, split: str | None, output: Path) -> None:
    """Draw the first glitch of each class in IMAGES beside its reconstruction by a model."""
    from glitchvae.checkpoint import load_checkpoint, reconstruct
    from glitchvae.dataset import read_images
    from glitchvae.plots import captions_of, reconstructions

    chosen = _first_of_each_class(read_images(images), split, images)
    rebuilt = reconstruct(load_checkpoint(model, "cpu"), chosen.images)
    reconstructions(chosen.images, rebuilt, captions_of(chosen), output)
    click.echo(output)


@command.command("rate-distortion")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@OUT
def rate_distortion(runs: tuple[Path, ...], output: Path) -> None:
    """Draw rate and distortion over the steps of each RUN of `glitchvae train`."""
    from glitchvae.plots import rate_distortion
    from glitchvae.training.log import read_log

    rate_distortion(dict(zip(_short_names(runs), map(read_log, runs), strict=True)), output)
    click.echo(output)


@command.command()
@click.argument("run", type=click.Path(path_type=Path))
@OUT
def kl(run: Path, output: Path) -> None:
    """Draw the KL divergence of every latent dimension over the steps of RUN."""
    from glitchvae.plots import kl_per_dimension
    from glitchvae.training.log import read_log

    kl_per_dimension(read_log(run), output, title=run.resolve().name, layers=_layers(run))
    click.echo(output)


@command.command()
@click.argument("run", type=click.Path(path_type=Path))
@OUT
def layers(run: Path, output: Path) -> None:
    """Draw the KL divergence of every dimension of every latent layer at the end of RUN."""
    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.plots import layer_kl
    from glitchvae.training.log import read_log

    log, model = read_log(run), load_checkpoint(run).model
    layer_kl(log, model.layers, output, title=run.resolve().name)
    click.echo(output)


@command.command()
@click.argument("model", metavar="RUN|NAME")
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Set of images with the glitch from which the traversals start.",
)
@click.option("--id", "event_id", help="Identifier of that glitch. [default: the first usable one]")
@click.option(
    "--reach",
    default=2.5,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Ends of the traversals, in standard deviations of the prior.",
)
@click.option(
    "--dimensions",
    default=12,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of latent dimensions to draw, those of the largest KL first.",
)
@OUT
def traversals(
    model: str,
    images: Path | None,
    event_id: str | None,
    reach: float,
    dimensions: int,
    output: Path,
) -> None:
    """Draw latent traversals: decoded pictures along each latent dimension of a model.

    All other dimensions have the mean of the prior, or the code of a glitch. Pictures of glitches
    show all four views. Each row names the KL divergence of its dimension, from the log of the
    training or, without a log, from the first 256 of the images.
    """
    import numpy as np

    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.models import takes_views
    from glitchvae.plots import dimension_name, glitch_traversals, traversals, traverse

    checkpoint = load_checkpoint(model)
    views = takes_views(checkpoint.model)
    values = np.linspace(-reach, reach, 5 if views else 7).round(2).tolist()
    origin, kl = _origin(checkpoint, images, event_id)
    chosen = (np.arange(len(origin)) if kl is None else np.argsort(-kl))[:dimensions].tolist()
    pictures = _as_drawn(checkpoint, traverse(checkpoint.model.decode, origin, chosen, values))
    start = "the mean of the prior" if images is None else images.name
    names = [dimension_name(each, checkpoint.model.layers) for each in chosen]
    if kl is not None:
        names = [f"{name}\n{kl[each]:.2f} nats" for name, each in zip(names, chosen, strict=True)]
    draw = glitch_traversals if views else traversals
    draw(pictures, names, values, output, title=f"{checkpoint.name}, from {start}")
    click.echo(output)


def _short_names(runs: tuple[Path, ...]) -> list[str]:
    """Names of the folders, with as many parents as tell them apart."""
    parts = [run.resolve().parts for run in runs]
    depth = next(
        (d for d in range(1, max(map(len, parts))) if len({p[-d:] for p in parts}) == len(parts)), 1
    )
    return ["/".join(part[-depth:]) for part in parts]


def _first_of_each_class(
    spectrograms: SpectrogramSet, split: str | None, source: Path
) -> SpectrogramSet:
    """One usable event for each label in alphabetical order; without labels the first few."""
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
    """The rows of one class, by nearest class or label; all rows if no class is given."""
    from glitchvae.classes.catalog import read_catalog
    from glitchvae.errors import InputError
    from glitchvae.plots import class_names

    if class_name is not None:
        catalog = read_catalog()
        wanted = catalog.find(class_name).name if class_name in catalog else class_name
        record = record.take(class_names(record) == wanted)
    if len(record) == 0:
        raise InputError("no glitch to draw", where=source, found=f"class {class_name or 'any'}")
    return record


def _origin(
    checkpoint: Checkpoint, images: Path | None, event_id: str | None
) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
    """(Z,) zeros or the code of an event of a set of images, and (Z,) the KL in nats.

    Without a log the KL is of those images, as far as the prior is the standard normal; else None.
    """
    import numpy as np

    from glitchvae.dataset import read_images
    from glitchvae.embedding import encode_spectrograms
    from glitchvae.errors import InputError

    kl, size = _logged_kl(checkpoint), sum(checkpoint.model.layers)
    if images is None:
        return np.zeros(size, dtype=np.float32), kl
    events = read_images(images)
    wanted = events.usable if event_id is None else events.usable & (events.event_id == event_id)
    rows = np.flatnonzero(wanted)
    if len(rows) == 0:
        raise InputError("no usable event", where=images, found=f"id {event_id or 'any'}")
    origin = encode_spectrograms(events.take(rows[:1]), checkpoint).mean[0]
    learnt = getattr(checkpoint.model, "pseudo_inputs", None) is not None
    if kl is None and len(checkpoint.model.layers) == 1 and not learnt:
        codes = encode_spectrograms(
            events.take(np.flatnonzero(events.usable)[:_FOR_KL]), checkpoint
        )
        variance = np.exp(codes.log_var.astype(float))
        kl = (0.5 * (codes.mean.astype(float) ** 2 + variance - codes.log_var - 1)).mean(axis=0)
    return origin, kl


def _logged_kl(checkpoint: Checkpoint) -> NDArray[np.float64] | None:
    """(Z,) KL of each latent dimension in nats at the end of the training; None without a log."""
    from glitchvae.training.log import LOG, dimension_kl, read_log

    if not (checkpoint.path / LOG).is_file():
        return None
    return dimension_kl(read_log(checkpoint.path))[-1]


def _layers(run: Path) -> tuple[int, ...]:
    """Sizes of the latent layers of a hierarchy; () of others, and where there is no card yet."""
    from glitchvae.classes.model_card import CARD, read_card

    if not (run / CARD).is_file():
        return ()
    return tuple(read_card(run).model.get("latent_sizes", ()))


def _as_drawn(checkpoint: Checkpoint, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images as they are drawn: energies of glitches; other pictures unchanged."""
    import torch

    from glitchvae.models import restore, takes_views

    if not takes_views(checkpoint.model):
        return pictures
    return restore(torch.from_numpy(pictures)).numpy()
