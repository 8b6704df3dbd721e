"""The option `--catalog`, and a message about the classes of the user's catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from glitchvae.cli._manners import note

if TYPE_CHECKING:
    from glitchvae.archive.known_classes import KnownClasses
    from glitchvae.classes.user import UserClasses

CATALOG = click.option(
    "--catalog",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of your own catalogue. [default: $GLITCHVAE_CATALOG, else glitch-catalog "
    "beside the archive]",
)


def say_catalog(known: KnownClasses | UserClasses) -> None:
    """Report which classes of the user's catalogue the model can name."""
    if known.added:
        note(f"known from your catalogue: {', '.join(known.added)}")
    if known.other_model:
        names = ", ".join(known.other_model)
        note(f"not known, as their codes are of another model: {names}")
