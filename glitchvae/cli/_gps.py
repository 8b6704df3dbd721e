"""The type of the option `--gps`, shared by the commands that take times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    _FloatType = click.ParamType[float]
else:
    _FloatType = click.ParamType  # no generic class before click 8.4


class _GpsTime(_FloatType):
    """Seconds of GPS time: finite and above 0."""

    name = "GPS seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert the text to a time, or raise a usage error that names it."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(
                f"{value!r} is no GPS time: expected seconds above 0. gwpy.time.to_gps converts"
                " a date.",
                param,
                ctx,
            )
        return seconds


GPS = _GpsTime()
