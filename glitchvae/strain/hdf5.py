"""Strain in HDF5: the official GWOSC layout and gwpy's plain one, slice by slice.

gwpy reads a whole GWOSC file to return a few seconds of it; these readers ask HDF5
for the samples wanted and no others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from igwn_segments import segmentlist
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.guard import Identity, read_apart, require_file
from glitchvae.store import opened, require_storage
from glitchvae.strain.masks import bits_as_segments
from glitchvae.strain.naming import choose_channel, detector, require_strain_unit
from glitchvae.strain.series import as_rate
from glitchvae.strain.source import Stretch

_GWOSC_STRAIN = "strain/Strain"
_MASKS = (
    ("quality/simple/DQmask", "quality/simple/DQShortnames"),
    ("quality/injections/Injmask", "quality/injections/InjShortnames"),
)
_DEEPEST = 16  # groups within groups
_MOST_BITS = 64
"""Largest number of names of a mask: each is one bit of its entries."""
_FRACTION = 1.0  # seconds: the header tells start and duration in whole ones


def open_hdf5(path: Path, *, ifo: str | None, channel: str | None) -> Stretch:
    """Open the strain in an HDF5 file.

    Raises:
        InputError: not HDF5, no strain in it (what there is, is named), wrong unit.
    """
    seen = require_file(path)
    name, told = read_apart(_describe, path, ifo, channel)
    return Stretch(path=path, load=partial(_load, path, name, seen), **told)


def holds_strain(path: Path) -> bool:
    """Whether a file is HDF5 and holds strain in one of the two layouts."""
    return read_apart(_holds_strain, path)


def _holds_strain(path: Path) -> bool:
    if not h5py.is_hdf5(path):
        return False
    with opened(path) as file:
        return _GWOSC_STRAIN in file or bool(_gwpy_series(file))


def _describe(path: Path, ifo: str | None, channel: str | None) -> tuple[str, dict[str, Any]]:
    """The dataset of the strain, and its properties for a `Stretch`."""
    if not h5py.is_hdf5(path):
        with path.open("rb") as stream:
            head = stream.read(8)
        raise InputError(
            "not a strain file",
            where=path,
            expected="HDF5 or GWF",
            found=f"a file starting {head!r}",
        )
    with opened(path) as file:
        if _GWOSC_STRAIN in file:
            return _GWOSC_STRAIN, _gwosc_stretch(file, path, ifo, channel)
        series = _gwpy_series(file)
        if not series:
            raise InputError(
                "no strain in this HDF5 file",
                where=path,
                expected=f"dataset {_GWOSC_STRAIN} (GWOSC) or one with x0 and dx (gwpy)",
                found=", ".join(sorted(file)) or "an empty file",
            )
        return _gwpy_stretch(file, path, series, ifo, channel)


def _gwosc_stretch(
    file: h5py.File, path: Path, ifo: str | None, channel: str | None
) -> dict[str, Any]:
    dataset = _dataset(file, path, _GWOSC_STRAIN)
    told = text(file["meta/Detector"]) if "meta/Detector" in file else None
    found = detector(path, asked=ifo, told=told, names=())
    name = f"{found}:{text(file['strain/GWOSCmeta'])}" if "strain/GWOSCmeta" in file else None
    if channel is not None and channel not in (name, _GWOSC_STRAIN):
        raise InputError(f"no channel {channel!r}", where=path, found=name or _GWOSC_STRAIN)
    require_strain_unit(path, _GWOSC_STRAIN, text(dataset.attrs.get("Yunits", "")))
    start = _number(dataset, path, "Xstart")  # GPSstart is whole seconds and may lag behind
    step = _number(dataset, path, "Xspacing")
    if len(dataset):
        _require_header(file, path, start, len(dataset) * step)
    return {
        "start": start,
        "samples": len(dataset),
        "sample_rate": as_rate(step),
        "ifo": found,
        "channel": name,
        "flags": _masks(file, path, start, len(dataset)),
    }


def _require_header(file: h5py.File, path: Path, start: float, duration: float) -> None:
    """Refuse a file whose header contradicts the time of the samples."""
    for name, seconds in (("meta/GPSstart", start), ("meta/Duration", duration)):
        told = file.get(name)
        if not isinstance(told, h5py.Dataset) or told.shape != () or told.dtype.kind not in "fiu":
            continue
        if not abs(float(told[()]) - seconds) < _FRACTION:
            raise InputError(
                f"{name} contradicts the samples of {_GWOSC_STRAIN}",
                where=path,
                expected=f"{seconds:.10g} s, as Xstart, Xspacing and their number tell",
                found=f"{float(told[()]):.10g} s",
                remedy="The file is probably damaged; fetch or make it again.",
            )


def _gwpy_series(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every dataset with gwpy's x0 and dx, by its path in the file."""
    return {
        name: item
        for name, item in _walk(file)
        if isinstance(item, h5py.Dataset) and {"x0", "dx"} <= set(item.attrs)
    }


