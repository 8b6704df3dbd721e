"""Heads kept in an archive: card and prototypes of each model whose codes it holds.

With them a copied archive has its classes without the model's folder. A head is found here,
else in the folder of the model, told by the digest of the codes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glitchvae.classes.model_card import (
    CARD,
    ModelCard,
    copy_head,
    find_model,
    read_card,
    read_head,
    read_prototypes,
    shipped_digests,
)
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import GlitchvaeError, ModelError

MODELS = "models"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FoundHead:
    """Location of the head that belongs to some codes.

    Attributes:
        folder: That holds it.
        card: Of the model.
    """

    folder: Path
    card: ModelCard

    @property
    def digest(self) -> str:
        """Digest of the prototypes, "" for a model without known classes."""
        return self.card.prototypes_digest

    def prototypes(self) -> Prototypes | None:
        """The prototypes, None for a model without known classes.

        Raises:
            ModelError: they are missing or damaged.
        """
        return read_prototypes(self.folder, self.card)


def keep_head(root: Path, folder: Path, code_digest: str) -> None:
    """Store card and prototypes of a model in place of an earlier head of the same codes.

    Args:
        root: The archive.
        folder: Of the model.
        code_digest: Of its codes.

    Raises:
        StorageError: the disk refused the write.
    """
    kept = root / MODELS / code_digest
    try:
        if (kept / CARD).is_file() and read_head(kept).card == read_card(folder):
            return
    except ModelError as error:
        _LOG.warning("the head of a model is kept anew: %s", error)
    copy_head(folder, kept)


def find_head(root: Path, model_digest: str, name: str) -> FoundHead | None:
    """Find the head of some codes: in the archive, else in the folder of the model.

    What is damaged is named in a warning.

    Args:
        root: The archive.
        model_digest: Of the codes.
        name: Of the model.
    """
    for place in (root / MODELS / model_digest, name):
        if isinstance(place, Path) and not place.exists():
            continue
        try:
            folder = find_model(place)
            head = read_head(folder)
        except ModelError as error:
            if isinstance(place, Path):
                _LOG.warning("%s", error)
            continue
        if head.card.made(model_digest):
            return FoundHead(folder=folder, card=head.card)
    return None


def code_digests(root: Path) -> dict[str, str]:
    """Model digests of earlier versions, with the digest of the same codes in this version."""
    found = shipped_digests()
    for folder in sorted((root / MODELS).glob("*")):
        try:
            card = read_card(folder)
        except GlitchvaeError:
            continue  # `find_head` names it
        found[card.older_digest] = card.code_digest
    return found


def head_problems(root: Path) -> Iterator[str]:
    """Problems of the heads kept in an archive, one sentence each."""
    for folder in sorted((root / MODELS).glob("*")):
        if not (folder / CARD).exists():
            continue  # the card comes last: a killed job began it, and the next one finishes it
        try:
            card = read_head(folder).card
        except GlitchvaeError as error:
            yield str(error)
            continue
        if not card.made(folder.name):
            yield f"{folder}: the head of another model, {card.code_digest[:12]}"
