"""When and where in frequency glitches are: the table `Triggers`, found or read."""

from glitchvae.triggers.finding import find_triggers, scan_source
from glitchvae.triggers.reading import read_triggers
from glitchvae.triggers.record import Triggers, at_times
from glitchvae.triggers.writing import write_triggers

__all__ = [
    "Triggers",
    "at_times",
    "find_triggers",
    "read_triggers",
    "scan_source",
    "write_triggers",
]
