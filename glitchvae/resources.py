"""Where the shipped folders are: the catalogue, the recipes, models and noise curves.

A wheel carries `catalog/` and `pipelines/` inside the package as `_shipped/`; a
checkout has them at its top level. `data/` always lives inside the package.
"""

from __future__ import annotations

from pathlib import Path

from glitchvae.errors import InputError

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
        f"the folder {name!r} is missing from this installation", where=_PACKAGE,
        remedy="Install glitchvae again.",
    )  # fmt: skip


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
