"""Labels that people gave to events: a CSV beside the parts, the latest label of each event.

Every row has the reviewer and the time (UTC). A label that was taken back stays as an empty
one, so that merging an older copy of the archive does not bring it back.
"""

from __future__ import annotations

import csv
import getpass
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from glitchvae.classes.catalog import Catalog
from glitchvae.errors import ArchiveError, CatalogError, InputError, reading
from glitchvae.guard import needs, read_apart, read_bytes
from glitchvae.store import replacing
from glitchvae.triggers.columns import ALIASES

LABELS = "labels.csv"
_NAMES = ("event_id", "label", "reviewer", "date")
_SCHEMA = pa.schema(dict.fromkeys(_NAMES, pa.string()))
_SEEN = _NAMES[:2]
_BLANK = frozenset({"", "nan", "none", "null", "--"})


@dataclass(frozen=True, kw_only=True)
class Label:
    """The latest label of an event.

    Attributes:
        label: Name of the class; "" where a label was taken back.
        reviewer: Who said it, "" where unknown.
        date: When (UTC, ISO 8601), "" where unknown: older than any date.
    """

    label: str
    reviewer: str = ""
    date: str = ""


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table of labels as it was read.

    Attributes:
        rows: Number of the row (from 1), identifier and class, as they were written.
        where: The file, for messages.
        empty: Rows without a label: nothing is said there.
    """

    rows: tuple[tuple[int, str, str], ...]
    where: object = None
    empty: int = 0


def read_labels(root: Path) -> pa.Table:
    """Table of `event_id` and `label`, empty if nobody labelled anything.

    Raises:
        ArchiveError: the file is damaged.
    """
    table = _read(root).select(list(_SEEN))
    return table.filter(pc.field("label") != "")


def all_labels(root: Path) -> dict[str, Label]:
    """The latest label of every event, withdrawn ones included.

    Raises:
        ArchiveError: the file is damaged.
    """
    return {
        row["event_id"]: Label(**{name: row[name] for name in _NAMES[1:]})
        for row in _read(root).to_pylist()
    }


def write_labels(root: Path, labels: Mapping[str, Label]) -> None:
    """Add labels of events in place of earlier ones of the same events.

    Raises:
        StorageError: the disk refused the write; earlier labels are untouched.
    """
    known = {**all_labels(root), **labels}
    rows = [{"event_id": event, **vars(label)} for event, label in known.items()]
    with replacing(root / LABELS) as temporary:
        pyarrow.csv.write_csv(pa.Table.from_pylist(rows, schema=_SCHEMA), temporary)


def newest(one: Label, other: Label) -> Label:
    """The later of two labels of an event; the first of two of the same time."""
    return other if other.date > one.date else one


def now() -> str:
    """Current time (UTC) to the second, as labels store it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def login() -> str:
    """The user's login name, "" if the system does not know it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def read_label_table(path: str | Path) -> LabelTable:
    """Read a table of identifiers and labels: CSV, ECSV or Parquet; text may be gzipped.

    Columns may be called as Gravity Spy calls them (`gravityspy_id` or `id`, `label` or
    `ml_label`).

    Raises:
        InputError: no such file, an unknown kind, or no such columns.
    """
    return label_table(_columns(Path(path)), path)


def label_table(columns: Mapping[str, list[str]], where: object = None) -> LabelTable:
    """A table of labels from columns of text, by column name.

    Raises:
        InputError: no such columns, or no row with a label.
    """
    events, names = (_column(columns, name, where) for name in _SEEN)
    pairs = [(e.strip(), n.strip()) for e, n in zip(events, names, strict=True)]
    rows = [(row, event, name) for row, (event, name) in enumerate(pairs, 1)]
    labelled = tuple(row for row in rows if row[2].lower() not in _BLANK)
    if not labelled:
        raise InputError("no row has a label", where=where, found=f"{len(pairs)} rows")
    return LabelTable(rows=labelled, where=where, empty=len(pairs) - len(labelled))


def read_ids(path: str | Path) -> list[str]:
    """Read identifiers from the column of a table (CSV, ECSV, Parquet) or a list, one a line.

    Raises:
        InputError: no such file, or nothing in it.
    """
    path = Path(path)
    if path.suffix.lower() in (".csv", ".ecsv", ".parquet", ".gz"):
        found = _column(_columns(path), "event_id", path)
    else:
        found = [line.partition("#")[0] for line in _text(path).splitlines()]
    ids = [event.strip() for event in found if event.strip()]
    if not ids:
        raise InputError(
            "the list holds no identifier", where=path, expected="one a line, or a column event_id"
        )
    return list(dict.fromkeys(ids))


def check_labels(
    table: LabelTable, events: Iterable[str], catalog: Catalog
) -> tuple[dict[str, str], list[InputError]]:
    """Separate the valid rows from the problems of the others.

    An event that is there twice is wrong: with one class in its later rows, with several
    classes in all of them.

    Args:
        table: As it was given.
        events: Those that the archive holds.
        catalog: Whose classes may be named.

    Returns:
        Names of classes by event, and a problem for each row that is not among them.
    """
    there = set(events)
    good: dict[str, str] = {}
    problems: list[InputError] = []
    first: dict[str, int] = {}
    before = "" if table.where is None else f"{table.where}, "
    for row, event, spelling in table.rows:
        place = f"{before}row {row}"
        try:
            name = catalog.in_use(spelling).name
        except CatalogError as error:
            problems.append(InputError(error.problem, where=place, remedy=error.remedy))
            continue
        if event not in there:
            problems.append(InputError(f"no event {event!r} in the archive", where=place))
        elif event not in first:
            first[event], good[event] = row, name
        else:
            earlier = good.get(event)
            said = f"as {earlier}" if earlier == name else "as another class"
            problems.append(
                InputError(f"{event} is in row {first[event]} as well, {said}", where=place)
            )
            if earlier is not None and earlier != name:
                del good[event]
                place = f"{before}row {first[event]}"
                problems.append(
                    InputError(f"{event} is in row {row} as well, as another class", where=place)
                )
    return good, problems


def _read(root: Path) -> pa.Table:
    path = root / LABELS
    if not path.exists():
        return _SCHEMA.empty_table()
    options = pyarrow.csv.ConvertOptions(
        column_types=_SCHEMA,
        include_columns=_SCHEMA.names,
        include_missing_columns=True,  # of earlier versions
        strings_can_be_null=False,
    )
    expected = "columns event_id and label"
    try:
        table = pyarrow.csv.read_csv(path, convert_options=options)
        header = pyarrow.csv.open_csv(path).schema.names
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ArchiveError(
            "the labels cannot be read", where=path, found=error, expected=expected
        ) from error
    if missing := set(_SEEN) - set(header):
        raise ArchiveError(
            "the labels cannot be read",
            where=path,
            found=f"no column {', '.join(sorted(missing))}",
            expected=expected,
        )
    columns = [table[name].cast(pa.string()).fill_null("") for name in _NAMES]
    return pa.table(columns, schema=_SCHEMA)


def _columns(path: Path) -> dict[str, list[str]]:
    """The columns of a table as text, by their names in the file."""
    kind = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    if kind.lower() == ".parquet":
        return read_apart(_of_parquet, path)
    text = _text(path)
    if text.startswith("# %ECSV"):
        return read_apart(_of_ecsv, path)
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InputError("not a readable CSV table", where=path, found=error) from error
    if not rows:
        raise InputError("the file is empty", where=path, expected="a table with a header")
    header, body = [name.strip() for name in rows[0]], [row for row in rows[1:] if row]
    for number, row in enumerate(body, 1):
        if len(row) != len(header):
            raise InputError(
                "the row has another number of values than the header",
                where=f"{path}, row {number}",
                expected=f"{len(header)} values",
                found=len(row),
            )
    return {name: [row[n] for row in body] for n, name in enumerate(header)}


def _of_parquet(path: Path) -> dict[str, list[str]]:
    with path.open("rb") as stream:
        table = pq.read_table(stream)
    return {
        name: ["" if v is None else str(v) for v in table[name].to_pylist()]
        for name in table.column_names
        if not pa.types.is_nested(table[name].type)
    }


@needs("astropy.table", "astropy.io.ascii")
def _of_ecsv(path: Path) -> dict[str, list[str]]:
    from astropy.table import Table

    with reading(path, "not a readable ECSV table"):
        table = Table.read(_text(path), format="ascii.ecsv", fill_values=[])
        return {name: [str(value) for value in table[name]] for name in table.colnames}


def _text(path: Path) -> str:
    with reading(path):
        return read_bytes(path).decode("utf-8-sig")


def _column(columns: Mapping[str, list[str]], ours: str, path: object) -> list[str]:
    """The column that has the first of several alternative names."""
    folded = {name.lower(): name for name in columns}
    names = [ours, *ALIASES[ours]]
    for name in names:
        if name.lower() in folded:
            return columns[folded[name.lower()]]
    raise InputError(
        f"no column {ours}",
        where=path,
        expected=f"one of {', '.join(dict.fromkeys(names))}",
        found=f"columns {', '.join(columns)}",
    )
