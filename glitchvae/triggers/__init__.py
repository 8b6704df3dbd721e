"""When and where in frequency glitches are: the table `Triggers`, found or read."""

from glitchvae.triggers.finding import SNR, find_triggers, scan_source
from glitchvae.triggers.reading import read_triggers
from glitchvae.triggers.record import Triggers, at_times
from glitchvae.triggers.writing import check_suffix, write_triggers

__all__ = [
    "SNR",
    "Triggers",
    "at_times",
    "check_suffix",
    "find_triggers",
    "read_triggers",
    "scan_source",
    "write_triggers",
]
