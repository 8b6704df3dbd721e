"""The option `--device`, shared by the commands that compute."""

from __future__ import annotations

import rich_click as click

from glitchvae.errors import ConfigError

DEVICE = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu or cuda.", metavar="NAME"
)


def choose_device(name: str) -> str:
    """The device that `name` means on this machine.

    Raises:
        ConfigError: no such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu" or (name.startswith("cuda") and torch.cuda.is_available()):
        return name
    raise ConfigError(
        f"no device {name!r} here", expected="auto, cpu, or cuda where torch finds one"
    )
