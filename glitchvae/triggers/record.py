"""The table of triggers: one row per glitch, whatever its source."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glitchvae.errors import InputError
from glitchvae.status import add_flag
from glitchvae.store import Record, attribute, column
from glitchvae.strain.quality import in_burst

MEASURES: tuple[str, ...] = (
    "snr",
    "peak_frequency",
    "central_frequency",
    "q",
    "duration",
    "bandwidth",
)
"""Columns that a search measures and a list of times lacks (NaN)."""


@dataclass(frozen=True, kw_only=True)
class Triggers(Record):
    """Triggers of one or more detectors, in the order of their source.

    Attributes:
        event_id: The file's own identifier, else `<ifo>-<gps to 4 decimals>`.
        gps: Time of the loudest tile in seconds.
        ifo: Detector, such as "H1".
        snr: Signal-to-noise ratio of the loudest tile.
        peak_frequency: Frequency of the loudest tile in Hz.
        central_frequency: Middle of the band that the event covers in Hz.
        q: Quality factor of the loudest tile.
        duration: Time that the event covers in seconds.
        bandwidth: Band that the event covers in Hz.
        label: Class given by the file, where it has one.
        flags: Remarks (`glitchvae.status.FLAGS`), sorted words between blanks, "" for none.
        search: How the triggers were found or where they were read, for the record.
    """

    schema: ClassVar[str] = "glitchvae.triggers"

    event_id: NDArray[Any] = column(str)
    gps: NDArray[np.float64] = column("f8")
    ifo: NDArray[Any] = column(str)
    snr: NDArray[np.float32] = column("f4")
    peak_frequency: NDArray[np.float32] = column("f4")
    central_frequency: NDArray[np.float32] = column("f4")
    q: NDArray[np.float32] = column("f4")
    duration: NDArray[np.float32] = column("f4")
    bandwidth: NDArray[np.float32] = column("f4")
    label: NDArray[Any] | None = column(str, optional=True)
    flags: NDArray[np.object_] = column(str, optional=True)
    search: dict[str, Any] = attribute({})

    def __post_init__(self) -> None:
        if self.flags is None:
            object.__setattr__(self, "flags", np.full(len(self.event_id), "", dtype=object))
        super().__post_init__()

    @property
    def ifos(self) -> dict[str, int]:
        """Number of rows by detector."""
        return dict(sorted(Counter(self.ifo).items()))

    def of(self, ifo: str) -> Self:
        """The rows of one detector.

        Raises:
            InputError: there are triggers, but none of this detector.
        """
        rows = self.ifo == ifo
        if len(self) and not rows.any():
            raise InputError(
                f"no trigger of {ifo}",
                found=_counts(self.ifos),
                remedy="Give the strain and the triggers of the same detector.",
            )
        return self.take(rows)

    def sorted(self) -> Self:
        """The rows sorted by time."""
        return self.take(np.argsort(self.gps, kind="stable"))


def mark_bursts(triggers: Triggers) -> Triggers:
    """Add the remark `burst` to triggers of one detector in seconds with too many of them."""
    flags = add_flag(triggers.flags, in_burst(triggers.gps), "burst")
    return dataclasses.replace(triggers, flags=flags)


def at_times(gps: ArrayLike, ifo: str) -> Triggers:
    """Triggers at the user's own times, with unknown properties (NaN).

    Args:
        gps: (N,) seconds.
        ifo: The detector whose strain is meant.

    Raises:
        InputError: a time is not finite, or not above 0; its position is named.
    """
    times = np.atleast_1d(np.asarray(gps, dtype=np.float64))
    bad = np.flatnonzero(~are_times(times))
    if bad.size:
        raise InputError(
            "not a GPS time",
            where=f"time number {bad[0] + 1}",
            expected="seconds above 0",
            found=times[bad[0]],
        )
    return triggers_from({"gps": times, "ifo": [ifo] * len(times)})


def are_times(gps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether numbers can be GPS seconds: finite and above 0."""
    return np.isfinite(gps) & (gps > 0)


def triggers_from(columns: dict[str, Any], *, search: dict[str, Any] | None = None) -> Triggers:
    """Make a record from known columns; others are NaN, and identifiers are made.

    Args:
        columns: `gps` and `ifo` at least, by the names of `Triggers`.
        search: What is to be remembered about where they came from.
    """
    unknown = np.full(len(columns["gps"]), np.nan)
    measures = {name: columns.get(name, unknown) for name in MEASURES}
    identifiers = columns.get("event_id")
    if identifiers is None:
        identifiers = event_ids(columns["gps"], columns["ifo"])
    return Triggers(
        event_id=np.asarray(identifiers, dtype=object),
        gps=columns["gps"],
        ifo=columns["ifo"],
        **measures,
        label=columns.get("label"),
        flags=cast("NDArray[np.object_]", columns.get("flags")),
        search=search or {},
    )


def event_ids(gps: Sequence[float], ifo: Sequence[str]) -> list[str]:
    """`<ifo>-<gps to 4 decimals>` for each row; the second row of a name ends in `-2`."""
    seen: Counter[str] = Counter()
    names = []
    for time, detector in zip(gps, ifo, strict=True):
        name = f"{detector}-{time:.4f}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _counts(ifos: dict[str, int]) -> str:
    return ", ".join(f"{count} of {name}" for name, count in ifos.items())
