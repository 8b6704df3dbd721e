"""Tables of commands: fitted to a terminal, plain columns in a pipe, values for `--json`."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import rich_click as click

from glitchvae.errors import printable

JSON_RESULT = "glitchvae.json"
"""Key of the result of `--json` in a click context; absent without that option."""


class TableFile(click.Path):
    """A file for a table; "-" is CSV on stdout, with all messages on stderr."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, allow_dash=True)


class Table:
    """Rows of values: text, numbers, `Estimate`s, or None where a value is unknown.

    A program gets the values, by the names of the columns; people get them formatted.

    Args:
        columns: Names of the columns. A column "name|.1f" formats its numbers so; others
            show whole numbers with thousands apart and four digits of the rest.
        title: Above the table.
        header: Whether people see the names of the columns.
    """

    def __init__(self, *columns: str, title: str = "", header: bool = True) -> None:
        parts = [re.fullmatch(r"(.*?)(?:\|([^| ]+))?", name, re.DOTALL) for name in columns]
        names, formats = zip(*(part.groups("") for part in parts if part), strict=True)
        self.columns: tuple[str, ...] = names
        self.title = title
        self.header = header
        self.rows: list[tuple[Any, ...]] = []
        self.footer: tuple[Any, ...] = ()
        self._formats = formats

    def add_row(self, *values: Any) -> None:
        """Add a row with a value for each column; missing values at the end are unknown."""
        self.rows.append((*values, *[None] * (len(self.columns) - len(values))))

    def cells(self) -> list[tuple[str, ...]]:
        """The rows as text, the footer last."""
        missing = [None] * (len(self.columns) - len(self.footer))
        rows = [*self.rows, *[(*self.footer, *missing)] * bool(self.footer)]
        return [tuple(map(_shown, row, self._formats)) for row in rows]

    def records(self) -> list[dict[str, Any]]:
        """The rows as JSON values: null for an unknown number."""
        keys = [_key(name) for name in self.columns]
        return [dict(zip(keys, map(_plain, row), strict=True)) for row in self.rows]


def print_table(table: Table) -> None:
    """Print the table, or keep its values for `--json`."""
    context = click.get_current_context(silent=True)
    result = None if context is None else context.meta.get(JSON_RESULT)
    if result is not None:
        result["tables"].append({"title": table.title, "rows": table.records()})
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        click.echo(_columns_of(table))
        return
    from rich import table as rich_table
    from rich.text import Text

    drawn = rich_table.Table(
        *table.columns,
        title=table.title or None,
        title_justify="left",
        show_header=table.header,
        show_footer=bool(table.footer),
        box=rich_table.box.HEAVY_HEAD if table.header else None,
    )
    cells = table.cells()
    if table.footer:
        for column, text in zip(drawn.columns, cells.pop(), strict=True):
            column.footer = text
    for row in cells:
        drawn.add_row(*map(Text, row))
    console.print(drawn)


def _columns_of(table: Table) -> str:
    """Columns of text side by side, separated by two blanks."""
    lines: list[tuple[str, ...]] = [table.columns] * table.header + table.cells()
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)] if lines else []
    rows = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([*[table.title] * bool(table.title), *rows])


def _shown(value: Any, form: str) -> str:
    value = _plain(value)
    if isinstance(value, dict):
        number, low, high = (_shown(_whole(each), form) for each in value.values())
        return f"{number} [{low}, {high}]" if low != high else number
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return printable(str(value))  # names come from files of strangers
    if form:
        return format(value, form)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _whole(value: Any) -> Any:
    """A whole number as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(value: Any) -> Any:
    """A value as JSON has it: numpy scalars as Python numbers, NaN and infinity as null.

    An estimate is a value and the ends of its interval by name.
    """
    if hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(name: str) -> str:
    """The JSON key of a column: snr_max for "SNR (max)"."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "value"
