"""Columns and attributes in HDF5 with a schema; files are written aside, then renamed.

A record is a frozen dataclass whose fields are declared with `column` (one entry
per event, first axis N) or `attribute` (one value for the whole record). Those
declarations drive reading, writing, slicing and joining, so that a record says
what it holds exactly once.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import h5py
import numpy as np

from glitchvae import __version__
from glitchvae.errors import InputError, StorageError, reading
from glitchvae.guard import read_apart, require_file

if TYPE_CHECKING:
    from gwpy.table import EventTable
    from pandas import DataFrame

_KIND = "glitchvae"
_REQUIRED: Any = dataclasses.MISSING

_LARGEST_CHUNK = 2**29
"""Largest chunk (bytes) of a compressed dataset, since chunks are unpacked as a whole."""
_BEST_COMPRESSION = 1100
"""Largest compression ratio of any filter; deflate reaches 1032 on zeros."""
_UNSTORED = 2**24
"""Largest dataset (bytes) that may consist of fill values without being stored."""
_AT_ONCE = 2**28
"""Size of a column (bytes) above which it is read in pieces."""
_PIECE = 2**26  # bytes


def column(dtype: type | str, *, optional: bool = False, compress: bool = False) -> Any:
    """Declare a field with one entry per row.

    Args:
        dtype: numpy dtype of the entries, or `str` for text.
        optional: The field may be None as a whole.
        compress: Store in gzip chunks (images).
    """
    metadata = {_KIND: "column", "dtype": dtype, "compress": compress}
    return dataclasses.field(metadata=metadata, default=None if optional else _REQUIRED)


def attribute(default: Any = _REQUIRED) -> Any:
    """Declare a JSON-serialisable field that holds for the whole record."""
    if isinstance(default, dict):
        return dataclasses.field(metadata={_KIND: "attribute"}, default_factory=default.copy)
    return dataclasses.field(metadata={_KIND: "attribute"}, default=default)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """Base of the records stored on disk. Subclasses set `schema` and `schema_version`."""

    schema: ClassVar[str]
    schema_version: ClassVar[int] = 1
    older_columns: ClassVar[tuple[str, ...]] = ()
    """Columns of earlier versions, which `renewed` converts to those of this version."""

    def __post_init__(self) -> None:
        lengths = {}
        for field in self.columns():
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            array = _as_column(value, field.metadata["dtype"])
            object.__setattr__(self, field.name, array)
            lengths[field.name] = len(array)
        if len(set(lengths.values())) > 1:
            raise InputError(f"columns of {type(self).__name__} differ in length", found=lengths)

    @classmethod
    def columns(cls) -> list[dataclasses.Field[Any]]:
        """The fields with one entry per row."""
        return [f for f in dataclasses.fields(cls) if f.metadata.get(_KIND) == "column"]

    @classmethod
    def attributes(cls) -> list[dataclasses.Field[Any]]:
        """The fields that hold for the whole record."""
        return [f for f in dataclasses.fields(cls) if f.metadata.get(_KIND) == "attribute"]

    @classmethod
    def renewed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Convert columns and attributes of any earlier version to this one."""
        return values

    def __len__(self) -> int:
        return next(
            len(value) for f in self.columns() if (value := getattr(self, f.name)) is not None
        )

    def take(self, rows: Any) -> Self:
        """Select rows: by an index array, a slice or a boolean mask."""
        changes = {
            f.name: getattr(self, f.name)[rows]
            for f in self.columns()
            if getattr(self, f.name) is not None
        }
        return dataclasses.replace(self, **changes)

    @classmethod
    def join(cls, records: Sequence[Self]) -> Self:
        """Concatenate the rows of several records; attributes are those of the first.

        An optional column stays only if every record has it.
        """
        if not records:
            raise InputError("nothing to join", where=cls.__name__)
        changes = {}
        for f in cls.columns():
            parts = [getattr(record, f.name) for record in records]
            changes[f.name] = None if any(p is None for p in parts) else np.concatenate(parts)
        return dataclasses.replace(records[0], **changes)

    def scalars(self) -> dict[str, np.ndarray]:
        """The columns with one number or text a row, by name, without missing ones."""
        found = {f.name: getattr(self, f.name) for f in self.columns()}
        return {k: v for k, v in found.items() if v is not None and v.ndim == 1}

    def to_table(self) -> EventTable:
        """The columns with one number or text a row as a gwpy `EventTable`."""
        from gwpy.table import EventTable

        return EventTable(
            {
                name: values.astype(str) if values.dtype == object else values
                for name, values in self.scalars().items()
            }
        )

    def to_pandas(self) -> DataFrame:
        """The columns with one number or text a row as a pandas `DataFrame`.

        Raises:
            InputError: pandas is not installed.
        """
        return data_frame(self.scalars())

    def write(self, path: str | Path, more: Mapping[str, np.ndarray] | None = None) -> None:
        """Write to HDF5 at `path`, replacing the file only when the new one is complete.

        Args:
            path: Where to.
            more: Further columns (N,), by name, which `read` passes over.
        """
        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs["schema"] = self.schema
            file.attrs["schema_version"] = self.schema_version
            file.attrs["glitchvae_version"] = __version__
            for f in self.attributes():
                file.attrs[f.name] = json.dumps(getattr(self, f.name))
            for f in self.columns():
                if (value := getattr(self, f.name)) is not None:
                    _write_column(file, f.name, value, compress=f.metadata["compress"])
            for name, value in (more or {}).items():
                _write_column(file, name, value, compress=False)

    @classmethod
    def read(cls, path: str | Path, *, rows: slice = slice(None)) -> Self:
        """Read a file of `write`.

        Args:
            path: HDF5 file.
            rows: Only these rows; of images that do not fit into memory.

        Raises:
            InputError: not HDF5, another schema, a newer version, a missing column.
        """
        names = [f.name for f in cls.attributes()]
        columns = [*(f.name for f in cls.columns()), *cls.older_columns]
        wanted = (cls.schema, cls.schema_version)
        values, there = read_apart(_read_record, path, wanted, names, columns, rows)
        with reading(path):
            for name, value in values.items():
                if isinstance(value, _Large):
                    values[name] = value.read(path)
            values = cls.renewed(values)
            for f in cls.columns():
                if f.name not in values and f.default is not None:
                    raise InputError(f"no dataset {f.name!r}", where=path, found=there)
            return cls(**values)


