"""Strain in GWF frame files, read through gwpy and the frame library of lalsuite.

A frame file is read whole whichever seconds are wanted, so the last ones read are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from igwn_segments import segmentlist
from numpy.typing import NDArray

from glitchvae.errors import InputError, how_to_install
from glitchvae.guard import needs, read_apart
from glitchvae.strain.masks import DQ_BITS, INJECTION_BITS, bits_as_segments
from glitchvae.strain.naming import choose_channel, detector, require_strain_unit
from glitchvae.strain.source import Stretch

SIGNATURE = b"IGWD"
"""First bytes of every frame file."""


class Series(NamedTuple):
    """One channel of a run of frames."""

    values: NDArray[Any]
    start: float  # GPS seconds
    sample_rate: float  # Hz
    unit: str


FramesRead = Callable[[Path, str, float, float], Series]

_END_RECORD = {6: 42, 8: 46}  # bytes of FrEndOfFile by version of the format, LIGO-T970130
_OFFICIAL = re.compile(r"(.*GWOSC.*_|.*LOSC.*_)STRAIN$")
_MASKS = (("DQMASK", DQ_BITS), ("INJMASK", INJECTION_BITS))


def frame_cache(files: int = 2) -> FramesRead:
    """A reader of frame files that keeps the last `files` of them in memory."""
    return lru_cache(maxsize=files)(_read)


def open_gwf(
    path: Path, *, ifo: str | None, channel: str | None, read: FramesRead
) -> list[Stretch]:
    """Open the strain in a frame file: one stretch per run of frames without a gap.

    Raises:
        InputError: no frame library, a damaged file, no such channel, wrong unit.
    """
    _require_complete(path)
    name, there, spans = read_apart(_look, path, channel)
    return [_stretch(path, name, there, a, b, ifo, read) for a, b in spans]


@needs("gwpy.timeseries", "gwpy.io.gwf", "lalframe")
def _look(path: Path, channel: str | None) -> tuple[str, list[str], list[tuple[float, float]]]:
    """The strain channel, all channels, and the time of each run of frames."""
    with _frame_errors(path):
        from gwpy.io.gwf import data_segments, get_channel_names

        there = get_channel_names(str(path))
        name = choose_channel(path, there, channel)
        spans = data_segments([str(path)], name)
    return name, list(there), [(float(a), float(b)) for a, b in spans]


def _stretch(
    path: Path,
    name: str,
    there: list[str],
    start: float,
    end: float,
    ifo: str | None,
    read: FramesRead,
) -> Stretch:
    series = read(path, name, start, end)
    require_strain_unit(path, name, series.unit)
    return Stretch(
        path=path,
        start=series.start,
        samples=len(series.values),
        sample_rate=series.sample_rate,
        channel=name,
        ifo=detector(path, asked=ifo, told=None, names=(name,)),
        load=partial(_load, read, path, name, start, end),
        flags=_masks(path, name, there, start, end),
    )


def _masks(
    path: Path, name: str, there: list[str], start: float, end: float
) -> dict[str, segmentlist]:
    """Masks of an official GWOSC frame, which are stored beside the strain."""
    flags: dict[str, segmentlist] = {}
    if not (official := _OFFICIAL.match(name)):
        return flags
    for suffix, names in _MASKS:
        if (channel := official[1] + suffix) in there:
            mask = _read(path, channel, start, end)
            flags |= bits_as_segments(
                mask.values.astype(np.int64), names, start=mask.start, step=1 / mask.sample_rate
            )
    return flags


def _load(
    read: FramesRead, path: Path, name: str, start: float, end: float, first: int, last: int
) -> NDArray[np.float64]:
    return np.asarray(read(path, name, start, end).values[first:last], dtype=np.float64)


def _read(path: Path, name: str, start: float, end: float) -> Series:
    return Series(*read_apart(_read_series, path, name, start, end))


@needs("gwpy.timeseries", "gwpy.io.gwf", "lalframe")
def _read_series(
    path: Path, name: str, start: float, end: float
) -> tuple[NDArray[Any], float, float, str]:
    with _frame_errors(path):
        from gwpy.timeseries import TimeSeries

        series: Any = TimeSeries.read(str(path), name, start=start, end=end, format="gwf")
    rate = float(series.sample_rate.to_value("Hz"))
    return np.asarray(series.value), float(series.t0.value), rate, str(series.unit)


def _require_complete(path: Path) -> None:
    """Compare the file size stated in the last record of a frame file with the actual size.

    The frame library crashes the interpreter on a truncated file instead of raising.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(40)
        length = _END_RECORD.get(head[5]) if len(head) == 40 else 0
        if length is None:  # a version before 2003, left to the library
            return
        stream.seek(max(size - (length or 0), 0))
        record = stream.read()
    order = "little" if head[12:14] == b"\x34\x12" else "big"
    stated = int.from_bytes(record[18:26], order)
    if int.from_bytes(record[:8], order) != length or stated != size:
        raise InputError(
            "truncated or damaged frame file",
            where=path,
            expected="a last record with its size",
            found=f"{size} bytes without it",
            remedy="Fetch it again.",
        )


@contextmanager
def _frame_errors(path: Path) -> Iterator[None]:
    """Convert exceptions of the frame library to errors that name the file or missing extra."""
    try:
        yield
    except ImportError as error:
        raise InputError(
            "reading GWF frames needs a frame library",
            where=path,
            found=error,
            remedy=how_to_install("gwf"),
        ) from error
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(
            "not a readable frame file",
            where=path,
            found=error,
            remedy="It may be truncated; fetch it again.",
        ) from error
