"""What an installation has: shipped folders, packaged data, and devices to compute on.

A wheel carries `catalog/` and `pipelines/` inside the package as `_shipped/`; a
checkout has them at its top level. `data/` always lives inside the package.
"""

from __future__ import annotations

from pathlib import Path

from glitchvae.errors import ConfigError, InputError

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The folder `catalog` or `pipelines`, packaged or of the checkout.

    Raises:
        InputError: neither is there: the installation is damaged.
    """
    for folder in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise InputError(
        f"the folder {name!r} is missing from this installation",
        where=_PACKAGE,
        remedy="Install glitchvae again.",
    )


def data(name: str) -> Path:
    """A file or folder of `glitchvae/data` (noise curves, fitted tables, models).

    Raises:
        InputError: no such data in this installation; what is there is listed.
    """
    path = _PACKAGE / "data" / name
    if not path.exists():
        there = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        raise InputError(f"no packaged data {name!r}", where=_PACKAGE / "data", found=there)
    return path


def choose_device(name: object = "auto") -> str:
    """The device that `name` means on this machine.

    Args:
        name: "auto" (a GPU where torch finds one), "cpu", "cuda", "cuda:1", or a torch.device.

    Raises:
        ConfigError: no such device here.
    """
    import torch

    asked = str(name)
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        device = None
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device is None or not (
        device.type == "cpu" or (device.type == "cuda" and (device.index or 0) < here)
    ):
        raise ConfigError(
            f"no device {asked!r} here", expected="auto, cpu, or cuda where torch finds one"
        )
    return asked
