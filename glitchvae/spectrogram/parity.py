"""Comparison of gwpy and the Q engine on the same events: differences and speed.

gwpy's `TimeSeries.q_transform` is called once per view, as Gravity Spy calls it, on
the block that an image of that event is made from. Both are sampled on gwpy's own
grid. `ImagingSettings.trim` has no counterpart in gwpy and is left out on both sides.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.qtransform import Grid, Scan, Tiling, scan
from glitchvae.qtransform.whitening import resample, whiten
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram import ImagingSettings, energy_to_pixel
from glitchvae.spectrogram.blocks import cut_block
from glitchvae.status import Status
from glitchvae.strain import Strain, StrainSource

SAME_PLANE = 0.995
"""Least share of events with the same Q plane."""

MEDIAN_ERROR = 1e-5
"""Largest median over an event's pixels of |engine - gwpy| / |gwpy|."""

LARGEST_ERROR = 1e-3
"""Largest |engine - gwpy| of any pixel over the highest energy of its image."""

TIME_STEP, FREQUENCY_STEP = 0.002, 0.5
"""Resolution in seconds and Hz of gwpy's spectrograms in Gravity Spy."""


@dataclass(frozen=True, kw_only=True)
class EventParity:
    """Comparison with gwpy for one event, over its four views.

    Attributes:
        gps: Centre of the views.
        q_gwpy: Q of the plane that gwpy shows.
        q_engine: Q of the plane that the engine shows.
        median_error: Median over pixels of |engine - gwpy| / |gwpy|; NaN, as the next
            two, where the planes differ.
        largest_error: Largest |engine - gwpy| over the highest energy of that view.
        pixel_error: Largest difference of Gravity Spy's grey value (0 to 1).
        gwpy_seconds: Time of gwpy's four calls, whitening included.
        engine_seconds: Time of the engine's whitening and four views, one event alone.
    """

    gps: float
    q_gwpy: float
    q_engine: float
    median_error: float
    largest_error: float
    pixel_error: float
    gwpy_seconds: float
    engine_seconds: float

    @property
    def same_plane(self) -> bool:
        """Whether both chose the same Q plane."""
        return bool(np.isclose(self.q_gwpy, self.q_engine))


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """Comparison with gwpy for several events.

    Attributes:
        events: The events compared, at least one.
        skipped: GPS time and status of those that cannot be imaged.
    """

    events: tuple[EventParity, ...]
    skipped: tuple[tuple[float, Status], ...] = ()

    @property
    def same_plane(self) -> float:
        """Share of events with the same Q plane."""
        return float(np.mean([event.same_plane for event in self.events]))

    @property
    def median_error(self) -> float:
        """Largest median error of an event."""
        return self._worst("median_error")

    @property
    def largest_error(self) -> float:
        """Largest error of all events."""
        return self._worst("largest_error")

    @property
    def pixel_error(self) -> float:
        """Largest pixel error of all events."""
        return self._worst("pixel_error")

    @property
    def speed_ratio(self) -> float:
        """Time of gwpy over time of the engine, summed over events."""
        gwpy = sum(event.gwpy_seconds for event in self.events)
        return gwpy / sum(event.engine_seconds for event in self.events)

    @property
    def passed(self) -> bool:
        """Whether all limits are met."""
        return (
            self.same_plane >= SAME_PLANE
            and self.median_error <= MEDIAN_ERROR
            and self.largest_error <= LARGEST_ERROR
        )

    def _worst(self, name: str) -> float:
        same = [getattr(event, name) for event in self.events if event.same_plane]
        return max(same, default=np.nan)


def compare(
    source: StrainSource, gps: Iterable[float], imaging: ImagingSettings, *, device: str = "cpu"
) -> ParityReport:
    """Compare gwpy and the engine on the images of events in strain.

    Args:
        source: Strain of one detector.
        gps: Times of the events (s).
        imaging: How strain becomes images.
        device: Where the engine runs.

    Raises:
        InputError: none of the events can be imaged.
    """
    blocks = {time: cut_block(source, time, imaging) for time in gps}
    skipped = tuple((t, block.status) for t, block in blocks.items() if block.strain is None)
    events = tuple(
        compare_block(block.strain, t, imaging, device=device)
        for t, block in blocks.items()
        if block.strain is not None
    )
    if not events:
        raise InputError(
            "none of these times can be imaged",
            expected=f"{imaging.min_block:g} s of strain around each",
            found=", ".join(f"{t:.3f} ({status})" for t, status in skipped) or "no time at all",
        )
    return ParityReport(events=events, skipped=skipped)


