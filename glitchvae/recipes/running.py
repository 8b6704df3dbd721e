"""Recipes: programs that combine the public functions for a complete task.

A small recipe is two files in `pipelines/`: `<name>.py` with a function
`main(config, out, *, tiny)`, and `<name>.toml` with its settings. A study is a folder
`<name>/` with `__init__.py`, `main.py`, its other modules and `<name>.toml`; it is loaded
as the package `glitchvae_recipe_<name>`, so that its modules import each other relatively.
Recipes are shipped to be read, copied and changed; the package itself never imports one.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from glob import glob  # Path.glob takes no absolute pattern
from pathlib import Path
from types import ModuleType
from typing import Any

import tomli_w

from glitchvae.config import nearest, read_toml, with_changes
from glitchvae.errors import ConfigError, InputError
from glitchvae.recipes.rehearsal import NOTE, check_folder, rehearsing
from glitchvae.resources import shipped
from glitchvae.store import replacing

Main = Callable[..., None]
"""`main(config: Path, out: Path, *, tiny: bool)`: settings file and folder of results."""

Row = tuple[str, str, float, float, float]
"""Measured object, measure, value, and an interval (NaN if there is none)."""

PREFIX = "glitchvae_recipe_"
"""Prefix of the module names of loaded recipes."""

_INIT, _MAIN = "__init__.py", "main.py"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One recipe on disk.

    Attributes:
        name: What it is called.
        place: Its program, or the folder of a study.
        config: Its settings.
    """

    name: str
    place: Path
    config: Path

    @property
    def is_study(self) -> bool:
        """Whether the recipe is a folder of several modules."""
        return self.place.is_dir()

    @property
    def files(self) -> tuple[Path, ...]:
        """All program and settings files, without results and caches."""
        if not self.is_study:
            return (self.place, self.config)
        return tuple(sorted(p for s in ("*.py", "*.toml") for p in self.place.glob(s)))

    def find_settings(self, name: str | Path) -> Path:
        """The settings file at a path, or the one that a study ships under a name.

        Raises:
            ConfigError: there is neither.
        """
        path = Path(name)
        if path.is_file():
            return path
        own = {each.name: each for each in self.files if each.suffix == ".toml"}
        if str(name) not in own:
            raise ConfigError(
                "these settings do not exist",
                where=path,
                expected=f"a file, or a name that {self.name} ships: {', '.join(own)}",
                found="no file",
            )
        return own[str(name)]

    @property
    def summary(self) -> str:
        """First line of the program's docstring, read without running it."""
        described = self.place / _INIT if self.is_study else self.place
        text = ast.get_docstring(ast.parse(described.read_text(encoding="utf-8")))
        return text.splitlines()[0] if text else ""


def list_recipes(folder: str | Path | None = None) -> tuple[Recipe, ...]:
    """Every recipe in `folder`, by default those that are shipped."""
    folder = shipped("pipelines") if folder is None else Path(folder)
    studies = (path.parent for path in folder.glob(f"*/{_INIT}"))
    found = (_recipe_of(place) for place in sorted([*folder.glob("*.py"), *studies]))
    return tuple(recipe for recipe in found if recipe.config.exists())


def find_recipe(name: str, folder: str | Path | None = None) -> Recipe:
    """Find a recipe by its name, or by the path of its program or folder.

    Raises:
        InputError: no such recipe; the nearest name is given.
    """
    if name.endswith(".py") or os.sep in name:
        return _recipe_at(Path(name))
    recipes = {recipe.name: recipe for recipe in list_recipes(folder)}
    if name not in recipes:
        raise InputError(
            f"no recipe {name!r}{nearest(name, list(recipes))}",
            remedy="`glitchvae recipe list` shows them all.",
        )
    return recipes[name]


def copy_recipe(recipe: Recipe, out: str | Path) -> Recipe:
    """Copy programs and settings to the folder `out`, to be changed there.

    Raises:
        InputError: one of them is there already.
        StorageError: the disk refused the write.
    """
    beside = recipe.place.parent
    copies = {source: Path(out) / source.relative_to(beside) for source in recipe.files}
    for target in copies.values():
        if target.exists():
            raise InputError(
                "the folder exists already", where=target, remedy="Choose another folder with -o."
            )
    for source, target in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            temporary.write_bytes(source.read_bytes())
    return _recipe_at(Path(out) / recipe.place.name)


