"""Conversion of other programs' trigger columns to ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.strain.naming import DETECTORS
from glitchvae.triggers.record import MEASURES, Triggers, are_times, triggers_from

Table = Mapping[str, NDArray[Any]]
"""Columns of a file under the file's own names, all of one length."""

ALIASES: dict[str, tuple[str, ...]] = {
    "gps": ("gps", "GPStime", "event_time", "time", "gps_time", "peak_time"),
    "ifo": ("ifo", "detector"),
    "channel": ("channel",),
    "snr": ("snr",),
    "peak_frequency": ("peak_frequency", "peakFreq", "peak_freq", "frequency"),
    "central_frequency": ("central_frequency", "central_freq", "centralFreq"),
    "q": ("q", "q_value", "Q-value"),
    "duration": ("duration",),
    "bandwidth": ("bandwidth",),
    "event_id": ("gravityspy_id", "id", "event_id"),
    "label": ("label", "ml_label"),
}
"""Our name -> names in files, the preferred one first; upper and lower case are alike.

The rows cover Gravity Spy's training set, its older export and its O3 tables,
Omicron's HDF5, ROOT and LIGO_LW (`sngl_burst`), HVETO's lists and our own CSV.
"""

_PREFIX = re.compile(rf"(?:^|[^A-Za-z0-9])({'|'.join(DETECTORS)})(?![A-Za-z0-9])")
_COUNTER = re.compile(r"(?:\w+:event_id:)?\d+")

_ROWS_NAMED = 5
_BLANK = frozenset({"", "nan", "null", "none", "--"})

_log = logging.getLogger(__name__)


def triggers_from_table(
    table: Table, path: str | Path, *, ifo: str | None = None, channel: str | None = None
) -> Triggers:
    """Convert a table with columns of any known program to `Triggers`.

    Rows without a usable time are left out and counted in a warning.

    Args:
        table: The file's columns under their own names.
        path: The file, for messages and for the detector in its name.
        ifo: Keep this detector only; also the detector of rows that do not say it.
        channel: The channel that the file as a whole names, if it does.

    Raises:
        InputError: no rows, no column of times, no usable time in any row, or no way
            to tell the detector.
    """
    columns = {ours: found for ours in ALIASES if (found := _find(table, ours)) is not None}
    known: dict[str, Any] = {"gps": _times(table, columns, path), **_measures(table, columns, path)}
    known["ifo"] = _detectors(columns, len(known["gps"]), path, ifo, channel)
    known |= _texts(columns)
    usable = usable_times(known["gps"], path)
    triggers = triggers_from(
        {name: values[usable] for name, values in known.items()},
        search={"read": Path(path).name, "columns": list(table)},
    )
    return triggers if ifo is None else triggers.of(ifo)


def detector_of(*names: str | None) -> str | None:
    """Detector in the first name that has one: `H1:GDS-...`, `L-L1_GWOSC_...`."""
    for name in names:
        if name and (match := _PREFIX.search(name.replace("_", " "))):
            return match[1]
    return None


def _find(table: Table, ours: str) -> NDArray[Any] | None:
    names = {name.lower(): name for name in table}
    for alias in ALIASES[ours]:
        if (name := names.get(alias.lower())) is not None:
            return table[name]
    return None


def _times(table: Table, columns: dict[str, Any], path: object) -> NDArray[np.float64]:
    """GPS seconds, from whole seconds and nanoseconds where these are given."""
    if "gps" not in columns:
        raise InputError(
            "no column of times",
            where=path,
            expected=f"one of {', '.join(ALIASES['gps'])}, or peak_time with peak_time_ns",
            found=f"columns {', '.join(table)}",
            remedy="Rename the column that holds GPS seconds.",
        )
    if "peak_time" in table and "peak_time_ns" in table:
        return _numbers(table["peak_time"]) + 1e-9 * _numbers(table["peak_time_ns"])
    return _numbers(columns["gps"])


