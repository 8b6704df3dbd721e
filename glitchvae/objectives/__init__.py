"""What a VAE is trained for: named terms, their weights over time, one table.

Rate and distortion are kept apart so that the rate-distortion curve is a plot of the
training log.
"""

from __future__ import annotations

from typing import Any

from glitchvae.config import nearest, parse
from glitchvae.errors import ConfigError
from glitchvae.objectives.base import VAE, Batch, Objective, Weights, distortion, rate
from glitchvae.objectives.beta import Annealed, Beta
from glitchvae.objectives.schedules import Constant, Linear, Schedule

__all__ = [
    "OBJECTIVES", "VAE", "Annealed", "Batch", "Beta", "Constant", "Linear", "Objective",
    "Schedule", "Weights", "distortion", "rate", "read_objective",
]  # fmt: skip

OBJECTIVES: dict[str, type[Objective]] = {"beta": Beta, "annealed": Annealed}
"""Every objective by the name it has on the command line and in a model card."""


def read_objective(values: dict[str, Any], *, where: object = None) -> Objective:
    """The objective that a table of a configuration file describes.

    Raises:
        ConfigError: an unknown objective or key, with the nearest valid name.
    """
    name = str(values.get("name"))
    if name not in OBJECTIVES:
        raise ConfigError(
            f"unknown objective {name!r}{nearest(name, list(OBJECTIVES))}", where=where
        )
    return parse(OBJECTIVES[name], values, where=where)
