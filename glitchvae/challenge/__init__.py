"""What discovery would have found: known classes held out, unseen shapes injected."""

from glitchvae.challenge.holding_out import (
    Trial,
    hold_out,
    name_events,
    null_runs,
    without,
)
from glitchvae.challenge.scoring import (
    Efficiency,
    efficiency_of,
    proportion_interval,
    sweep,
)

__all__ = [
    "Efficiency",
    "Trial",
    "efficiency_of",
    "hold_out",
    "name_events",
    "null_runs",
    "proportion_interval",
    "sweep",
    "without",
]