def _measures(table: Table, columns: dict[str, Any], path: object) -> dict[str, Any]:
    """Trigger properties; extents are computed from their two ends if only these are given."""
    measures = {}
    for name in MEASURES:
        if name in columns:
            measures[name] = _numbers(columns[name])
            _warn_of_text(columns[name], measures[name], name, path)
    if "q" not in measures and set(table.get("param_one_name", [])) == {"q"}:
        measures["q"] = _numbers(table["param_one_value"])
    if "tstart" in table and "tend" in table:
        measures.setdefault("duration", _numbers(table["tend"]) - _numbers(table["tstart"]))
    if "fstart" in table and "fend" in table:
        low, high = _numbers(table["fstart"]), _numbers(table["fend"])
        measures.setdefault("bandwidth", high - low)
        measures.setdefault("central_frequency", (low + high) / 2)
    return measures


def _detectors(
    columns: dict[str, Any], rows: int, path: str | Path, ifo: str | None, channel: str | None
) -> NDArray[Any]:
    """Detector of each row: from its column, its channel, the file, or `ifo`."""
    whole = detector_of(channel, Path(path).name) or ifo
    if "ifo" in columns:
        told = [str(name).strip() for name in columns["ifo"]]
    else:
        told = [detector_of(str(name)) for name in columns.get("channel", [""] * rows)]
    names = [name or whole for name in told]
    if None in names:
        raise InputError(
            "no detector is named",
            where=path,
            found=f"columns of {', '.join(columns)}",
            expected="a column ifo, a channel such as H1:GDS-CALIB_STRAIN or a file name "
            "such as H-H1_TRIGGERS-1126259446-32.csv",
            remedy="Name the detector (ifo), such as H1.",
        )
    return np.array(names, dtype=object)


def _texts(columns: dict[str, Any]) -> dict[str, Any]:
    """Labels and identifiers; plain counters are no identifiers outside their file."""
    texts = {}
    if "label" in columns:
        texts["label"] = np.array([str(name) for name in columns["label"]], dtype=object)
    if "event_id" in columns:
        names = np.array([str(name) for name in columns["event_id"]], dtype=object)
        if not all(_COUNTER.fullmatch(name) for name in names):
            texts["event_id"] = names
    return texts


def usable_times(gps: NDArray[np.float64], path: object) -> NDArray[np.bool_]:
    """(N,) whether a row has a usable time; a warning names the other rows.

    Raises:
        InputError: none has.
    """
    usable = are_times(gps)
    bad = np.flatnonzero(~usable)
    if not usable.any():
        raise InputError(
            "no row holds a usable time",
            where=path,
            expected="GPS seconds above 0",
            found=f"{len(usable)} rows, the first with {gps[0]:g}" if len(usable) else "no rows",
        )
    if bad.size:
        named = ", ".join(f"row {row + 1} with {gps[row]:g}" for row in bad[:_ROWS_NAMED])
        _log.warning(
            "%s: %d of %d rows left out, their time is no GPS second above 0: %s%s",
            path,
            bad.size,
            len(usable),
            named,
            ", …" if bad.size > _ROWS_NAMED else "",
        )
    return usable


def _warn_of_text(raw: NDArray[Any], numbers: NDArray[np.float64], name: str, path: object) -> None:
    if raw.dtype.kind in "OUS":
        bad = np.flatnonzero(np.isnan(numbers))
        bad = [row for row in bad if str(raw[row]).strip().lower() not in _BLANK]
        if bad:
            _log.warning(
                "%s: %d entries of %s are no numbers (the first is row %d: %r)",
                path,
                len(bad),
                name,
                bad[0] + 1,
                raw[bad[0]],
            )


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Values as float64; values that are not numbers become NaN."""
    try:
        return np.asarray(values, dtype=np.float64)
    except ValueError:
        return np.array([_number(value) for value in values])


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return np.nan
