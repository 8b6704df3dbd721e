"""Detection efficiency of discovery: known classes held out, and injections of new shapes."""

from glitchvae.discovery.efficiency.holding_out import (
    COMPLETENESS,
    PURITY,
    Trial,
    hold_out,
    holdable_classes,
    known_classes,
    look_for_injections,
    name_events,
    null_runs,
    without,
)
from glitchvae.discovery.efficiency.injecting import inject, weights_of
from glitchvae.discovery.efficiency.scoring import (
    Efficiency,
    efficiency_of,
    sweep,
)

__all__ = [
    "COMPLETENESS",
    "PURITY",
    "Efficiency",
    "Trial",
    "efficiency_of",
    "hold_out",
    "holdable_classes",
    "inject",
    "known_classes",
    "look_for_injections",
    "name_events",
    "null_runs",
    "sweep",
    "weights_of",
    "without",
]
