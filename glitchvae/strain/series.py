"""`Strain`: the samples of one detector over one stretch of time."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from igwn_segments import segmentlist
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.strain.masks import runs
from glitchvae.strain.naming import detector, require_strain_unit

if TYPE_CHECKING:
    from gwpy.timeseries import TimeSeries


LATEST = 2.0**31
"""Largest GPS time that LAL converts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Strain:
    """Evenly sampled strain of one detector; NaN where samples are missing.

    Constant or all-zero strain is valid here: whether it can be whitened is for the
    imaging to say, event by event (`Status.ZERO_PSD`).

    Attributes:
        values: (T,) float64, dimensionless.
        start: GPS time of the first sample in seconds.
        sample_rate: Hz.
        ifo: Detector, such as "L1".
        channel: Name of the channel, where the file tells it.
    """

    values: NDArray[np.float64]
    start: float
    sample_rate: float
    ifo: str
    channel: str | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.ndim != 1:
            raise InputError("strain must have one axis", where=self.ifo, found=values.shape)
        if not self.sample_rate > 0:
            raise InputError("the sample rate is not valid", where=self.ifo, found=self.sample_rate)
        object.__setattr__(self, "values", np.ascontiguousarray(values))  # not reversed: torch

    @classmethod
    def from_gwpy(cls, series: TimeSeries, *, ifo: str | None = None) -> Strain:
        """Convert a `gwpy.timeseries.TimeSeries` of any real type.

        Args:
            series: Strain, whose channel or name begins with its detector, as "H1:…".
            ifo: The detector of a series that does not say it.

        Raises:
            InputError: no detector can be told, a unit other than strain, samples that are
                not real numbers, or none.
        """
        gwpy: Any = series  # its attributes are units and quantities, of which no stubs tell
        name = str(gwpy.channel or gwpy.name or "")
        where = Path(name or "TimeSeries")
        found = detector(where, asked=ifo, told=None, names=[name])
        require_strain_unit(where, "the series", str(gwpy.unit))
        values = np.asarray(gwpy.value)
        if values.dtype.kind not in "fiu" or not values.size:
            raise InputError(
                "no strain",
                where=where,
                expected="real samples, at least one",
                found=f"{values.size} samples of type {values.dtype}",
            )
        return cls(
            values=values.astype(np.float64),
            start=float(gwpy.t0.to_value("s")),
            sample_rate=as_rate(float(gwpy.dt.to_value("s"))),
            ifo=found,
            channel=name or None,
        )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def duration(self) -> float:
        """Seconds from the first sample to one step after the last."""
        return len(self.values) / self.sample_rate

    @property
    def end(self) -> float:
        """GPS time one step after the last sample."""
        return self.start + self.duration

    def finite_segments(self) -> segmentlist:
        """Stretches without missing samples, as GPS [start, end)."""
        finite = np.isfinite(self.values).astype(np.int8)
        return runs(finite, start=self.start, step=1 / self.sample_rate)

    def crop(self, start: float, end: float) -> Strain:
        """The samples in GPS [start, end), as far as they exist.

        Both limits are moved to the nearest sample. Memory is shared.
        """
        first, last = (
            int(np.clip(round((gps - self.start) * self.sample_rate), 0, len(self)))
            for gps in (start, end)
        )
        return dataclasses.replace(
            self, values=self.values[first:last], start=self.start + first / self.sample_rate
        )

    def to_gwpy(self) -> TimeSeries:
        """Convert to a `gwpy.timeseries.TimeSeries`."""
        from gwpy.timeseries import TimeSeries

        return TimeSeries(
            self.values,
            t0=self.start,
            sample_rate=self.sample_rate,
            unit="strain",
            name=self.channel or f"{self.ifo}:STRAIN",
            channel=self.channel,
        )


def as_rate(step: float) -> float:
    """Samples per second from the sample spacing, rounded to a whole number if nearly one."""
    rate = 1.0 / step
    return float(round(rate)) if math.isclose(rate, round(rate), rel_tol=1e-6) else rate


def require_gps(where: str | Path, start: float, end: float) -> None:
    """Refuse times that are not GPS seconds.

    Raises:
        InputError: it begins before 0 or ends after `LATEST`.
    """
    if not 0 <= start <= end <= LATEST:
        raise InputError(
            "the time is not a GPS time",
            where=where,
            expected=f"seconds from 0 to {LATEST:.0f}",
            found=f"{start:.10g} to {end:.10g}",
        )