def _read_record(
    path: Path, schema: tuple[str, int], attributes: list[str], columns: list[str], rows: slice
) -> tuple[dict[str, Any], list[str]]:
    """Attributes and columns present in a file, and the names of all datasets."""
    with opened(path) as file:
        _check_schema(file, path, *schema)
        values: dict[str, Any] = {}
        for name in attributes:
            if name in file.attrs:
                values[name] = json.loads(str(file.attrs[name]))
        for name in columns:
            if name in file:
                values[name] = _read_column(file, path, name, rows)
        return values, sorted(file.keys())


@dataclasses.dataclass(frozen=True)
class _Large:
    """A column too large to be sent in one message."""

    name: str
    first: int  # row of the file
    shape: tuple[int, ...]
    dtype: np.dtype

    def read(self, path: str | Path) -> np.ndarray:
        """Read all rows piece by piece."""
        values = np.empty(self.shape, self.dtype)
        step = max(1, _PIECE // max(1, values[:1].nbytes))
        for start in range(0, len(values), step):
            end = min(start + step, len(values))
            rows = slice(self.first + start, self.first + end)
            values[start:end] = read_apart(_read_rows, path, self.name, rows)
        return values


def _read_rows(path: Path, name: str, rows: slice) -> np.ndarray:
    with opened(path) as file:
        dataset: Any = file[name]
        return np.asarray(dataset[rows])


def _as_column(value: Any, dtype: type | str) -> np.ndarray:
    if dtype is str:
        return np.asarray([str(v) for v in value], dtype=object)
    return np.asarray(value, dtype=dtype)


def _write_column(file: h5py.File, name: str, value: np.ndarray, *, compress: bool) -> None:
    if value.dtype == object:
        file.create_dataset(name, data=value, dtype=h5py.string_dtype())
    elif compress and len(value):
        file.create_dataset(
            name,
            data=value,
            chunks=(1, *value.shape[1:]),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
    else:
        file.create_dataset(name, data=value)


def _read_column(file: h5py.File, path: object, name: str, rows: slice) -> np.ndarray | _Large:
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f"{name!r} is a group", where=path, expected="a dataset")
    if not rows.start:  # that of later rows is the same dataset
        require_storage(dataset, path)
    text = h5py.check_string_dtype(dataset.dtype) is not None
    if not text and dataset.ndim and dataset.dtype.kind != "O":
        first, end, _ = slice(rows.start, rows.stop).indices(len(dataset))
        shape = (max(0, end - first), *dataset.shape[1:])
        if math.prod(shape) * dataset.dtype.itemsize > _AT_ONCE:
            return _Large(name, first, shape, dataset.dtype)
    try:
        value = dataset.asstr()[rows] if text else dataset[rows]
    except OSError as error:
        raise InputError(
            f"dataset {name!r} cannot be read",
            where=path,
            found=error,
            remedy="The file is probably truncated; make or fetch it again.",
        ) from error
    return np.asarray(value)


def require_storage(dataset: h5py.Dataset, path: object) -> None:
    """Refuse a dataset that is stored outside its file or declares more than is stored.

    Raises:
        InputError: it is virtual or in other files, has chunks that are too large to unpack
            for a part of it, or declares more than is there.
    """
    place = f"{path}, {dataset.name}"
    plan = dataset.id.get_create_plist()
    if dataset.is_virtual or plan.get_external_count():
        raise InputError("the data are stored in other files", where=place, expected="one file")
    whole = int(dataset.size or 0) * dataset.dtype.itemsize
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize if dataset.chunks else 0
    if chunk > _LARGEST_CHUNK:
        raise InputError(
            "the chunks of the dataset are too large",
            where=place,
            expected=f"at most {_LARGEST_CHUNK:,} bytes",
            found=f"{chunk:,}",
        )
    if whole > _UNSTORED:
        stored = dataset.id.get_storage_size()
        if whole > stored * _BEST_COMPRESSION:
            raise InputError(
                "the dataset declares more than the file can hold",
                where=place,
                expected=f"at most {stored * _BEST_COMPRESSION:,} bytes of {stored:,} stored",
                found=f"{whole:,}",
            )


def schema_of(path: str | Path) -> str | None:
    """The schema name stored in an HDF5 file, or None where there is none."""
    return read_apart(_schema_of, path)


def _schema_of(path: Path) -> str | None:
    with opened(path) as file:
        return schema_in(file)


def schema_in(file: h5py.File) -> str | None:
    """The schema name stored in an open file, or None where there is none."""
    name = file.attrs.get("schema")
    return None if name is None else str(name)


def _check_schema(file: h5py.File, path: object, schema: str, version: int) -> None:
    found = file.attrs.get("schema")
    if found != schema:
        raise InputError("the file is of another kind", where=path, expected=schema, found=found)
    stored = int(file.attrs.get("schema_version", 0))  # type: ignore[arg-type]
    if stored > version:
        raise InputError(
            "written by a newer glitchvae",
            where=path,
            expected=f"schema version <= {version}",
            found=stored,
            remedy="Upgrade glitchvae to read it.",
        )


@contextmanager
def opened(path: str | Path, *, checked: bool = False) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, with errors that name it.

    Files from outside are opened by a function that `guard.read_apart` calls.

    Args:
        path: A regular file.
        checked: Its links were looked at when it was opened before.

    Raises:
        InputError: no regular file, not HDF5, or one that leads to other files.
    """
    path = Path(path)
    require_file(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            "not a readable HDF5 file",
            where=path,
            found=_first_bytes(path),
            remedy="It may be truncated or of another format; fetch it again.",
        ) from error
    with file:
        if not checked:
            _require_own_links(file, path)
        yield file


def _require_own_links(file: h5py.File, path: Path) -> None:
    """Refuse links that lead out of the file."""
    from h5py import h5l  # type: ignore[attr-defined]

    def look(name: bytes, info: Any) -> bytes | None:
        return name if info.type not in (h5l.TYPE_HARD, h5l.TYPE_SOFT) else None

    if (name := file.id.links.visit(look, info=True)) is not None:
        raise InputError(
            "a link leads out of the file", where=f"{path}, {name.decode(errors='replace')}"
        )


def _first_bytes(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(8)
    return f"{path.stat().st_size} bytes starting with {head!r}"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Open a temporary path beside `path` that replaces it if the block succeeds.

    A crash, a full disk or Ctrl-C leaves the earlier file as it was.

    Raises:
        StorageError: the disk refused the write.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise StorageError(
            "the folder cannot be written", where=path, found=error.strerror
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            "writing failed",
            where=path,
            found=error.strerror or error,
            remedy="Free some space or choose another place; earlier files are untouched.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def data_frame(columns: Mapping[str, Any]) -> DataFrame:
    """Columns by name as a pandas `DataFrame`.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise InputError(
            "a DataFrame needs pandas", found=error, remedy="pip install pandas"
        ) from error
    return DataFrame(dict(columns))


def write_rows(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV.

    Raises:
        StorageError: the disk refused the write.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def digest(source: str | Path | bytes | Mapping[str, Any]) -> str:
    """SHA-256 of a file, of bytes, or of a JSON-serialisable mapping, as 64 hex digits."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, Mapping):
        return digest(json.dumps(source, sort_keys=True).encode())
    with Path(source).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
