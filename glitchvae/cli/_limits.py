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
        help="Search only these segments: text, LIGO_LW or HDF5; repeatable, files of one"
        " detector are joined. IFO= says the detector, which text does not.",
    ),
    click.option(
        "--flag",
        "flags",
        multiple=True,
        metavar="IFO:NAME:VERSION",
        help="Search only where this flag of the segment database is on; repeatable.",
    ),
    click.option(
        "--mask",
        "masks",
        multiple=True,
        metavar="NAME",
        callback=_masks,
        help="Search only where this mask of the files is set, beside DATA; repeatable."
        " The name none leaves out DATA too.  [default: DATA]",
    ),
)


def limits(command: Command) -> Command:
    """Add the options --segments, --flag and --mask."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
