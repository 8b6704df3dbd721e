"""Strain written in the layout of the official GWOSC HDF5 files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from igwn_segments import segmentlist
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.store import replacing
from glitchvae.strain.masks import INJECTION_BITS, segments_as_bits
from glitchvae.strain.series import Strain, require_gps

_CHUNK = 65536  # samples: 16 s at 4096 Hz, little to unpack for one slice


def write_gwosc(
    path: str | Path, strain: Strain, *, dq: Mapping[str, segmentlist] | None = None
) -> None:
    """Write strain as a GWOSC HDF5 file, the same bytes for the same input.

    Args:
        path: Replaced only once the new file is complete.
        strain: What to write.
        dq: Flags by name. Without "DATA" that flag is where all samples are finite.
            Names of GWOSC's injection bits go to the injection mask; those not given
            are set wherever there are data. Masks have one entry per second, set where
            the flag covers the whole second.

    Raises:
        InputError: no samples, or at no GPS time.
        StorageError: the disk refused the write.
    """
    if not len(strain):
        raise InputError("no samples to write", where=path)
    require_gps(path, strain.start, strain.end)
    quality, injections = _flags(strain, dq or {})
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        _write_meta(file.create_group("meta"), strain)
        _write_strain(file.create_group("strain"), strain)
        group = file.create_group("quality")
        _write_mask(group.create_group("simple"), "DQ", "DQmask", quality, strain)
        _write_mask(group.create_group("injections"), "Inj", "Injmask", injections, strain)


def _flags(
    strain: Strain, dq: Mapping[str, segmentlist]
) -> tuple[dict[str, segmentlist], dict[str, segmentlist]]:
    data = dq.get("DATA", strain.finite_segments())
    others = {k: v for k, v in dq.items() if k != "DATA" and k not in INJECTION_BITS}
    return {"DATA": data, **others}, {name: dq.get(name, data) for name in INJECTION_BITS}


def _write_meta(group: h5py.Group, strain: Strain) -> None:
    from gwpy.time import from_gps

    whole = math.floor(strain.start)
    group["Description"] = "Strain data time series"
    group["Detector"] = strain.ifo
    group["Duration"] = math.ceil(strain.duration)
    group["GPSstart"] = whole
    group["Observatory"] = strain.ifo[0]
    group["Type"] = "StrainTimeSeries"
    group["UTCstart"] = from_gps(whole).strftime("%Y-%m-%dT%H:%M:%S")


def _write_strain(group: h5py.Group, strain: Strain) -> None:
    dataset = group.create_dataset(
        "Strain",
        data=strain.values,
        chunks=(min(_CHUNK, len(strain)),),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )
    _write_axis(dataset, strain.start, 1.0 / strain.sample_rate)
    dataset.attrs["Ylabel"] = "Strain"
    dataset.attrs["Yunits"] = ""
    if strain.channel:
        group["GWOSCmeta"] = strain.channel.removeprefix(f"{strain.ifo}:")


def _write_mask(
    group: h5py.Group, prefix: str, name: str, flags: Mapping[str, segmentlist], strain: Strain
) -> None:
    seconds = math.ceil(strain.duration)
    dataset = group.create_dataset(
        name, data=segments_as_bits(flags, start=strain.start, seconds=seconds)
    )
    _write_axis(dataset, strain.start, 1.0)
    dataset.attrs["Bits"] = len(flags)
    dataset.attrs["Ylabel"] = name
    group[f"{prefix}Shortnames"] = _ascii(list(flags))
    group[f"{prefix}Descriptions"] = _ascii([f"Passes {flag} test" for flag in flags])


def _ascii(names: list[str]) -> NDArray[np.bytes_]:
    return np.asarray([name.encode() for name in names], dtype=np.bytes_)


def _write_axis(dataset: h5py.Dataset, start: float, step: float) -> None:
    dataset.attrs["Npoints"] = len(dataset)
    dataset.attrs["Xlabel"] = "GPS time"
    dataset.attrs["Xspacing"] = step
    dataset.attrs["Xstart"] = start
    dataset.attrs["Xunits"] = "second"
