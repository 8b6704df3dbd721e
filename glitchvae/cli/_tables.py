"""Tables on stdout: fitted to a terminal, whole lines in a file or a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

_WIDTH_OF_A_FILE = 200


def print_table(table: Table) -> None:
    """Print for people; no column is cut where there is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    console.print(table)
