"""The known classes of a model together with the user's own catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.archive.archive import Archive
from glitchvae.archive.layout import MARKER
from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.classes.user import with_user_classes
from glitchvae.embedding import Job
from glitchvae.spectrogram import imaging_settings


@dataclass(frozen=True, kw_only=True)
class KnownClasses:
    """A model with the classes of a user's own catalogue.

    Attributes:
        checkpoint: The model; its digest is that of its folder, as codes do not change.
        added: Names of the classes that were added or grew.
        other_model: Names of classes whose codes are of another model.
    """

    checkpoint: Checkpoint
    added: tuple[str, ...] = ()
    other_model: tuple[str, ...] = ()

    @property
    def prototypes(self) -> Prototypes:
        """The known classes.

        Raises:
            ModelError: the model knows none.
        """
        return self.checkpoint.require_prototypes(
            "this model knows no class, so that every glitch would be new"
        )


def known_classes(
    checkpoint: Checkpoint, catalog: str | Path, archives: Sequence[Archive] = ()
) -> KnownClasses:
    """Extend the known classes of a model by those of a user's catalogue.

    Classes whose codes are of another model are derived anew from their events, where an
    archive holds these with codes of the model.

    Args:
        checkpoint: The model.
        catalog: The user's own catalogue; there may be none.
        archives: Where to look.

    Raises:
        CatalogError: a card is wrong, names a class that is not there, or lacks its codes.
    """
    if checkpoint.prototypes is None:
        return KnownClasses(checkpoint=checkpoint)

    def codes_of(events: Sequence[str]) -> NDArray[np.float32]:
        found = [archive.codes_of(events, model=checkpoint.digest) for archive in archives]
        blank = np.empty((0, 0), np.float32)
        return np.concatenate([part for part in found if len(part)] or [blank])

    found = with_user_classes(
        checkpoint.prototypes, checkpoint.card.made, catalog, codes_of=codes_of
    )
    if not found.added:
        return KnownClasses(checkpoint=checkpoint, other_model=found.other_model)
    return KnownClasses(
        checkpoint=replace(checkpoint, prototypes=found.prototypes),
        added=found.added,
        other_model=found.other_model,
    )


def job_of(
    model: str | Path,
    *,
    catalog: str | Path,
    imaging: str = "gravity-spy",
    snr: float = 7.5,
    uncertainty: bool = True,
    device: str = "cpu",
    configuration: dict[str, Any] | None = None,
    archive: Path | None = None,
) -> tuple[Job, KnownClasses]:
    """Settings of an embedding job with a model and a user's catalogue, and the known classes.

    Args:
        model: Name or folder.
        catalog: The user's own catalogue; there may be none.
        imaging: Name of imaging settings.
        snr: Threshold of the search.
        uncertainty: Whether rows say how their codes change with small changes.
        device: Where to compute.
        configuration: Options to keep with the rows.
        archive: Where events of the user's classes may have codes of this model.

    Raises:
        ModelError: no such model, or a damaged one.
        ConfigError: no such imaging settings.
        CatalogError: the catalogue is damaged.
    """
    there = archive is not None and (archive / MARKER).is_file()
    archives = [Archive(archive)] if archive is not None and there else []
    known = known_classes(load_checkpoint(model, device, at_once=False), catalog, archives)
    added = {"catalogue": list(known.added)} if known.added else {}
    job = Job(
        checkpoint=known.checkpoint,
        imaging=imaging_settings(imaging),
        snr=snr,
        uncertainty=uncertainty,
        device=device,
        configuration={**(configuration or {}), **added, "device": device},
    )
    return job, known
