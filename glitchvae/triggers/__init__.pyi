from .finding import SNR as SNR
from .finding import SearchedCell as SearchedCell
from .finding import find_triggers as find_triggers
from .finding import search_cells as search_cells
from .reading import read_triggers as read_triggers
from .record import Triggers as Triggers
from .record import at_times as at_times
from .writing import check_suffix as check_suffix
from .writing import write_triggers as write_triggers

__all__ = [
    "SNR",
    "SearchedCell",
    "Triggers",
    "at_times",
    "check_suffix",
    "find_triggers",
    "read_triggers",
    "search_cells",
    "write_triggers",
]
