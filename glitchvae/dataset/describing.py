"""Summary of a set of images, counted part by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glitchvae.errors import InputError
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet

BYTES_PER_EVENT = len(VIEWS) * IMAGE_SHAPE[0] * IMAGE_SHAPE[1] + IMAGE_SHAPE[0]
"""Bytes of one event in training: one a pixel, and a mask of computed rows."""


@dataclass(frozen=True, kw_only=True)
class SetSummary:
    """Counts of a set.

    Attributes:
        events: Rows.
        usable: Rows with an image.
        classes: Rows by (label, split), both empty where unknown.
        ifos: Rows by detector.
        statuses: Rows by status.
        bands: Usable rows by the upper end of the image in Hz, rounded.
        imaging: The settings of the images; empty for pictures made elsewhere.
        span: First and last GPS time, None where no time is known.
        untimed: Rows without a time.
        left_out: What is left out or marked, by reason.
    """

    events: int
    usable: int
    classes: Counter[tuple[str, str]]
    ifos: Counter[str]
    statuses: Counter[str]
    bands: Counter[int]
    imaging: dict[str, Any]
    span: tuple[float, float] | None
    untimed: int
    left_out: Counter[str]

    @property
    def resident_bytes(self) -> int:
        """Bytes of the usable events on the training device."""
        return self.usable * BYTES_PER_EVENT

    @property
    def splits(self) -> Counter[str]:
        """Rows by split."""
        total = Counter[str]()
        for (_, split), count in self.classes.items():
            total[split] += count
        return total

    def lines(self) -> list[tuple[str, str]]:
        """Names and values of the lines to print besides the classes; empty ones are left out."""
        span = "" if self.span is None else f"GPS {self.span[0]:.3f} to {self.span[1]:.3f}"
        untimed = f"; {self.untimed} without a time" if self.untimed else ""
        size = self.resident_bytes
        lines = [
            ("detectors", listed({ifo or "unknown": n for ifo, n in self.ifos.items()})),
            ("status", listed(self.statuses)),
            ("bands", listed({f"to {top} Hz": n for top, n in sorted(self.bands.items())})),
            ("imaging", listed(self.imaging) or "pictures made elsewhere"),
            ("times", f"{span}{untimed}".strip("; ")),
            ("left out", listed(self.left_out) or "nothing"),
            ("memory", f"{size / 1e6:.1f} MB on the device that trains, one byte a pixel"),
        ]
        return [(key, value) for key, value in lines if value]


def listed(counts: Mapping[Any, Any]) -> str:
    """Entries of a table in one line."""
    return ", ".join(f"{key} {value}" for key, value in counts.items())


def summarise(parts: Iterable[SpectrogramSet]) -> SetSummary:
    """Count the events of a set that comes in parts; one part is in memory at a time.

    Raises:
        InputError: there is no part.
    """
    summaries = [_summarise(part) for part in parts]
    if not summaries:
        raise InputError("no event to count", where="set of images")
    spans = [s.span for s in summaries if s.span is not None]
    return SetSummary(
        events=sum(s.events for s in summaries),
        usable=sum(s.usable for s in summaries),
        classes=_total(s.classes for s in summaries),
        ifos=_total(s.ifos for s in summaries),
        statuses=_total(s.statuses for s in summaries),
        bands=_total(s.bands for s in summaries),
        imaging=summaries[0].imaging,
        span=(min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None,
        untimed=sum(s.untimed for s in summaries),
        left_out=_total(s.left_out for s in summaries),
    )


def _summarise(part: SpectrogramSet) -> SetSummary:
    usable = part.usable
    times = part.gps[np.isfinite(part.gps)]
    nothing = [""] * len(part)
    labels = nothing if part.label is None else part.label
    splits = nothing if part.split is None else part.split
    return SetSummary(
        events=len(part),
        usable=int(usable.sum()),
        classes=Counter(zip(labels, splits, strict=True)),
        ifos=Counter(part.ifo),
        statuses=Counter(part.status),
        bands=Counter(np.rint(part.f_max[usable & np.isfinite(part.f_max)]).astype(int).tolist()),
        imaging=part.imaging,
        span=(float(times.min()), float(times.max())) if len(times) else None,
        untimed=len(part) - len(times),
        left_out=Counter(part.left_out),
    )


def _total(counters: Iterable[Counter[Any]]) -> Counter[Any]:
    total = Counter[Any]()
    for counter in counters:
        total.update(counter)
    return total
