"""The option `--device`, shared by the commands that compute."""

from __future__ import annotations

import rich_click as click

from glitchvae.resources import choose_device

__all__ = ["DEVICE", "choose_device"]

DEVICE = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Device for computations: auto, cpu or cuda.",
    metavar="NAME",
)
