"""Objectives of the training of a VAE: named terms, their weights over time, one table.

Rate and distortion are kept apart so that the rate-distortion curve is a plot of the
training log.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

from glitchvae import plugins
from glitchvae.config import nearest, parse
from glitchvae.errors import ConfigError
from glitchvae.objectives.base import (
    VAE,
    Batch,
    DiscriminatorOptimizer,
    Objective,
    Weights,
    distortion,
    distortions,
    kl_per_dimension,
    layer_rates_of,
    rate,
)
from glitchvae.objectives.beta import Annealed, Beta, Bottleneck
from glitchvae.objectives.consistent import Consistent
from glitchvae.objectives.dip import DIPI, DIPII
from glitchvae.objectives.factor import Factor, permute_dimensions
from glitchvae.objectives.hierarchy import DLGM, TCDLGM, Seatbelt
from glitchvae.objectives.infovae import InfoVAE
from glitchvae.objectives.iwae import IWAE
from glitchvae.objectives.labelled import Labelled
from glitchvae.objectives.schedules import Constant, Cosine, Cyclical, Linear, Schedule
from glitchvae.objectives.tc import TotalCorrelation
from glitchvae.objectives.total_correlation import decompose
from glitchvae.objectives.vamp import Vamp

__all__ = [
    "DIPI",
    "DIPII",
    "DLGM",
    "IWAE",
    "OBJECTIVES",
    "TCDLGM",
    "VAE",
    "Annealed",
    "Batch",
    "Beta",
    "Bottleneck",
    "Consistent",
    "Constant",
    "Cosine",
    "Cyclical",
    "DiscriminatorOptimizer",
    "Factor",
    "InfoVAE",
    "Labelled",
    "Linear",
    "Objective",
    "Schedule",
    "Seatbelt",
    "TotalCorrelation",
    "Vamp",
    "Weights",
    "decompose",
    "describe_objective",
    "distortion",
    "distortions",
    "find_objective",
    "kl_per_dimension",
    "layer_rates_of",
    "permute_dimensions",
    "rate",
    "read_objective",
]


def _named(kind: type[Objective]) -> Iterator[tuple[str, type[Objective]]]:
    """All named subclasses of an objective, by name."""
    for each in kind.__subclasses__():
        if "name" in inspect.get_annotations(each):
            yield str(each.model_fields["name"].default), each
        yield from _named(each)


def _of_the_package() -> dict[str, type[Objective]]:
    """Every objective defined in this package."""
    for file in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{file.name}")
    return {name: kind for name, kind in _named(Objective) if not plugins.is_own(kind)}


OBJECTIVES: dict[str, type[Objective]] = _of_the_package()
"""Every objective of the package by its name on the command line and in a model card."""


def find_objective(name: str, *, where: object = None) -> type[Objective]:
    """Find the class of an objective by name: of the package, imported, or installed.

    Args:
        name: Its own `name`, that of an entry point, or `module:Class`.
        where: The file, for errors.

    Raises:
        ConfigError: there is none, with the nearest name; two of that name; something else than
            an objective.
    """
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    own = {plugins.path_of(kind): kind for each, kind in _named(Objective) if each == name}
    if len(own) > 1:
        raise ConfigError(
            f"two objectives are called {name!r}",
            where=where,
            expected=f"one of {', '.join(own)}",
        )
    if own:
        return next(iter(own.values()))
    if ":" not in name and name not in plugins.registered("objectives"):
        known = [*OBJECTIVES, *plugins.registered("objectives")]
        raise ConfigError(
            f"unknown objective {name!r}{nearest(name, known)}",
            where=where,
            remedy="One of your own needs --import MODULE.",
        )
    found = plugins.find("objectives", name)
    if not (isinstance(found, type) and issubclass(found, Objective)):
        raise ConfigError(
            "no objective",
            where=name,
            expected="a class derived from glitchvae.objectives.Objective",
            found=type(found).__name__,
        )
    return found


def read_objective(values: dict[str, Any], *, where: object = None) -> Objective:
    """The objective described by a table of a configuration file or of a card.

    Args:
        values: Its settings, and beside them its `name`, or its `class` as `module:Class`.
        where: The file, for errors.

    Raises:
        ConfigError: an unknown objective or key, with the nearest valid name; a method that the
            objective lacks.
    """
    path = values.get("class")
    kind = find_objective(str(values.get("name") if path is None else path), where=where)
    left_out = {"class"} if "name" in kind.model_fields and path else {"class", "name"}
    objective = parse(kind, {k: v for k, v in values.items() if k not in left_out}, where=where)
    objective.require_complete()
    return objective


def describe_objective(objective: Objective, **options: Any) -> dict[str, Any]:
    """The table that `read_objective` reads.

    Args:
        objective: To be written down.
        options: Of `model_dump`.
    """
    table = objective.model_dump(**options)
    return table | ({"class": plugins.path_of(type(objective))} if is_own(objective) else {})


def is_own(objective: Objective) -> bool:
    """Whether an objective is defined outside of this package."""
    return plugins.is_own(type(objective))
