"""Progress on stderr: a bar on a terminal, an occasional line in a log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich_click as click
from rich import progress as bars
from rich.console import Console
from rich.text import Text

Progress = Callable[[int], None]
"""Called with the number of units just finished; `progress_of` turns it into a bar."""

_SECONDS_BETWEEN_LINES = 30.0
_LOG = logging.getLogger(__name__)


@contextmanager
def progress_of(what: str, total: int, unit: str, *, shown: bool = True) -> Iterator[Progress]:
    """Open a function to call with the number of units just finished.

    Args:
        what: Named in front of the bar.
        total: Units in all.
        unit: What is counted.
        shown: Write anything at all; nor is anything written where the logger of this module
            lets no warning pass.
    """
    if not shown or not _LOG.isEnabledFor(logging.WARNING):
        yield lambda _: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what, total, unit)
        return
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn(unit),
        _Rate(unit),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


class _Rate(bars.ProgressColumn):
    """Units per second, empty before the first."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: bars.Task) -> Text:
        """Render the rate over the last half minute."""
        return Text(f"{task.speed:,.1f} {self._unit}/s" if task.speed else "", style="dim")


def _lines(what: str, total: int, unit: str) -> Progress:
    done, last = 0, time.monotonic()

    def report(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            click.echo(f"{what}: {done:,} of {total:,} {unit}", err=True)

    return report
