"""Recipes: short programs that wire the public functions into a whole piece of work.

A recipe is two files in `pipelines/`: `<name>.py` with a function
`main(config, out, *, tiny)`, and `<name>.toml` with its settings. They are shipped to
be read, copied and changed; the package itself never imports one.
"""

from __future__ import annotations

import ast
import csv
import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from glob import glob  # Path.glob takes no absolute pattern
from pathlib import Path

from glitchvae.config import nearest
from glitchvae.errors import ConfigError, InputError
from glitchvae.resources import shipped
from glitchvae.store import replacing

Main = Callable[..., None]
"""`main(config: Path, out: Path, *, tiny: bool)`: its settings file, and where results go."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One recipe on disk.

    Attributes:
        name: What it is called.
        script: The program.
        config: Its settings.
    """

    name: str
    script: Path
    config: Path

    @property
    def summary(self) -> str:
        """First line of the program's docstring, read without running it."""
        text = ast.get_docstring(ast.parse(self.script.read_text(encoding="utf-8")))
        return text.splitlines()[0] if text else ""


def list_recipes(folder: str | Path | None = None) -> tuple[Recipe, ...]:
    """Every recipe in `folder`, by default those that are shipped."""
    folder = shipped("pipelines") if folder is None else Path(folder)
    pairs = ((script, script.with_suffix(".toml")) for script in sorted(folder.glob("*.py")))
    return tuple(
        Recipe(name=script.stem, script=script, config=config)
        for script, config in pairs
        if config.exists()
    )


def find_recipe(name: str, folder: str | Path | None = None) -> Recipe:
    """The recipe called `name`, or the one whose program lies at the path `name`.

    Raises:
        InputError: no such recipe; the nearest name is given.
    """
    if name.endswith(".py"):
        return _recipe_at(Path(name))
    recipes = {recipe.name: recipe for recipe in list_recipes(folder)}
    if name not in recipes:
        raise InputError(
            f"no recipe {name!r}{nearest(name, list(recipes))}",
            remedy="`glitchvae recipe list` shows them all.",
        )
    return recipes[name]


def copy_recipe(recipe: Recipe, out: str | Path) -> Recipe:
    """Copy program and settings into the folder `out`, to be changed there.

    Raises:
        InputError: one of the two is there already.
        StorageError: the disk refused the write.
    """
    out = Path(out)
    copies = {source: out / source.name for source in (recipe.script, recipe.config)}
    for target in copies.values():
        if target.exists():
            raise InputError(
                "already exists", where=target, remedy="Choose another folder with -o."
            )
    for source, target in copies.items():
        with replacing(target) as temporary:
            temporary.write_bytes(source.read_bytes())
    return _recipe_at(copies[recipe.script])


def run_recipe(
    recipe: Recipe, out: str | Path, *, config: str | Path | None = None, tiny: bool = False
) -> None:
    """Run a recipe's `main` with results going into the folder `out`.

    Args:
        recipe: What to run.
        out: Where its results go; made if it is not there.
        config: Settings other than its own.
        tiny: A rehearsal on simulated data, about a minute on one core.

    Raises:
        InputError: the program has no `main`.
        GlitchvaeError: whatever the recipe raises.
    """
    main = load_main(recipe.script)
    main(Path(config or recipe.config), Path(out), tiny=tiny)


def load_main(script: Path) -> Main:
    """The function `main` of a program, which is run but not registered as a module.

    Raises:
        InputError: it defines none.
    """
    spec = importlib.util.spec_from_file_location(f"recipe_{script.stem}", script)
    if spec is None or spec.loader is None:
        raise InputError("not a Python program", where=script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "main", None)):
        raise InputError(
            "has no function main", where=script, expected="main(config, out, *, tiny)"
        )
    return module.main


def find_files(patterns: Iterable[str], config: str | Path) -> list[Path]:
    """The files that patterns in a recipe's settings match, each once, by name.

    Args:
        patterns: Names or patterns (`*`, `**`); $NAMES of environment variables are replaced.
        config: The settings file, for the message.

    Raises:
        ConfigError: they match nothing.
    """
    patterns = [os.path.expandvars(pattern) for pattern in patterns]
    names = {name for pattern in patterns for name in glob(pattern, recursive=True)}  # noqa: PTH207
    if not names:
        raise ConfigError(
            "no file matches", where=config, found=patterns,
            remedy="Name files or patterns there, or rehearse with --tiny.",
        )  # fmt: skip
    return sorted(map(Path, names))


def write_rows(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A recipe's table as CSV.

    Raises:
        StorageError: the disk refused the write.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def _recipe_at(script: Path) -> Recipe:
    config = script.with_suffix(".toml")
    for path in (script, config):
        if not path.is_file():
            raise InputError(
                "no such file", where=path, expected="a recipe's .py and .toml side by side"
            )
    return Recipe(name=script.stem, script=script, config=config)
