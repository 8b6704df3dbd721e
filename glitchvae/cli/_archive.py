"""The option `--archive`, shared by the commands that read or fill one."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

ARCHIVE = click.option(
    "--archive",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the archive. [default: $GLITCHVAE_ARCHIVE, else ./glitch-archive]",
)