def run_recipe(
    recipe: Recipe,
    out: str | Path,
    *,
    config: str | Path | None = None,
    changes: Sequence[str] = (),
    tiny: bool = False,
) -> None:
    """Run the `main` of a recipe with results in the folder `out`.

    Args:
        recipe: What to run.
        out: Where its results go; made if it is not there.
        config: Settings other than its own: a file, or the name of another that it ships.
        changes: Settings to change in them, see `change_settings`; the settings that then
            hold are written into `out`.
        tiny: A rehearsal on simulated data, about a minute on one core. Its folder holds
            nothing else, and every table and figure in it is marked.

    Raises:
        InputError: the program has no `main`, or rehearsals and real runs would be mixed.
        ConfigError: no such settings, or a change that is no line of TOML.
        GlitchvaeError: whatever the recipe raises.
    """
    main, out = load_main(recipe), Path(out)
    config = recipe.find_settings(config or recipe.config)
    check_folder(out, tiny=tiny)
    with rehearsing(out) if tiny else nullcontext():
        if tiny:
            print(NOTE, file=sys.stderr)
        if changes:
            config = change_settings(config, changes, out / recipe.config.name)
        main(config, out, tiny=tiny)


def change_settings(config: Path, changes: Iterable[str], copy: Path) -> Path:
    """A copy of a settings file with some values replaced.

    Args:
        config: The file.
        changes: Lines of TOML such as `budget = 1.5` or `study.seeds = 1`.
        copy: Where the copy goes; its folder is made if it is not there.

    Raises:
        ConfigError: the file or a change is no TOML.
        StorageError: the disk refused the write.
    """
    values = with_changes(read_toml(config), changes)
    copy.parent.mkdir(parents=True, exist_ok=True)
    with replacing(copy) as temporary:
        temporary.write_bytes(tomli_w.dumps(values).encode())
    return copy


def read_settings(config: Path, place: Path) -> dict[str, Any]:
    """Settings of a file, merged over those of the recipe's file that it is `like`.

    Args:
        config: The file.
        place: Folder of the recipe.

    Raises:
        ConfigError: one of the files is not there or no TOML.
    """
    values = read_toml(config)
    other = values.pop("like", None)
    return values if other is None else {**read_settings(place / other, place), **values}


def load_main(recipe: Recipe) -> Main:
    """The function `main` of a recipe.

    Raises:
        InputError: it defines none.
    """
    module = load_recipe(recipe)
    if recipe.is_study:
        module = importlib.import_module(f"{module.__name__}.main")
    if not callable(getattr(module, "main", None)):
        raise InputError(
            "the program has no function main",
            where=recipe.place,
            expected="main(config, out, *, tiny)",
        )
    return module.main


def load_recipe(recipe: Recipe) -> ModuleType:
    """The recipe as the module `glitchvae_recipe_<name>`, a package where it is a study.

    A copy of a recipe takes the place of another that was loaded under the same name.

    Raises:
        InputError: not a Python program.
    """
    name = PREFIX + recipe.name
    start = recipe.place / _INIT if recipe.is_study else recipe.place
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(start):
        return loaded
    folders = [str(recipe.place)] if recipe.is_study else None
    spec = importlib.util.spec_from_file_location(name, start, submodule_search_locations=folders)
    if spec is None or spec.loader is None:
        raise InputError("the file is not a Python program", where=start)
    for other in [n for n in sys.modules if n == name or n.startswith(f"{name}.")]:
        del sys.modules[other]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def find_files(patterns: Iterable[str], config: str | Path) -> list[Path]:
    """Files that match patterns in a recipe's settings, each once, sorted by name.

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
            "no file matches",
            where=config,
            found=patterns,
            remedy="Name files or patterns there, or rehearse with --tiny.",
        )
    return sorted(map(Path, names))


def plain(what: str, measure: str, value: float) -> Row:
    """A row for a number without an interval."""
    return what, measure, float(value), math.nan, math.nan


def show(row: Row) -> Row:
    """Print a row and return it."""
    what, measure, value, low, high = row
    spread = "" if math.isnan(low) else f"  ({low:.3f} to {high:.3f})"
    print(f"{what:<45} {measure:<28} {value:8.4g}{spread}")
    return row


def _recipe_of(place: Path) -> Recipe:
    """The recipe whose program or folder is `place`, whether or not its files exist."""
    study = place.suffix != ".py"
    config = place / f"{place.name}.toml" if study else place.with_suffix(".toml")
    return Recipe(name=place.stem, place=place, config=config)


def _recipe_at(place: Path) -> Recipe:
    if place.name == _MAIN and (place.parent / _INIT).is_file():
        place = place.parent
    recipe = _recipe_of(place)
    expected = "a recipe's .py and .toml side by side"
    needed = (place, recipe.config)
    if place.is_dir():
        expected = f"a study: a folder with {_INIT}, {_MAIN} and {recipe.config.name}"
        needed = (place / _INIT, place / _MAIN, recipe.config)
    for path in needed:
        if not path.is_file():
            raise InputError("no such file", where=path, expected=expected)
    return recipe