def _walk(group: h5py.Group, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in group.items():
        yield prefix + name, item
        if isinstance(item, h5py.Group):
            if prefix.count("/") > _DEEPEST:
                raise InputError("the groups of the file form a loop", found=f"{prefix[:40]}…")
            yield from _walk(item, f"{prefix}{name}/")


def _gwpy_stretch(
    file: h5py.File,
    path: Path,
    series: dict[str, h5py.Dataset],
    ifo: str | None,
    channel: str | None,
) -> tuple[str, dict[str, Any]]:
    by_channel = {_gwpy_channel(item): name for name, item in series.items()}
    name = by_channel.get(channel) or choose_channel(path, sorted(series), channel)
    dataset = _dataset(file, path, name)
    told = _gwpy_channel(dataset)
    labels = [label for label in (told, text(dataset.attrs.get("name", "")), name) if label]
    require_strain_unit(path, name, text(dataset.attrs.get("unit", "")))
    _require_seconds(dataset, path)
    return name, {
        "start": _number(dataset, path, "x0"),
        "samples": len(dataset),
        "sample_rate": as_rate(_number(dataset, path, "dx")),
        "channel": told,
        "ifo": detector(path, asked=ifo, told=None, names=labels),
    }


def _gwpy_channel(dataset: h5py.Dataset) -> str | None:
    """The channel named in a gwpy series, None if there is none."""
    name = text(dataset.attrs.get("channel", ""))
    return name if ":" in name else None


def _require_seconds(dataset: h5py.Dataset, path: Path) -> None:
    unit = text(dataset.attrs.get("xunit", "s"))
    if unit != "s":
        raise InputError(
            f"{dataset.name} is not sampled in time",
            where=path,
            expected="xunit 's'",
            found=f"xunit {unit!r}",
        )


def _dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    item = file[name]
    if not isinstance(item, h5py.Dataset):
        raise InputError(f"{name} is a group", where=path, expected="a dataset of samples")
    if item.ndim != 1 or item.dtype.kind not in "fiu":
        raise InputError(
            f"{name} is no time series",
            where=path,
            expected="one axis of real numbers",
            found=f"shape {item.shape}, {item.dtype}",
        )
    require_storage(item, path)
    return item


def _number(dataset: h5py.Dataset, path: Path, name: str) -> float:
    try:
        value = float(np.asarray(dataset.attrs[name]).item())
    except KeyError as error:
        raise InputError(
            f"{dataset.name} has no attribute {name!r}",
            where=path,
            found=", ".join(sorted(dataset.attrs)) or "no attributes",
        ) from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"attribute {name!r} of {dataset.name} is no number",
            where=path,
            found=dataset.attrs[name],
        ) from error
    if not math.isfinite(value) or (value <= 0 and name in ("Xspacing", "dx")):
        raise InputError(f"bad {name!r} of {dataset.name}", where=path, found=value)
    return value


def text(value: Any) -> str:
    """A string from an attribute or scalar dataset, stored as bytes or str."""
    if isinstance(value, h5py.Dataset):
        value = value[()]
    return value.decode() if isinstance(value, bytes) else str(value)


def _masks(file: h5py.File, path: Path, start: float, samples: int) -> dict[str, segmentlist]:
    """Masks of data quality and injections by name.

    Masks without attributes are taken as official ones are: one entry per second,
    from the first sample on.
    """
    flags: dict[str, segmentlist] = {}
    for mask_name, names_name in _MASKS:
        if mask_name not in file or names_name not in file:
            continue
        mask = _dataset(file, path, mask_name)
        if 0 < samples < len(mask):
            raise InputError(
                f"{mask_name} is longer than the strain",
                where=path,
                expected=f"at most {samples:,} entries",
                found=f"{len(mask):,}",
            )
        begin = _number(mask, path, "Xstart") if "Xstart" in mask.attrs else start
        step = _number(mask, path, "Xspacing") if "Xspacing" in mask.attrs else 1.0
        shortnames: Any = file[names_name]
        if shortnames.size is None or shortnames.size > _MOST_BITS:
            raise InputError(
                f"{names_name} do not hold the names of bits",
                where=path,
                expected=f"at most {_MOST_BITS} names",
                found=f"shape {shortnames.shape}",
            )
        names = [text(name) for name in np.ravel(shortnames[()])]
        flags |= bits_as_segments(_samples(mask, path), names, start=begin, step=step)
    return flags


def _load(path: Path, name: str, seen: Identity, first: int, last: int) -> NDArray[np.float64]:
    if require_file(path) != seen:
        raise InputError("changed since it was opened", where=path)
    return read_apart(_read_samples, path, name, first, last)


def _read_samples(path: Path, name: str, first: int, last: int) -> NDArray[np.float64]:
    with opened(path, checked=True) as file:
        return _samples(file[name], path, slice(first, last)).astype(np.float64)


def _samples(dataset: Any, path: Path, rows: slice = slice(None)) -> NDArray[Any]:
    try:
        return dataset[rows]
    except OSError as error:
        raise InputError(
            f"{dataset.name} cannot be read",
            where=path,
            found=error,
            remedy="The file is probably damaged; fetch it again.",
        ) from error
