"""What a VAE is trained for: named terms, their weights over time, one table.

Rate and distortion are kept apart so that the rate-distortion curve is a plot of the
training log.
"""

from __future__ import annotations

from typing import Any

from glitchvae.config import nearest, parse
from glitchvae.errors import ConfigError
from glitchvae.objectives.base import (
    VAE,
    Batch,
    DiscriminatorOptimizer,
    Objective,
    Weights,
    distortion,
    kl_per_dimension,
    rate,
)
from glitchvae.objectives.beta import Annealed, Beta, Bottleneck
from glitchvae.objectives.consistent import Consistent
from glitchvae.objectives.dip import DIPI, DIPII
from glitchvae.objectives.factor import Factor, permute_dimensions
from glitchvae.objectives.hierarchy import DLGM, TCDLGM, Seatbelt
from glitchvae.objectives.labelled import Labelled
from glitchvae.objectives.schedules import Constant, Cosine, Cyclical, Linear, Schedule
from glitchvae.objectives.tc import TotalCorrelation
from glitchvae.objectives.total_correlation import decompose

__all__ = [
    "DIPI",
    "DIPII",
    "DLGM",
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
    "Labelled",
    "Linear",
    "Objective",
    "Schedule",
    "Seatbelt",
    "TotalCorrelation",
    "Weights",
    "decompose",
    "distortion",
    "kl_per_dimension",
    "permute_dimensions",
    "rate",
    "read_objective",
]

OBJECTIVES: dict[str, type[Objective]] = {
    "beta": Beta,
    "annealed": Annealed,
    "bottleneck": Bottleneck,
    "factor": Factor,
    "tc": TotalCorrelation,
    "dip-i": DIPI,
    "dip-ii": DIPII,
    "dlgm": DLGM,
    "tc-dlgm": TCDLGM,
    "seatbelt": Seatbelt,
    "consistent": Consistent,
    "labelled": Labelled,
}
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
