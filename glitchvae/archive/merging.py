"""Merging of archives: those of cluster jobs, detectors or sites.

Sources are read and never changed. A source that is damaged anywhere is left out as a whole:
its ledger would tell of strain whose glitches are lost. What is in the target already is passed
over, so that a merge can be repeated, and goes on where it was killed. Parts come in as what an
interrupted job left: whoever opens the archive publishes that. The ledger comes after the rows
that it tells of.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from glitchvae.archive.archive import Archive
from glitchvae.archive.heads import MODELS
from glitchvae.archive.journal import SPANS, alone, is_running, recover, views_of
from glitchvae.archive.labels import Label, all_labels, newest, write_labels
from glitchvae.archive.layout import journals, name_part, parse_part, part_files, time_span
from glitchvae.archive.ledger import add_to_ledger, ledger_files, read_table
from glitchvae.archive.parts import (
    coded,
    events_between,
    fresh_rows,
    read_header,
    read_rows,
    some_rows,
)
from glitchvae.archive.verification import damage
from glitchvae.classes.catalog import ClassCard, read_card, read_catalog
from glitchvae.classes.model_card import CARD, copy_head
from glitchvae.classes.user import CLASSES, DEFAULT, DRAFTS
from glitchvae.errors import ArchiveError, CatalogError, GlitchvaeError
from glitchvae.progress import Progress
from glitchvae.store import digest, replacing

_LOG = logging.getLogger(__name__)
_JOURNAL, _COPY, _PIECE = ".running-", ".copy-", "00000001.parquet"


@dataclass(kw_only=True)
class Merged:
    """Counts of what one source added.

    Attributes:
        path: The source.
        rows: Its rows that were added.
        known: Its rows that were there, or that gave way to rows with a code.
        searched: Rows of its ledger that were added.
        labels: Its labels that were taken.
        decisions: Cards of its catalogue that were taken.
        live_unknown: Whether it holds glitches and no ledger: nobody knows its live time.
        conflicts: Labels, decisions and heads in which it differs from the target, and what
            was kept.
        left: Jobs that write it at this moment: what they have found is not merged.
    """

    path: Path
    rows: int = 0
    known: int = 0
    searched: int = 0
    labels: int = 0
    decisions: int = 0
    live_unknown: bool = False
    conflicts: list[str] = field(default_factory=list)
    left: int = 0


def check_sources(target: Path, sources: Sequence[Path]) -> tuple[list[Path], list[GlitchvaeError]]:
    """The sources that can be merged, each once, and the reasons against the others.

    Raises:
        ArchiveError: none.
    """
    chosen: dict[Path, Path] = {}
    problems: list[GlitchvaeError] = []
    for source in sources:
        try:
            Archive(source)
            if source.resolve() == target.resolve():
                raise ArchiveError(
                    "an archive cannot be merged with itself",
                    where=source,
                    remedy="Name other archives.",
                )
            found = list(damage(source))
            if found:
                raise ArchiveError(
                    f"damaged, and left out as a whole: {found[0]}"
                    + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""),
                    where=source,
                    remedy="`glitchvae archive verify` lists all damaged files.",
                )
            chosen.setdefault(source.resolve(), source)
        except GlitchvaeError as error:
            problems.append(error)
    return list(chosen.values()), problems


def merge_archive(target: Archive, source: Path, progress: Progress | None = None) -> Merged:
    """Copy one archive that passed `check_sources` into another.

    Of an event that both hold, from one model and imaging settings, the row with a code stays;
    of two labels the newer one. Where both have decided about one class, or keep heads of one
    model, those of the target stay, and the difference is told.

    Args:
        target: Where to.
        source: Another archive; it is not changed.
        progress: Told of rows.

    Raises:
        ArchiveError: the source cannot be read; what was merged of it stays.
        StorageError: the disk refused a write; what was merged stays.
    """
    told = Merged(path=source)
    report = progress or (lambda _: None)
    root = target.path
    recover(root)
    with alone(root):
        _merge_heads(root, source, told)
    for path in part_files(source):
        _merge_part(root, path, source, told)
        recover(root)
        report(told.rows + told.known)
    for folder in journals(source):
        _merge_journal(root, folder, told)
    recover(root)
    with alone(root):
        _merge_ledger(root, source, told)
        _merge_labels(root, source, told)
    _merge_catalog(target.own_catalog, source.resolve().parent / DEFAULT, told)
    return told


def count_rows(source: Path) -> int:
    """Number of rows in the parts of an archive."""
    return sum(read_header(path).rows for path in part_files(source))


def _merge_heads(root: Path, source: Path, told: Merged) -> None:
    for folder in sorted((source / MODELS).glob("*")):
        kept = root / MODELS / folder.name
        if not (kept / CARD).is_file():
            copy_head(folder, kept)
        elif digest(kept / CARD) != digest(folder / CARD):
            told.conflicts.append(
                f"another head of model {folder.name[:12]}: that of {root} stays; `glitchvae embed`"
                " with the model brings its own"
            )


def _merge_part(root: Path, path: Path, source: Path, told: Merged) -> None:
    """Merge one part by way of a journal, so that a kill loses nothing."""
    header, keys = read_header(path), read_rows(path, ["event_id", "gps", "ifo", "status"])
    if not len(keys):
        return
    ifo = keys["ifo"][0].as_py()
    name = parse_part(path.name) or name_part(ifo, *time_span(keys["gps"].to_numpy()))
    span = name.gps, name.gps + name.duration
    known = events_between(root, name.ifo, *span, header.origin)
    fresh = fresh_rows(keys["event_id"].to_pylist(), coded(keys), known)
    told.rows += int(fresh.sum())
    told.known += int((~fresh).sum())
    if not fresh.any():
        return
    with _left_behind(root, digest(path)[:12]) as folder:
        if (views := source / "views" / path.name).exists():
            shutil.copyfile(views, views_of(folder / _PIECE))
        rows = some_rows(read_rows(path), fresh)
        pq.write_table(rows, folder / _PIECE, compression="zstd")
        times = {} if span == (0, 0) else {ifo: span}
        (folder / SPANS).write_text(json.dumps(times), encoding="utf-8")


def _merge_journal(root: Path, folder: Path, told: Merged) -> None:
    """Merge the unfinished journal of another archive."""
    # Asking for a lock would make one, in an archive that is not changed.
    if (folder / "lock").exists() and is_running(folder):
        told.left += 1
        return
    with _left_behind(root, folder.name.removeprefix(_JOURNAL)) as copy:
        ignored = shutil.ignore_patterns("lock")
        shutil.copytree(folder, copy, ignore=ignored, dirs_exist_ok=True)


@contextmanager
def _left_behind(root: Path, name: str) -> Iterator[Path]:
    """Make a folder that becomes the journal of an interrupted job once it is complete."""
    with alone(root):
        for stale in (root / "parts").glob(f"{_COPY}*"):
            shutil.rmtree(stale)
        copy = root / "parts" / f"{_COPY}{name}"
        copy.mkdir()
        yield copy
        target = root / "parts" / f"{_JOURNAL}{name}"
        if target.exists():
            shutil.rmtree(copy)
        else:
            copy.rename(target)


def _merge_ledger(root: Path, source: Path, told: Merged) -> None:
    """Add rows of the ledger that are not there yet, compared as text."""
    files = ledger_files(source)
    told.live_unknown = not files and bool(part_files(source))
    known = {row for path in ledger_files(root) for row in _known_rows(path)}
    for path in files:
        name, table = read_table(path)
        lines = [_line(name, row) for row in table.to_pylist()]
        wanted = np.array([line not in known for line in lines], dtype=bool)
        if wanted.any():
            add_to_ledger(root, [(name, table.filter(pa.array(wanted)))])
            known.update(lines)
            told.searched += int(wanted.sum()) if name == "searched" else 0


def _known_rows(path: Path) -> Iterator[str]:
    try:
        name, table = read_table(path)
    except ArchiveError as error:
        _LOG.warning("left out: %s", error)
        return
    for row in table.to_pylist():
        yield _line(name, row)


def _line(name: str, row: dict[str, object]) -> str:
    return digest(f"{name} {json.dumps(row, sort_keys=True)}".encode())


def _merge_labels(root: Path, source: Path, told: Merged) -> None:
    own, others = all_labels(root), all_labels(source)
    taken: dict[str, Label] = {}
    for event, theirs in others.items():
        mine = own.get(event)
        if mine == theirs:
            continue
        if mine is None or newest(mine, theirs) is theirs:
            taken[event] = theirs
        if mine is not None and mine.label != theirs.label:
            kept, gone = (theirs, mine) if event in taken else (mine, theirs)
            told.conflicts.append(f"{event}: {_spell(kept)} stays, not {_spell(gone)}")
    told.labels = len(taken)
    if taken:
        write_labels(root, taken)


def _spell(label: Label) -> str:
    by = " ".join(filter(None, (label.reviewer and f"by {label.reviewer}", label.date)))
    return f"{label.label or 'no label'} ({by or 'undated'})"


def _merge_catalog(own: Path, theirs: Path, told: Merged) -> None:
    """Copy class cards with the codes of their events, unless a card conflicts."""
    if not theirs.is_dir() or own.resolve() == theirs.resolve():
        return
    settled = [(CLASSES, path) for path in sorted((theirs / CLASSES).glob("*.toml"))]
    # A class that others were merged into comes before them.
    settled.sort(key=lambda item: read_card(item[1]).merged_into is not None)
    drafts = [(DRAFTS, path) for path in sorted((theirs / DRAFTS).glob("*.toml"))]
    for place, path in [*settled, *drafts]:
        card = read_card(path)
        there = [p for p in (CLASSES, DRAFTS) if (own / p / path.name).exists()]
        if CLASSES in there or (DRAFTS in there and place == DRAFTS):
            if read_card(own / there[0] / path.name) != card and place == CLASSES:
                told.conflicts.append(f"class {card.name}: what was decided at {own} stays")
            continue
        if problem := _in_the_way(own, path, card, place):
            told.conflicts.append(f"class {card.name} is not taken: {problem}")
            continue
        _copy_card(path, own / place)
        if DRAFTS in there:  # decided there, and waiting here
            for suffix in (".toml", ".h5"):
                (own / DRAFTS / path.name).with_suffix(suffix).unlink(missing_ok=True)
        told.decisions += 1


def _in_the_way(own: Path, path: Path, card: ClassCard, place: str) -> str:
    """The reason why a card cannot be added to the catalogue; "" if it can."""
    if not path.with_suffix(".h5").is_file():
        return f"its codes, {path.with_suffix('.h5')}, are missing"
    try:
        if place == DRAFTS:
            taken = card.name in read_catalog(own=own)
            return "its name belongs to a class" if taken else ""
        with tempfile.TemporaryDirectory() as folder:
            staged = Path(folder) / CLASSES
            staged.mkdir()
            for other in [*(own / CLASSES).glob("*.toml"), path]:
                shutil.copyfile(other, staged / other.name)
            read_catalog(own=folder)
    except CatalogError as error:
        return error.problem
    return ""


def _copy_card(path: Path, folder: Path) -> None:
    """Copy a card and the codes of its events; the card goes last and makes the class count."""
    for suffix in (".h5", ".toml"):
        source = path.with_suffix(suffix)
        with replacing(folder / source.name) as temporary:
            shutil.copyfile(source, temporary)
