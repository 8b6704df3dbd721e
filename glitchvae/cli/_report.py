"""Options of the commands that write a page: live time, and links of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from igwn_segments import segmentlist

LIVE = click.option(
    "--live",
    multiple=True,
    metavar="[IFO=]FILE",
    help="File of the segments that were searched, which replaces the live time in the "
    "archive's ledger. Repeatable.",
)
LINK = click.option(
    "--link",
    metavar="TEMPLATE",
    help="Template of links from events to a web page, such as "
    "https://example.org/?t={gps}; also {ifo}, {event_id} and {date}.",
)


def check_link(template: str | None) -> None:
    """Refuse a malformed template of links before any work.

    Raises:
        InputError: it is none.
    """
    from glitchvae.report.links import Link

    if template is not None:
        Link(template)


def read_live(options: Sequence[str]) -> dict[str, segmentlist] | None:
    """Read the named segments; None if none were named.

    Raises:
        InputError: a file cannot be read.
    """
    from glitchvae.strain.segments import read_segments

    found: dict[str, segmentlist] = {}
    for option in options:
        ifo, equals, path = option.rpartition("=")
        read = read_segments(path, ifo=ifo if equals else None)
        for detector, segments in read.items():
            found[detector] = (found[detector] | segments) if detector in found else segments
    return found if options else None