def compare_block(
    block: Strain, gps: float, imaging: ImagingSettings, *, device: str = "cpu"
) -> EventParity:
    """Compare gwpy and the engine on one block of finite strain."""
    rate = min(block.sample_rate, imaging.sample_rate)
    values = resample(block.values, block.sample_rate, rate)
    strain = Strain(values=values, start=block.start, sample_rate=rate, ifo=block.ifo)
    run_engine = partial(_engine, strain, gps, imaging, device)
    run_engine()  # makes the tiling and the plans of the FFTs, which later events reuse
    found, engine_seconds = _timed(run_engine)
    (q, images), gwpy_seconds = _timed(partial(gwpy_views, strain, gps, imaging))
    views = [view[0].cpu().numpy() for view in found.views]
    same = np.isclose(q, float(found.q[0]))
    errors = _errors(views, images) if same else (np.nan,) * 3
    return EventParity(
        gps=gps,
        q_gwpy=q,
        q_engine=float(found.q[0]),
        median_error=errors[0],
        largest_error=errors[1],
        pixel_error=errors[2],
        gwpy_seconds=gwpy_seconds,
        engine_seconds=engine_seconds,
    )


def gwpy_grids(gps: float, band: tuple[float, float]) -> list[Grid]:
    """Sampling points of gwpy for the four views, with its rounding of GPS times."""
    frequencies = np.arange(*band, FREQUENCY_STEP, dtype=np.float32).astype(np.float64)
    return [
        Grid(times=np.arange(gps - v / 2, gps + v / 2, TIME_STEP) - gps, frequencies=frequencies)
        for v in VIEWS
    ]


def gwpy_views(
    strain: Strain, gps: float, imaging: ImagingSettings, *, whitened: bool = False
) -> tuple[float, list[NDArray[np.float32]]]:
    """Q and the four views (nf, nt), by one call of gwpy's `q_transform` each."""
    from gwpy.segments import Segment

    series = strain.to_gwpy()
    averaging: Any = (
        {} if whitened else {"fftlength": imaging.fftlength, "overlap": imaging.overlap}
    )
    with warnings.catch_warnings():  # that the band is capped is known
        warnings.simplefilter("ignore", UserWarning)
        views = [
            series.q_transform(
                qrange=imaging.qrange,
                frange=imaging.frange,
                mismatch=imaging.mismatch,
                gps=gps,
                search=imaging.search,
                tres=TIME_STEP,
                fres=FREQUENCY_STEP,
                outseg=Segment(gps - view / 2, gps + view / 2),
                whiten=not whitened,
                fduration=imaging.fduration,
                **averaging,
            )
            for view in VIEWS
        ]
    return float(views[0].q), [  # pyright: ignore[reportArgumentType]
        view.value.T for view in views
    ]


def _engine(strain: Strain, gps: float, imaging: ImagingSettings, device: str) -> Scan:
    tiling = Tiling(
        duration=strain.duration,
        sample_rate=strain.sample_rate,
        qrange=imaging.qrange,
        frange=imaging.frange,
        mismatch=imaging.mismatch,
    )
    whitened = whiten(
        torch.as_tensor(strain.values[None], device=device),
        strain.sample_rate,
        fftlength=imaging.fftlength,
        overlap=imaging.overlap,
        fduration=imaging.fduration,
    )
    return scan(
        whitened,
        tiling,
        grids=gwpy_grids(gps, tiling.band),
        search=imaging.search,
        centre=torch.tensor([gps - strain.start], dtype=torch.float64),
    )


def _timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def _errors(views: list[NDArray], images: list[NDArray]) -> tuple[float, float, float]:
    pairs = list(zip(views, images, strict=True))
    relative = np.concatenate([(np.abs(a - b) / np.abs(b)).ravel() for a, b in pairs])
    largest = max(np.abs(a - b).max() / b.max() for a, b in pairs)
    pixel = max(np.abs(energy_to_pixel(a) - energy_to_pixel(b)).max() for a, b in pairs)
    return float(np.median(relative)), float(largest), float(pixel)
