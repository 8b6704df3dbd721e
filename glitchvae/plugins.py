"""Extensions by users: modules imported by name, and entry points.

Code runs because somebody asked for it by name: `--import my_module`, an `import` in Python, or an
installed package that registers itself under `glitchvae.objectives`, `.models`, `.metrics`,
`.readers` or `.families`. A card names the class that it needs, but imports nothing: a model from
anywhere can still be opened without running its code.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from glitchvae.errors import ConfigError

GROUPS = ("objectives", "models", "metrics", "readers", "families")
"""Groups of entry points, `glitchvae.objectives` and so on."""


def import_modules(names: Iterable[str]) -> None:
    """Import the user's modules: installed ones, or files of the current folder.

    Args:
        names: As in `import`: `my_module`, `my_package.objectives`.

    Raises:
        ConfigError: no such module, or it fails when it is imported.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)  # last: a file here never takes the place of an installed module
    for name in names:
        _import(name)


def registered(group: str) -> dict[str, EntryPoint]:
    """Entry points of one of `GROUPS` by name."""
    return {point.name: point for point in entry_points(group=f"glitchvae.{group}")}


def find(group: str, name: str) -> Any:
    """Find an extension by name.

    Args:
        group: One of `GROUPS`.
        name: Of an entry point, or `module:name` of a class or function in a module that has been
            imported, or that an entry point names.

    Raises:
        ConfigError: there is nothing of that name; what would bring it.
    """
    point = registered(group).get(name)
    if point is not None:
        _import(point.module)
        return _part(point.module, point.attr, name)
    module, colon, part = name.partition(":")
    if not colon:
        raise ConfigError(
            f"there is no {name!r} among {group}",
            expected="module:name, or the name of an installed entry point",
            found=f"entry points: {', '.join(registered(group)) or 'none'}",
        )
    if module not in sys.modules:
        if module not in {each.module for each in registered(group).values()}:
            raise ConfigError(
                f"{name} is in a module that has not been imported",
                expected=f"the module {module}",
                remedy=f"Give --import {module}, or import it in Python first.",
            )
        _import(module)
    return _part(module, part, name)


def path_of(kind: Any) -> str:
    """`module:name` of a class or function, for use with `find`."""
    return f"{kind.__module__}:{kind.__qualname__}"


def is_own(kind: Any) -> bool:
    """Whether a class is defined outside of this package."""
    return kind.__module__.split(".")[0] != __name__.split(".")[0]


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a stranger's module may raise anything
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        raise ConfigError(
            "there is no such module" if missing else "the module fails on import",
            where=name,
            expected=f"{name}.py here, or an installed module" if missing else None,
            found=None if missing else f"{type(error).__name__}: {error}",
        ) from error


def _part(module: str, name: str, asked: str) -> Any:
    """A class or function of an imported module."""
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            kinds = [k for k, v in vars(sys.modules[module]).items() if callable(v) and k[0] != "_"]
            raise ConfigError(
                f"the module {module} has no {name!r}",
                where=asked,
                found=", ".join(kinds) or "an empty module",
            )
    return found
