"""Members of an ensemble, by the settings in which they differ."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from glitchvae.config import nearest, parse
from glitchvae.errors import ConfigError
from glitchvae.training.config import TrainingConfig

Changes = Mapping[str, Any]
"""Keys of the objective, `seed` or `learning_rate`, and their values."""

OF_THE_RUN: Final = ("seed", "learning_rate")
"""Settings other than keys of the objective in which members may differ."""


def expand_members(config: TrainingConfig, axes: Sequence[str]) -> dict[str, Changes]:
    """All combinations of the members' settings, by the name of their folder.

    Args:
        config: What they share.
        axes: "seeds=8" (eight seeds from that of `config` on), or a key and its values as
            "beta0=5,25,100".

    Raises:
        ConfigError: no axis, an unknown or repeated key, or a bad value.
    """
    choices = [_choices(config, axis) for axis in axes]
    keys = [key for key, _ in choices]
    if len(set(keys)) < len(keys) or not keys:
        raise ConfigError(
            "an ensemble needs each key once",
            expected='"seeds=8", "beta0=5,25,100", …',
            found=list(axes),
        )
    combinations = itertools.product(*(values for _, values in choices))
    members = [dict(zip(keys, values, strict=True)) for values in combinations]
    return {_name(member): member for member in members}


def member_config(config: TrainingConfig, changes: Changes) -> TrainingConfig:
    """The settings of one member.

    Raises:
        ConfigError: an unknown key, with the nearest valid name, or a bad value.
    """
    known = _known_keys(config)
    for key in changes:
        if key not in known:
            raise ConfigError(f"members cannot differ in {key!r}{nearest(key, known)}")
    own = {key: value for key, value in changes.items() if key in OF_THE_RUN}
    objective = config.objective.model_dump() | {
        key: value for key, value in changes.items() if key not in OF_THE_RUN
    }
    kind = type(config.objective)
    return parse(TrainingConfig, {**dict(config), **own, "objective": parse(kind, objective)})


def obstacle_to_stacking(configs: Sequence[TrainingConfig]) -> str:
    """The reason why members cannot be stacked in one step; "" if they can."""
    first = configs[0]
    if (first.optimizer, first.weight_decay, first.gradient_clip) != ("adam", 0.0, None):
        return "an optimiser other than plain Adam, or a clipped gradient, is of one model"
    weights = type(first.objective).weight_keys()
    for config in configs[1:]:
        old, new = first.objective.model_dump(), config.objective.model_dump()
        differ = [key for key in old if old[key] != new[key] and key not in weights]
        if config.learning_rate != first.learning_rate:
            differ.append("learning_rate")
        if differ:
            return f"members differ in {', '.join(differ)}"
    return ""


def _choices(config: TrainingConfig, axis: str) -> tuple[str, list[str | int]]:
    """The key that an axis varies, and its values, each checked."""
    key, _, text = axis.partition("=")
    if key == "seeds":
        if not text.isdigit() or int(text) == 0:
            raise ConfigError(f"bad number of seeds in {axis!r}", expected="a whole number above 0")
        return "seed", [config.seed + i for i in range(int(text))]
    values = [part.strip() for part in text.split(",") if part.strip()]
    if not values:
        raise ConfigError(f"no value in {axis!r}", expected='a key and values as "beta0=5,25"')
    return key, [_checked(config, key, value) for value in values]


def _checked(config: TrainingConfig, key: str, value: str) -> Any:
    """A value in the type of the setting."""
    found = member_config(config, {key: value})
    return getattr(found if key in OF_THE_RUN else found.objective, key)


def _known_keys(config: TrainingConfig) -> list[str]:
    return [*OF_THE_RUN, *(key for key in type(config.objective).model_fields if key != "name")]


def _name(member: Changes) -> str:
    parts = (
        f"{key}-{value:g}" if isinstance(value, float) else f"{key}-{value}"
        for key, value in member.items()
    )
    return re.sub(r"[^\w.+-]+", "_", "-".join(parts))
