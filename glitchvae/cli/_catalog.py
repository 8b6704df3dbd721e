"""The option `--catalog`, and what is said of one's own catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from glitchvae.discovery.decisions import Taught

CATALOG = click.option(
    "--catalog",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Your own catalogue; else $GLITCHVAE_CATALOG, else glitch-catalog beside the archive.",
)


def say_catalog(taught: Taught) -> None:
    """Which classes of one's own catalogue the model knows, and which it cannot know."""
    if taught.classes:
        click.echo(f"known from your catalogue: {', '.join(taught.classes)}", err=True)
    if taught.strangers:
        names = ", ".join(taught.strangers)
        click.echo(f"not known, as their codes are of another model: {names}", err=True)
