"""Configuration files: TOML to frozen pydantic models, with errors that name the place."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from glitchvae.errors import ConfigError, InputError, reading, shortened
from glitchvae.guard import read_bytes

_LARGEST = 2**22  # bytes of a configuration or a card
_BARE = re.compile(
    r"\s*(?P<key>[\w-]+(\.[\w-]+)*)\s*=\s*(?P<name>(?=.*[^\W\d_])[\w./:*$~+-]+)\s*", re.A
)


class Settings(BaseModel):
    """Base of every configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=BaseModel)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: the file is missing or is no TOML; the line is named.
    """
    path = Path(path)
    try:
        text = read_bytes(path, most=_LARGEST).decode("utf-8")
    except InputError as error:
        raise ConfigError(error.problem, where=path, found=error.found) from error
    except UnicodeDecodeError as error:
        raise ConfigError("not valid TOML", where=path, found=error) from error
    with reading(path, "not valid TOML", kind=ConfigError, remedy=None):
        return tomllib.loads(text)


def parse(model: type[S], values: dict[str, Any], *, where: object = None) -> S:
    """Validate `values` as `model`.

    Raises:
        ConfigError: every unknown key and bad value, each with its path and,
            for a key, the nearest valid name.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # A default that follows from other entries is no news where one of those is wrong.
        told = [item for item in error.errors() if item["type"] != "default_factory_not_called"]
        lines = [_describe(model, item) for item in told]
        raise ConfigError("; ".join(lines), where=where) from error


def read_config(model: type[S], path: str | Path) -> S:
    """Read a TOML file as `model`, with errors that name the file."""
    return parse(model, read_toml(path), where=path)


def with_changes(values: Mapping[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    """A copy of a table with some values replaced.

    Args:
        values: The table.
        changes: Lines of TOML such as `budget = 1.5` or `study.seeds = 1`; a word or a path needs
            no quotes.

    Raises:
        ConfigError: a change is no line of TOML.
    """
    changed = dict(values)
    for change in changes:
        changed = _laid_over(changed, _parse_change(change))
    return changed


def _parse_change(change: str) -> dict[str, Any]:
    try:
        return tomllib.loads(change)
    except tomllib.TOMLDecodeError as error:
        if bare := _BARE.fullmatch(change):  # a word or path that a shell took the quotes of
            return tomllib.loads(f"{bare['key']} = {json.dumps(bare['name'])}")
        raise ConfigError(
            "cannot be read",
            where=change,
            expected='KEY=VALUE as in TOML: budget=1.5, name="x"',
            found=error,
        ) from error


def _laid_over(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables key by key at all depths; other values are replaced."""
    merged = dict(values)
    for key, value in changes.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _laid_over(merged[key], value) if both_tables else value
    return merged


def _describe(model: type[BaseModel], item: Any) -> str:
    key = shortened(".".join(str(part) for part in item["loc"]))
    if item["type"] == "extra_forbidden":
        return f"unknown key {key!r}{nearest(str(item['loc'][-1]), _keys(model, item['loc'][:-1]))}"
    problem = (
        f"{item['msg'].removeprefix('Value error, ')} (found {shortened(repr(item['input']))})"
    )
    return f"{key}: {problem}" if key else problem


def _keys(model: Any, path: tuple[str | int, ...]) -> list[str]:
    """Known keys of the table at `path`; all items of a list share one model."""
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        kind = model if field is None else field.annotation
        model = next((k for k in (kind, *get_args(kind)) if hasattr(k, "model_fields")), kind)
    return list(getattr(model, "model_fields", {}))


def nearest(name: str, choices: list[str]) -> str:
    """A hint that names the choices closest to a misspelt `name`."""
    close = difflib.get_close_matches(name, choices, n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(choices)})"
