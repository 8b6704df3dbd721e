"""Events of several archives and files as one record, with the model that made their codes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glitchvae.archive.archive import Archive
from glitchvae.archive.layout import part_files
from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.embedding import Embeddings, read_embeddings
from glitchvae.errors import InputError, ModelError
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.store import digest


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Events from several places.

    Attributes:
        events: Each event once, in the order of time.
        archives: Those among the places that are archives: they keep images.
        digests: What the places held, by their paths.
    """

    events: Embeddings
    archives: tuple[Archive, ...]
    digests: dict[str, str]

    def thumbnails(self, rows: Embeddings) -> SpectrogramSet:
        """The images of some events, NaN where no archive keeps one.

        Raises:
            InputError: none of the places is an archive.
        """
        if not self.archives:
            raise InputError(
                "there is no archive, and therefore no images", found=sorted(self.digests)
            )
        found = self.archives[0].thumbnails(rows)
        for archive in self.archives[1:]:
            known = np.isfinite(found.images).any(axis=(1, 2, 3), keepdims=True)
            images = np.where(known, found.images, archive.thumbnails(rows).images)
            found = dataclasses.replace(found, images=images)
        return found


def gather(
    paths: Sequence[Path], *, model: str | None = None, catalog: Path | None = None
) -> Gathered:
    """Read the events of archives and files of embeddings.

    An archive of strain without a glitch adds no event; others beside it are read all the same.

    Args:
        paths: Folders of archives, files of embeddings.
        model: Which codes, where an archive holds those of several models.
        catalog: The user's own catalogue; None: that beside each archive.

    Raises:
        ArchiveError: an archive is damaged, or holds codes of several models.
        InputError: a file is damaged, or the codes are of different models.
    """
    # A name without a suffix that leads nowhere is meant as an archive.
    folders = [path for path in paths if path.is_dir() or not (path.exists() or path.suffix)]
    archives = {path: Archive(path, catalog) for path in folders}
    for archive in archives.values():
        archive.ledger()  # publishes what an interrupted job left
    parts = [
        archives[path].embeddings(model=model) if path in archives else read_embeddings(path)
        for path in paths
        if path not in archives or part_files(path)
    ] or [Embeddings.none()]
    models = dict.fromkeys(map(describe_model, parts))
    if len(models) > 1:
        raise InputError(
            "the codes are of several models",
            where=", ".join(map(str, paths)),
            expected="one model",
            found=" and ".join(models),
            remedy="Codes of different models cannot be compared; embed with one of them.",
        )
    events = Embeddings.join(parts)
    first = np.sort(np.unique(events.event_id.astype(str), return_index=True)[1])
    return Gathered(
        events=events.take(first).sorted(),
        archives=tuple(archives.values()),
        digests={str(path): _digest(path) for path in paths},
    )


def describe_model(events: Embeddings) -> str:
    """Name and first digits of the model that made the codes."""
    return f"{events.model.get('name', 'unknown')} ({events.model_digest[:12] or 'no digest'})"


def checkpoint_of(events: Embeddings, model: str | Path | None = None) -> Checkpoint:
    """Open the model that made the codes, or without events the one that would make them.

    Args:
        events: Codes that name their model.
        model: Name or folder of it, where the name alone does not lead there.

    Raises:
        ModelError: it is not here, or another one is.
    """
    remedy = "Name the folder of the model that made them with --model."
    try:
        checkpoint = load_checkpoint(model or events.model.get("name") or "default")
    except ModelError as error:
        raise ModelError(
            f"the model of these codes, {describe_model(events)}, is not found",
            found=error.problem,
            remedy=remedy,
        ) from error
    if len(events) and not checkpoint.card.made(events.model_digest):
        raise ModelError(
            f"the codes are of {describe_model(events)}, which is another model",
            found=f"{checkpoint.path} ({checkpoint.digest[:12]})",
            remedy=remedy,
        )
    return checkpoint


def _digest(path: Path) -> str:
    """Digest of a file, or of all parts of an archive."""
    if not path.is_dir():
        return digest(path)
    return digest({part.name: digest(part) for part in part_files(path)})
