"""The options that limit what is searched, shared by the commands that search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

Command = TypeVar("Command", bound=Callable[..., Any])


def _masks(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """DATA and the named masks, or no mask."""
    if "none" not in names:
        return tuple(dict.fromkeys(("DATA", *names)))
    if set(names) != {"none"}:
        raise click.BadParameter("'none' excludes other masks.", ctx, param)
    return ()


_OPTIONS = (
    click.option(
        "--segments",
        multiple=True,
        metavar="[IFO=]FILE",
        help="File of segments to search: text, LIGO_LW or HDF5. Repeatable; files of one "
        "detector are joined. IFO= names the detector of a text file.",
    ),
    click.option(
        "--flag",
        "flags",
        multiple=True,
        metavar="IFO:NAME:VERSION",
        help="Flag of the segment database; only its active time is searched. Repeatable.",
    ),
    click.option(
        "--mask",
        "masks",
        multiple=True,
        metavar="NAME",
        callback=_masks,
        help="Data-quality mask of the strain files, to be searched only where set. "
        "Repeatable; DATA always applies unless the name none is given. [default: DATA]",
    ),
)


def limits(command: Command) -> Command:
    """Add the options --segments, --flag and --mask."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
