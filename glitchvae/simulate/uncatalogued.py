"""Shapes of glitches in no catalogue, for tests and tutorials of discovery.

No class of Gravity Spy's looks like them, no model was trained on them, and they are not among
`FAMILIES`, so that nothing that is drawn from all classes ever holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from glitchvae import plugins
from glitchvae.errors import ConfigError, InputError
from glitchvae.simulate.families import FAMILIES
from glitchvae.simulate.family import (
    Family,
    Parameters,
    Waveform,
    any_phase,
    around,
    clock,
    log_uniform,
    sine_gaussian,
)

_RUNGS = 5


def _draw_ladder(rng: np.random.Generator) -> Parameters:
    return {
        "snr": log_uniform(rng, 12.0, 40.0),
        "lowest": around(rng, 40.0, 0.06),
        "ratio": float(rng.uniform(1.7, 1.8)),
        "width": around(rng, 0.12, 0.1),
        "phases": [any_phase(rng) for _ in range(_RUNGS)],
    }


def _ladder(parameters: Parameters, sample_rate: float) -> Waveform:
    """Tones of equal SNR and length at frequencies of a constant ratio."""
    times = clock(2.0, sample_rate)
    rungs = [parameters["lowest"] * parameters["ratio"] ** n for n in range(_RUNGS)]
    tones = zip(rungs, parameters["phases"], strict=True)
    return times, np.sum(
        [sine_gaussian(times, 0.0, f, parameters["width"], phase) for f, phase in tones], axis=0
    )


LADDER = Family(
    label="Ladder",
    description="Five steady tones that sound at once, one above the other like rungs.",
    source="Made up: no class of Gravity Spy's training set or of O3 is several tones at once.",
    frame="whitened",
    draw_shape=_draw_ladder,
    shape=_ladder,
)

UNCATALOGUED: Mapping[str, Family] = MappingProxyType({LADDER.label: LADDER})
"""Shapes that are in no catalogue, by label."""


def family_of(label: str) -> Family:
    """The family of a class, of an uncatalogued shape, or of the user's own.

    Args:
        label: Of a class or shape; or the name of an entry point in the group `glitchvae.families`,
            or `module:name` of a `Family` in a module that has been imported.

    Raises:
        InputError: no such family.
        ConfigError: the module has not been imported, or what it names is no family.
    """
    family = FAMILIES.get(label) or UNCATALOGUED.get(label)
    if family is not None:
        return family
    if ":" not in label and label not in plugins.registered("families"):
        raise InputError(
            f"no simulated family {label!r}",
            expected=", ".join([*FAMILIES, *UNCATALOGUED, *plugins.registered("families")]),
            remedy="One of your own is named module:FAMILY, with --import MODULE.",
        )
    found = plugins.find("families", label)
    if not isinstance(found, Family):
        raise ConfigError(
            "the object is not a family of glitches",
            where=label,
            expected="a glitchvae.simulate.Family",
            found=type(found).__name__,
        )
    if found.label in FAMILIES or found.label in UNCATALOGUED:
        raise ConfigError(
            "the label of the family is taken by another", where=label, found=found.label
        )
    return found
