"""`Archive`: append, look up, find neighbours, export, verify."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from glitchvae.archive import verification
from glitchvae.archive.choosing import choose
from glitchvae.archive.classes import attach_classes, classes_now, codes_of_events, grown_head
from glitchvae.archive.exporting import export_rows
from glitchvae.archive.heads import MODELS, code_digests, find_head, keep_head
from glitchvae.archive.index import index
from glitchvae.archive.journal import Journal, Spans, alone, recover, writing
from glitchvae.archive.labels import (
    Label,
    LabelTable,
    all_labels,
    check_labels,
    now,
    read_label_table,
    write_labels,
)
from glitchvae.archive.layout import (
    check_marker,
    write_marker,
)
from glitchvae.archive.ledger import Ledger
from glitchvae.archive.live import LiveTime
from glitchvae.archive.neighbours import Codes
from glitchvae.archive.parts import events_between, parts_of_rows
from glitchvae.archive.queries import choose_model, fetch, no_event, read_codes, rows_of_event
from glitchvae.archive.removing import Choice, Removal, check_superseded, preview, remove
from glitchvae.archive.summary import Summary, summarise
from glitchvae.archive.views import read_views
from glitchvae.classes.catalog import Catalog, read_catalog
from glitchvae.classes.user import catalog_path
from glitchvae.embedding import Embeddings
from glitchvae.errors import ArchiveError, InputError, StorageError
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet

if TYPE_CHECKING:
    from glitchvae.checkpoint import Checkpoint

TOLERANCE = 0.5
"""Largest time (s) between a given time and its glitch: searches differ by up to 0.1 s in the peak
of a long glitch, and people round."""

DEFAULT = "glitch-archive"
VARIABLE = "GLITCHVAE_ARCHIVE"
_LOG = logging.getLogger(__name__)
_COLUMNS = [f.name for f in Embeddings.columns()]


def archive_path(option: str | Path | None = None) -> Path:
    """Path of the archive: the option, else $GLITCHVAE_ARCHIVE, else ./glitch-archive."""
    return Path(option or os.environ.get(VARIABLE) or DEFAULT)


def create_archive(path: str | Path) -> Archive:
    """Open the archive at `path`; create it if it does not exist.

    Raises:
        ArchiveError: something else is there, or an archive of a newer layout.
        StorageError: the disk refused the write.
    """
    root = Path(path)
    if not (root / "archive.json").exists():
        write_marker(root)
    return Archive(root)


@dataclass(frozen=True)
class Archive:
    """Embeddings of many jobs in one directory, read and written by any number of processes.

    An event has one row for each model and imaging settings it was embedded with.
    Methods that look codes up work on one model; where the archive holds several,
    `model` says which, by name or by the first digits of its digest.

    The distance between two glitches is the Euclidean distance between their posterior
    means. Training pulls every latent dimension towards the same unit normal, so that
    the dimensions share one scale as they are: a dimension that the model does not use
    stays near 0 and adds nothing, where standardising would blow its noise up.

    Classes are derived on reading, from codes, the head of their model and a catalogue.

    Args:
        path: The directory; `create_archive` makes one.
        catalog: The user's own catalogue; None: $GLITCHVAE_CATALOG, else that beside the archive.

    Raises:
        ArchiveError: no archive, damaged, or of a newer layout.
    """

    path: Path
    catalog: Path | None = None
    _opened: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        check_marker(self.path)

    @contextmanager
    def writing(self, spans: Spans | None = None) -> Iterator[Journal]:
        """Open a journal for one job: each batch added to it is safe at once.

        Args:
            spans: Start and end of the strain looked at, for each detector.
        """
        recover(self.path)
        with writing(self.path, spans) as journal:
            yield journal

    def append(self, embeddings: Embeddings, spectrograms: SpectrogramSet | None = None) -> None:
        """Store rows that are not in the archive yet, with their images."""
        with self.writing() as journal:
            journal.add(embeddings, spectrograms)

    def known(
        self, ifo: str, start: float, end: float, model_digest: str, imaging_digest: str
    ) -> dict[str, bool]:
        """Stored events, also those of killed jobs, and whether each has a code.

        One with a code needs no more work. One without (a gap, the edge of a file) gives
        way to one with a code as soon as there are data for it.
        """
        recover(self.path)
        return events_between(self.path, ifo, start, end, (model_digest, imaging_digest))

    def ledger(self) -> Ledger:
        """The ledger of searched and embedded strain, including that of killed jobs.

        A file of it that cannot be read is named in a warning; what it tells is unknown.
        """
        self._recovered()
        return Ledger(self.path)

    def live_time(self, snr: float | None = None) -> LiveTime:
        """Stretches that were searched at a threshold or a lower one, by detector.

        Args:
            snr: Threshold; None: the largest in the ledger, for which all of it counts.
        """
        return self.ledger().live(snr)

    def embeddings(
        self, *, model: str | None = None, ifo: str | None = None, class_name: str | None = None
    ) -> Embeddings:
        """Every row of one model, in the order of time.

        Args:
            model: Which model, where the archive holds several.
            ifo: Of this detector alone.
            class_name: Of this class alone, as it is named now.

        Raises:
            ArchiveError: it is empty, or holds several models and none is named.
        """
        asked = {"e.ifo = ?": ifo, "c.class_name = ?": class_name}
        chosen = {where: value for where, value in asked.items() if value is not None}
        return self._select(model, " AND ".join(["TRUE", *chosen]), list(chosen.values()))

    def get(self, event_id: str, *, model: str | None = None) -> Embeddings:
        """The rows of one event.

        Raises:
            ArchiveError: no such event.
        """
        found = self._select(model, "e.event_id = ?", [event_id])
        if len(found) == 0:
            with self._index() as connection:
                raise no_event(connection, self.path, event_id)
        return found

    def find(
        self,
        gps: float,
        *,
        tolerance: float = TOLERANCE,
        ifo: str | None = None,
        model: str | None = None,
    ) -> Embeddings:
        """Rows within `tolerance` seconds of a time, the nearest first.

        Raises:
            ArchiveError: none; the nearest time that is there is named.
        """
        rows = self.embeddings(model=model, ifo=ifo)
        apart = np.abs(rows.gps - gps)
        order = np.argsort(apart, kind="stable")
        found = rows.take(order[apart[order] <= tolerance])
        if len(found) == 0:
            raise ArchiveError(
                f"no glitch within {tolerance:g} s of GPS {gps}",
                where=self.path,
                found=_nearest_time(rows.gps[order]),
                remedy="`glitchvae embed STRAIN --gps T` puts the glitch at a time into it.",
            )
        return found

    def nearest(
        self,
        query: NDArray[np.floating] | str | float,
        k: int = 20,
        *,
        model: str | None = None,
    ) -> tuple[Embeddings, NDArray[np.float64]]:
        """The k glitches nearest to a code, an event or a time, by exact search.

        Args:
            query: A code (Z,), an event's identifier, or the GPS time of an event; the
                event itself is not among its neighbours.
            k: How many.
            model: Which model, where the archive holds several.

        Returns:
            Rows in the order of distance, and their distances (k,).

        Raises:
            ArchiveError: no such event, or it has no code, or the code has another size.
        """
        if isinstance(query, str | float | int):
            row = (
                self.get(query, model=model)
                if isinstance(query, str)
                else self.find(float(query), model=model)
            )
            return self._neighbours(self._code(row), k, model, row.event_id[0])
        return self._neighbours(np.asarray(query, dtype=np.float32), k, model, None)

    def thumbnails(self, embeddings: Embeddings) -> SpectrogramSet:
        """The images of some rows, NaN where the archive holds no readable image.

        A file of images that is damaged is named in a warning.
        """
        images = np.full((len(embeddings), len(VIEWS), *IMAGE_SHAPE), np.nan, np.float16)
        for path, rows in parts_of_rows(self.path, embeddings):
            try:
                found = read_views(
                    self.path / "views" / path.name, embeddings.event_id[rows].tolist()
                )
            except ArchiveError as error:
                _LOG.warning("without its pictures: %s", error)
                continue
            for row in rows:
                images[row] = found.get(embeddings.event_id[row], images[row])
        return SpectrogramSet(
            images=images, **embeddings.event_columns(), imaging=embeddings.imaging
        )

    def require_model(self, digest: str) -> None:
        """Check that codes of a model can be compared with those of the archive.

        Raises:
            ArchiveError: the archive holds none of that model.
        """
        with self._index() as connection:
            choose_model(connection, self.path, digest)

    def label(
        self, labels: Mapping[str, str], *, catalog: Catalog | None = None, reviewer: str = ""
    ) -> dict[str, str]:
        """Store labels of events; the latest label of each event counts.

        Args:
            labels: A class for each event, in any spelling that the catalogue knows.
            catalog: Its classes may be named; by default those that are shipped and the user's.
            reviewer: Who says it.

        Returns:
            The labels as they are kept: by the names of the classes.

        Raises:
            ArchiveError: no such event; nothing is kept.
            CatalogError: no such class, or a retired one; nothing is kept.
            StorageError: the disk refused the write; earlier labels are untouched.
        """
        known = self.catalogue() if catalog is None else catalog
        names = {event: known.in_use(name).name for event, name in labels.items()}
        there = self.has(names)
        for event in names:
            if event not in there:
                with self._index() as connection:
                    raise no_event(connection, self.path, event)
        self._keep_labels(names, reviewer)
        return names

    def label_table(
        self, table: str | Path | LabelTable, *, reviewer: str = "", skip_bad: bool = False
    ) -> tuple[dict[str, str], list[InputError]]:
        """Store the labels of a table of identifiers and classes (`labels.read_label_table`).

        Args:
            table: The path of one, or one that was read.
            reviewer: Who says it.
            skip_bad: Keep the rows that are right where others are not; else nothing is kept.

        Returns:
            The labels that are kept, and what is wrong with the other rows.

        Raises:
            InputError: the file cannot be read, or has no such columns.
            StorageError: the disk refused the write; earlier labels are untouched.
        """
        table = table if isinstance(table, LabelTable) else read_label_table(table)
        there = self.has([event for _, event, _ in table.rows])
        good, problems = check_labels(table, there, self.catalogue())
        if problems and not skip_bad:
            return {}, problems
        self._keep_labels(good, reviewer)
        return good, problems

    def unlabel(self, events: Sequence[str], *, reviewer: str = "") -> dict[str, str]:
        """Withdraw labels given by people; labels that came with the rows stay.

        Returns:
            The labels that were taken back, by event.

        Raises:
            ArchiveError: nobody labelled one of them; nothing is changed.
        """
        with alone(self.path):
            known = all_labels(self.path)
            taken = {event: known[event].label for event in events if event in known}
            for event in events:
                if not taken.get(event):
                    raise ArchiveError(f"{event!r} has no label by a person", where=self.path)
            stamp = now()
            write_labels(
                self.path,
                {event: Label(label="", reviewer=reviewer, date=stamp) for event in taken},
            )
        return taken

    def has(self, events: Iterable[str]) -> set[str]:
        """Those of some identifiers that are in the archive."""
        query = "SELECT event_id FROM embeddings WHERE event_id IN (SELECT unnest(?))"
        with self._index() as connection:
            return {row[0] for row in connection.execute(query, [list(events)]).fetchall()}

    def catalogue(self) -> Catalog:
        """Catalogue of the shipped and the user's own classes.

        Raises:
            CatalogError: a card is wrong.
        """
        return read_catalog(own=self.own_catalog)

    def _keep_labels(self, names: Mapping[str, str], reviewer: str) -> None:
        if not names:
            return
        said = {"reviewer": " ".join(reviewer.split()), "date": now()}
        with alone(self.path):
            write_labels(self.path, {e: Label(label=name, **said) for e, name in names.items()})

    def keep_model(self, checkpoint: Checkpoint) -> None:
        """Store card and prototypes of a model, so that a copy of the archive is complete.

        A head that the same codes had before gives way.

        Raises:
            StorageError: the disk refused the write.
        """
        with alone(self.path):
            keep_head(self.path, checkpoint.path, checkpoint.digest)

    def refresh_classes(self) -> None:
        """Bring `classes.parquet` up to date, for other programs that read it."""
        with self._index() as connection:
            attach_classes(connection, self.path, self.own_catalog)

    def remove(
        self,
        *,
        model: str | None = None,
        ids: Iterable[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        ifo: str | None = None,
        dry_run: bool = False,
    ) -> Removal:
        """Remove rows by model, identifier or time; labels stay.

        With time goes what was searched there, so that rates stay right: embedded again, its
        strain is searched again. With single events their triggers go from the ledger, and the
        searched time stays.

        Args:
            model: Rows of this one, by name or by the first digits of its digest.
            ids: Rows of these events.
            since: Rows from this GPS time on.
            until: Rows before this GPS time.
            ifo: Of this detector alone, with a time.
            dry_run: Tell what would go, and change nothing.

        Returns:
            What went.

        Raises:
            ArchiveError: nothing of it is here; or, of a model, it is the only one, several are
                meant, or an event would lose its only code or picture.
            InputError: not one of the three ways, or no time between `since` and `until`.
            StorageError: the disk refused; the same again finishes it.
        """
        chosen = Choice(
            model=model,
            ids=None if ids is None else frozenset(ids),
            since=-math.inf if since is None else float(since),
            until=math.inf if until is None else float(until),
            ifo=ifo,
        )
        if model is not None:
            chosen = dataclasses.replace(chosen, model=self._superseded(model))
        self._recovered()
        removal = preview(self.path, chosen)
        if not removal.rows and not removal.live:
            raise ArchiveError("the archive holds no row to remove", where=self.path)
        if not dry_run:
            with alone(self.path):
                remove(self.path, chosen)
                if chosen.model is not None:
                    shutil.rmtree(self.path / MODELS / chosen.model, ignore_errors=True)
        return removal

    def _superseded(self, model: str) -> str:
        """Digest of a model that can be removed without loss of an event's only code or picture."""
        with self._index() as connection:
            chosen = choose_model(connection, self.path, model)
            check_superseded(connection, self.path, chosen["digest"], model)
        return chosen["digest"]

    def codes_are_of(self, model_digest: str, code_digest: str) -> bool:
        """Whether two digests, one possibly of an earlier version, name the same codes."""
        return code_digests(self.path).get(model_digest, model_digest) == code_digest

    @property
    def own_catalog(self) -> Path:
        """Path of the user's own catalogue, which may not exist."""
        return catalog_path(self.catalog, self.path)

    def codes_of(self, events: Sequence[str], *, model: str) -> NDArray[np.float32]:
        """(M, Z) codes that a model gave to some events; events without a code are left out."""
        with self._index() as connection:
            return codes_of_events(connection, model, events)

    def export(
        self,
        path: str | Path,
        *,
        model: str | None = None,
        probabilities: bool = False,
        columns: Sequence[str] = (),
        codes: bool = True,
        gravity_spy: bool = False,
        **chosen: Any,
    ) -> int:
        """Write rows of one model as HDF5, Parquet, CSV or ECSV; returns their number.

        Args:
            path: The suffix names the format.
            model: Which model, where the archive holds those of several.
            probabilities: With a column `p_<class>` for each class.
            columns: These alone, in this order (CSV, ECSV or Parquet).
            codes: Whether CSV and ECSV hold the codes; HDF5 and Parquet always do.
            gravity_spy: As Gravity Spy's own table (`exporting.gravity_spy_table`).
            chosen: Which rows, as `choosing.choose` takes them: ifo, class_name, since, until,
                snr, where.

        Raises:
            InputError: another suffix, an unknown column, or no condition.
        """
        rows = self.select(model=model, **chosen)
        export_rows(
            path,
            rows,
            self.probabilities,
            self.ledger(),
            probabilities=probabilities,
            columns=columns,
            codes=codes,
            gravity_spy=gravity_spy,
        )
        return len(rows)

    def select(self, *, model: str | None = None, **chosen: Any) -> Embeddings:
        """Rows of one model in the order of time, selected as by `choosing.choose`.

        Raises:
            ArchiveError: it is empty, or holds several models and none is named.
            InputError: no glitch of that class, or no condition.
        """
        # Names that the index has as they are leave most rows where they are.
        exact = {name: chosen.get(name) or None for name in ("ifo", "class_name")}
        rows = self.embeddings(model=model, **exact)
        if not len(rows) and any(exact.values()):
            rows = self.embeddings(model=model)
        return choose(rows, catalog=self.own_catalog, probabilities=self.probabilities, **chosen)

    def probabilities(self, rows: Embeddings) -> dict[str, NDArray[np.float64]]:
        """Probability (N,) of each known class for rows of one model, by class name.

        Raises:
            ArchiveError: what names the codes of the model is not here.
        """
        head = find_head(self.path, rows.model_digest, rows.model.get("name", ""))
        lookup = partial(self.codes_of, model=rows.model_digest)
        prototypes = None if head is None else grown_head(head, self.own_catalog, lookup)
        if prototypes is None:
            raise ArchiveError(
                f"the classes of model {rows.model.get('name')} are not stored in the archive",
                where=self.path,
                remedy="`glitchvae embed` with that --model brings them.",
            )
        shares = prototypes.classify(rows.mean, rows.f_max).probabilities
        return dict(zip(prototypes.names, shares.T, strict=True))

    def verify(self) -> Iterator[str]:
        """Read the whole archive and return every problem found, one sentence each."""
        return verification.problems(self.path)

    def info(self) -> Summary:
        """Summary of the content of the archive."""
        with self._index() as connection:
            attach_classes(connection, self.path, self.own_catalog, ["class_name"])
            return summarise(connection, self.path)

    def _recovered(self) -> None:
        try:
            recover(self.path)
        except StorageError as error:
            _LOG.info("what an interrupted job left is not shown: %s", error)

    @contextmanager
    def _index(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._recovered()
        with index(self.path) as connection:
            yield connection

    def _select(
        self,
        model: str | None,
        where: str,
        values: Sequence[Any],
        *,
        order: str = "e.gps, e.event_id",
        limit: int | None = None,
    ) -> Embeddings:
        with self._index() as connection:
            chosen = choose_model(connection, self.path, model)
            attach_classes(connection, self.path, self.own_catalog)
            return fetch(connection, chosen, where, values, order, limit)

    def _neighbours(
        self, code: NDArray[np.float32], k: int, model: str | None, itself: str | None
    ) -> tuple[Embeddings, NDArray[np.float64]]:
        with self._index() as connection:
            chosen = choose_model(connection, self.path, model)
            if code.shape != (chosen["size"],):
                raise ArchiveError(
                    "the code has another number of dimensions",
                    where=self.path,
                    expected=f"({chosen['size']},)",
                    found=code.shape,
                )
            numbers, codes = self._codes(connection, chosen)
            # The event itself, once for each imaging, may be among the nearest.
            own = 0 if itself is None else rows_of_event(connection, chosen, itself)
            found = numbers[codes.near(code, k + own)]
            rows = fetch(connection, chosen, "TRUE", [], "e.gps", None, numbers=found.tolist())
        rows = classes_now(
            self.path, rows, self.own_catalog, partial(self.codes_of, model=chosen["digest"])
        )
        rows = rows.take(rows.event_id != itself) if itself is not None else rows
        distances = np.linalg.norm(rows.mean.astype(np.float64) - code, axis=1)
        order = np.lexsort((rows.event_id.astype(str), distances))[:k]
        return rows.take(order), distances[order]

    def _codes(
        self, connection: duckdb.DuckDBPyConnection, model: dict[str, Any]
    ) -> tuple[NDArray[np.int64], Codes]:
        """All codes of a model with their row numbers, kept in memory until the archive changes."""
        # Numbers of rows hold for one index, which may be made anew from the same parts.
        key = connection.execute(
            "SELECT ?, made, (SELECT hash(list(f ORDER BY f.name)) FROM files f) FROM about",
            [model["digest"]],
        ).fetchall()
        if self._opened.get("key") != key:
            self._opened.update(key=key, codes=read_codes(connection, model))
        return self._opened["codes"]

    def _code(self, row: Embeddings) -> NDArray[np.float32]:
        if not np.isfinite(row.mean[0]).all():
            raise ArchiveError(
                f"{row.event_id[0]} has no code", where=self.path, found=f"status {row.status[0]}"
            )
        return row.mean[0]


def _nearest_time(gps: NDArray[np.float64]) -> str:
    known = gps[np.isfinite(gps)]
    return f"the nearest at {known[0]}" if len(known) else "no row with a time"
