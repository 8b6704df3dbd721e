"""Writing of triggers in formats of other programs, selected by suffix."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError, how_to_install
from glitchvae.store import replacing
from glitchvae.triggers.record import Triggers

if TYPE_CHECKING:
    from astropy.table import Table
    from gwpy.table import EventTable

_UNITS = {
    "gps": "s",
    "peak_frequency": "Hz",
    "central_frequency": "Hz",
    "duration": "s",
    "bandwidth": "Hz",
}


def write_triggers(path: str | Path, triggers: Triggers) -> None:
    """Write triggers in the format of the suffix of `path`, replacing an existing file.

    `.h5` and `.hdf5` hold the whole record, `.csv` and `.ecsv` its columns, `.xml` and
    `.xml.gz` a LIGO_LW table `sngl_burst` (without labels, identifiers counted anew).

    Raises:
        InputError: another suffix.
        StorageError: the disk refused the write.
    """
    _WRITERS[check_suffix(path)](Path(path), triggers)


def check_suffix(path: str | Path) -> str:
    """Check the suffix for `write_triggers` before a long search.

    Raises:
        InputError: it is none that can be written.
    """
    name = Path(path).name.lower()
    suffix = next((suffix for suffix in _WRITERS if name.endswith(suffix)), None)
    if suffix is None:
        raise InputError(
            "the suffix is not that of a trigger file",
            where=path,
            expected=f"a suffix among {', '.join(_WRITERS)}",
        )
    return suffix


def _write_record(path: Path, triggers: Triggers) -> None:
    triggers.write(path)


def _write_csv(path: Path, triggers: Triggers) -> None:
    with replacing(path) as temporary:
        _table(triggers).write(temporary, format="ascii.csv", overwrite=True)


def _write_ecsv(path: Path, triggers: Triggers) -> None:
    with replacing(path) as temporary:
        _table(triggers).write(temporary, format="ascii.ecsv", overwrite=True)


def _write_ligolw(path: Path, triggers: Triggers) -> None:
    """Write a table `sngl_burst` by gwpy; q goes to its free parameter."""
    try:
        import igwn_ligolw  # noqa: F401
    except ImportError as error:
        raise InputError(
            "writing LIGO_LW needs igwn-ligolw", where=path, remedy=how_to_install("triggers")
        ) from error
    with replacing(path) as temporary:
        _sngl_burst(triggers).write(
            temporary, format="ligolw", tablename="sngl_burst", overwrite=True
        )
        if path.suffix == ".gz":
            temporary.write_bytes(gzip.compress(temporary.read_bytes(), mtime=0))


def _sngl_burst(triggers: Triggers) -> EventTable:
    from gwpy.table import EventTable

    peak, start = triggers.gps, triggers.gps - np.nan_to_num(triggers.duration) / 2
    columns = {
        "event_id": np.arange(len(triggers)),
        "process_id": np.zeros(len(triggers), dtype=int),
        "ifo": triggers.ifo.astype(str),
        "search": np.full(len(triggers), "glitchvae"),
        "peak_time": np.floor(peak).astype("i4"),
        "peak_time_ns": _nanoseconds(peak),
        "start_time": np.floor(start).astype("i4"),
        "start_time_ns": _nanoseconds(start),
        "duration": triggers.duration,
        "peak_frequency": triggers.peak_frequency,
        "central_freq": triggers.central_frequency,
        "bandwidth": triggers.bandwidth,
        "snr": triggers.snr,
        "param_one_name": np.full(len(triggers), "q"),
        "param_one_value": triggers.q.astype("f8"),
    }
    return EventTable(columns)


def _nanoseconds(gps: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.round((gps - np.floor(gps)) * 1e9).astype("i4")


def _table(triggers: Triggers) -> Table:
    from astropy.table import Column, Table

    columns = [
        Column(_plain(value), f.name, unit=_UNITS.get(f.name))
        for f in triggers.columns()
        if (value := getattr(triggers, f.name)) is not None
    ]
    return Table(columns)


def _plain(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(str) if value.dtype == object else value


_WRITERS: dict[str, Callable[[Path, Triggers], None]] = {
    ".h5": _write_record,
    ".hdf5": _write_record,
    ".csv": _write_csv,
    ".ecsv": _write_ecsv,
    ".xml": _write_ligolw,
    ".xml.gz": _write_ligolw,
}
