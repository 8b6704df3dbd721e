"""When and where in frequency glitches are: the table `Triggers`, found or read."""

from glitchvae.triggers.finding import SNR, SearchedCell, find_triggers, scan_source, search_cells
from glitchvae.triggers.reading import read_triggers
from glitchvae.triggers.record import Triggers, at_times
from glitchvae.triggers.writing import check_suffix, write_triggers

__all__ = [
    "SNR",
    "SearchedCell",
    "Triggers",
    "at_times",
    "check_suffix",
    "find_triggers",
    "read_triggers",
    "scan_source",
    "search_cells",
    "write_triggers",
]
