"""Reading of trigger files of other programs, recognised by content, never by suffix."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from glitchvae.errors import InputError, reading
from glitchvae.guard import needs, read_apart, read_bytes, require_file
from glitchvae.store import opened, require_storage
from glitchvae.triggers.columns import Table, triggers_from_table, usable_times
from glitchvae.triggers.record import Triggers

_log = logging.getLogger(__name__)

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ROOT = b"root"


def read_triggers(path: str | Path, *, ifo: str | None = None) -> Triggers:
    """Read triggers from a file of any known kind.

    Known are: files of `write_triggers`; Omicron's HDF5, ROOT and LIGO_LW
    (`sngl_burst`); CSV, ECSV and whitespace tables with a header line in any dialect of
    `columns.ALIASES`; lists of GPS times, one per line. Text and LIGO_LW may be gzipped.

    The detector comes from a column, else from the channel, else from the file name,
    else from `ifo`. Several detectors may stand in one table.

    Args:
        path: The file.
        ifo: Keep the rows of this detector only; also the detector where none is named.

    Returns:
        The triggers in the order of the file.

    Raises:
        InputError: no such file, an empty or damaged one, an unknown kind, no column of
            times, no usable row, no detector named, or no row of `ifo`.
    """
    path = Path(path)
    with reading(path):
        require_file(path)
        return _read(path, ifo)


def _read(path: Path, ifo: str | None) -> Triggers:
    content = _bytes(path)
    if content.startswith(_HDF5):
        return read_apart(_read_hdf5, path, ifo)
    if content.startswith(_ROOT):
        return read_apart(_triggers_of_root, path, ifo)
    text = _text(path, content)
    if text.lstrip().startswith("<"):
        return read_apart(_triggers_of_ligolw, path, ifo)
    if text.startswith("# %ECSV"):
        return read_apart(_triggers_of_ecsv, path, ifo)
    return triggers_from_table(_read_text(path, text), path, ifo=ifo)


@needs("uproot")
def _triggers_of_root(path: Path, ifo: str | None) -> Triggers:
    return triggers_from_table(_read_root(path), path, ifo=ifo)


@needs("gwpy.table", "igwn_ligolw.ligolw")
def _triggers_of_ligolw(path: Path, ifo: str | None) -> Triggers:
    return triggers_from_table(_read_ligolw(path), path, ifo=ifo)


@needs("astropy.table", "astropy.io.ascii")
def _triggers_of_ecsv(path: Path, ifo: str | None) -> Triggers:
    return triggers_from_table(_read_ecsv(path, _text(path, _bytes(path))), path, ifo=ifo)


def _bytes(path: Path) -> bytes:
    """The beginning of a binary file, or all of a text, unpacked if it is gzipped."""
    with path.open("rb") as stream:
        head = stream.read(len(_HDF5))
    return head if head.startswith((_HDF5, _ROOT)) else read_bytes(path)


def _text(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "not a trigger file",
            where=path,
            found=f"bytes {content[:8]!r}",
            expected="HDF5, ROOT, LIGO_LW, CSV, ECSV or a list of GPS times",
        ) from error
    if not text.strip():
        raise InputError(
            "the file is empty", where=path, expected="a table of triggers or GPS times"
        )
    return text


def _read_hdf5(path: Path, ifo: str | None) -> Triggers:
    with opened(path) as file:
        if file.attrs.get("schema") == Triggers.schema:
            triggers = Triggers.read(path)
            if len(triggers):  # a search that found nothing is a file as well
                triggers = triggers.take(usable_times(triggers.gps, path))
            return triggers if ifo is None else triggers.of(ifo)
        dataset = _compound(file, path)
        require_storage(dataset, path)
        values = dataset[()]
        channel = dataset.attrs.get("channel", file.attrs.get("channel"))
    table = {name: _decoded(values[name]) for name in values.dtype.names}
    return triggers_from_table(table, path, ifo=ifo, channel=_as_text(channel))


def _compound(file: h5py.File, path: Path) -> h5py.Dataset:
    """Read the table `triggers`, or the only table of the file."""
    tables = {n: d for n, d in file.items() if isinstance(d, h5py.Dataset) and d.dtype.names}
    if "triggers" not in tables and len(tables) != 1:
        raise InputError(
            "no table of triggers",
            where=path,
            found=sorted(file.keys()),
            expected="a compound dataset 'triggers', as Omicron writes it",
        )
    return tables.get("triggers", next(iter(tables.values())))


def _decoded(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "SO":
        return np.array([_as_text(value) for value in values], dtype=object)
    return values


def _as_text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)


def _read_root(path: Path) -> Table:
    import uproot

    try:
        file: Any = uproot.open(path)
        with file:
            return dict(file["triggers"].arrays(library="np"))
    except (uproot.KeyInFileError, AttributeError, OSError) as error:
        raise InputError(
            "no readable tree of triggers",
            where=path,
            found=error,
            expected="a tree 'triggers', as Omicron writes it",
        ) from error


def _read_ligolw(path: Path) -> Table:
    """Read the table `sngl_burst` by gwpy."""
    from xml.sax import SAXException

    import igwn_ligolw.ligolw
    from gwpy.table import EventTable

    try:
        table = EventTable.read(path, format="ligolw", tablename="sngl_burst")
    except (ValueError, KeyError, OSError, SAXException, igwn_ligolw.ligolw.ElementError) as error:
        raise InputError(
            "no readable table sngl_burst",
            where=path,
            found=error,
            expected="LIGO_LW with sngl_burst, as Omicron writes it",
        ) from error
    return _table_of(table)


def _read_ecsv(path: Path, text: str) -> Table:
    from astropy.io.ascii import InconsistentTableError
    from astropy.table import Table as AstropyTable

    try:
        return _table_of(AstropyTable.read(text, format="ascii.ecsv"))
    except (InconsistentTableError, ValueError) as error:
        raise InputError("damaged ECSV", where=path, found=error) from error


def _table_of(table: Any) -> Table:
    """Columns of an astropy table; masked numbers become NaN."""
    return {name: np.asarray(_unmasked(table[name])) for name in table.colnames}


def _unmasked(values: Any) -> Any:
    if not hasattr(values, "filled"):
        return values
    return values.astype("f8").filled(np.nan) if values.dtype.kind in "iuf" else values.filled("")


def _read_text(path: Path, text: str) -> Table:
    """Read a table with a header line, or times alone, one per line."""
    header, rows = _split_header(list(_rows(text)))
    if header is None and any(len(fields) > 1 for _, fields in rows):
        raise InputError(
            "the columns have no names",
            where=path,
            found=" ".join(rows[0][1]),
            remedy="Add a header line such as: time,peak_frequency,snr",
        )
    names = header or ["gps"]
    whole = [fields for _, fields in rows if len(fields) == len(names)]
    if len(whole) < len(rows):
        line = next(number for number, fields in rows if len(fields) != len(names))
        _log.warning(
            "%s: %d of %d rows left out, they do not have the %d fields %s (the first is line %d)",
            path,
            len(rows) - len(whole),
            len(rows),
            len(names),
            ",".join(names),
            line,
        )
    values = np.array(whole, dtype=object).reshape(len(whole), len(names))
    return {name: values[:, i] for i, name in enumerate(names)}


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each line that is not blank, separated by commas or space."""
    lines = text.splitlines()
    if any("," in line for line in lines if not line.startswith("#")):
        reader = csv.reader(lines, skipinitialspace=True)
        yield from ((reader.line_num, fields) for fields in reader if any(fields))
    else:
        yield from ((n, fields) for n, line in enumerate(lines, 1) if (fields := line.split()))


def _split_header(
    rows: list[tuple[int, list[str]]],
) -> tuple[list[str] | None, list[tuple[int, list[str]]]]:
    """Names of the columns, also from a matching comment line, and the rows of data."""
    comments = [fields for _, fields in rows if fields[0].startswith("#")]
    data = [row for row in rows if not row[1][0].startswith("#")]
    if data and not _is_number(data[0][1][0]):
        return [name.strip() for name in data[0][1]], data[1:]
    for fields in reversed(comments):
        names = [name.lstrip("#") for name in fields if name.lstrip("#")]
        if data and len(names) == len(data[0][1]) > 1:
            return names, data
    return None, data


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
