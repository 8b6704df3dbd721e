"""Updates of the ledger during a job: file by file, once all triggers found are stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from igwn_segments import segment, segmentlist

from glitchvae.archive.coverage import Coverage, content_of
from glitchvae.archive.journal import Journal
from glitchvae.archive.ledger import (
    SLIVER,
    FileContent,
    Ledger,
    Search,
    SearchedFile,
    embedded_row,
    joined,
    table_of,
)
from glitchvae.errors import GlitchvaeError
from glitchvae.shapes import VIEWS
from glitchvae.strain import StrainSource
from glitchvae.triggers import SearchedCell, Triggers

SEGMENTS = "segments "
"""First word of the name of a limit by the user's segments."""

_LOG = logging.getLogger(__name__)
_HALF = max(VIEWS) / 2  # seconds of an event's pictures on either side of it


class Notes:
    """Rows of the ledger that a job updates.

    Args:
        journal: Of the job.
        coverage: The strain, and what was known of it.
        ledger: As it was before.
        origin: Digests of the model and of the imaging settings.
        problems: Errors of files that could not be read; filled while the job runs.
    """

    def __init__(
        self,
        journal: Journal,
        coverage: Coverage,
        ledger: Ledger,
        origin: tuple[str, str],
        problems: Sequence[GlitchvaeError],
    ) -> None:
        self._journal = journal
        self._coverage = coverage
        self._origin = origin
        self._problems = problems
        self._files: dict[Path, SearchedFile] = {}
        self._told = ledger.embedded(origin, coverage.search.snr).get(
            coverage.search.ifo, segmentlist()
        )
        self._embedded = segmentlist()
        self._open = segmentlist()

    def add(self, cells: Sequence[SearchedCell], coded: Callable[[str], bool]) -> None:
        """Record searched cells whose triggers are stored.

        Args:
            cells: The cells.
            coded: Whether an event has a code.
        """
        changed: set[Path] = set()
        for cell in cells:
            changed |= self._note(cell)
            self._note_codes(cell, coded)
        names = list(self._files)
        for path in sorted(changed):
            table = table_of("searched", [self._files[path].row()])
            self._journal.tell(f"searched-{names.index(path):06d}", table)
        new = (joined(self._embedded) - joined(self._open)) - self._told
        if abs(new) > SLIVER:
            row = embedded_row(self._coverage.search, self._origin, new)
            self._journal.tell("embedded", table_of("embedded", [row]))

    def _note(self, cell: SearchedCell) -> set[Path]:
        """Divide the result of a search of a cell among the files that its samples come from."""
        looked = self._coverage.source.segments & self._coverage.todo
        left = looked & segmentlist([cell.span])
        changed = set()
        for stretch in self._coverage.source.stretches:
            mine = left & segmentlist([segment(stretch.start, stretch.end)])
            if not abs(mine):
                continue
            left -= mine
            file = self._file(stretch.path)
            covered = cell.covered & mine
            # What could not be read now may be there another time.
            file.examined |= covered if self._is_bad(stretch.path) else mine
            file.covered |= covered
            file.searched |= cell.searched & mine
            own = np.array([_near(gps, mine) for gps in cell.triggers.gps], dtype=bool)
            if own.any():
                file.triggers.append(cell.triggers.take(own))
            for second, mark in cell.marks.items():
                if second in mine:
                    file.marks[second] = mark
            changed.add(stretch.path)
        return changed

    def _note_codes(self, cell: SearchedCell, coded: Callable[[str], bool]) -> None:
        span = segmentlist([cell.span])
        self._embedded |= (self._coverage.known & span) | cell.searched
        for event, gps in zip(cell.triggers.event_id, cell.triggers.gps, strict=True):
            if not coded(event):
                self._open |= segmentlist([segment(gps - _HALF, gps + _HALF)])

    def _file(self, path: Path) -> SearchedFile:
        if path not in self._files:
            contents = self._coverage.contents
            self._files[path] = SearchedFile(
                search=self._coverage.search,
                content=contents.get(path, FileContent(path=str(path))),
                extent=_extent(self._coverage.source, path),
            )
        return self._files[path]

    def _is_bad(self, path: Path) -> bool:
        return any(str(problem.where) == str(path) for problem in self._problems)


def given_search(
    source: StrainSource, triggers: Triggers, configuration: Mapping[str, Any]
) -> Search | None:
    """Settings of the search behind given triggers; None without segments.

    Its threshold is that of the triggers' file, where it tells one, else their smallest SNR.

    Args:
        source: Strain, limited to the segments that were searched.
        triggers: All triggers of the file.
        configuration: Options of the run.
    """
    if not any(limit.startswith(SEGMENTS) for limit in source.limits):
        return None
    known = triggers.snr[np.isfinite(triggers.snr)]
    snr = triggers.search.get("snr") or (float(known.min()) if len(known) else None)
    if not isinstance(snr, int | float):
        _LOG.warning("no live time: the triggers have no SNR, so that their threshold is unknown")
        return None
    return Search(
        ifo=source.ifo,
        snr=float(snr),
        settings={"triggers": str(configuration.get("triggers", "given"))},
        sample_rate=source.sample_rate,
        limits=source.limits,
    )


def note_given(
    journal: Journal,
    source: StrainSource,
    triggers: Triggers,
    search: Search,
    origin: tuple[str, str],
    coded: Callable[[str], bool],
) -> None:
    """Record triggers that were given together with their segments.

    Args:
        journal: Of the job; the triggers' rows are in it or in the archive.
        source: Strain, limited to the segments.
        triggers: Of its detector, in the order of time.
        search: As `given_search` says.
        origin: Digests of the model and of the imaging settings.
        coded: Whether an event has a code.
    """
    left, rows = joined(source.segments), []
    for path in source.files:
        extent = _extent(source, path)
        own = left & segmentlist([extent])
        left -= own
        if not abs(own):
            continue
        inside = np.array([gps in own for gps in triggers.gps], dtype=bool)
        file = SearchedFile(
            search=search,
            content=content_of(path),
            extent=extent,
            examined=own,
            covered=own,
            searched=own,
            triggers=[triggers.take(inside)],
        )
        rows.append(file.row())
    if rows:
        journal.tell("searched", table_of("searched", rows))
    without = [
        segment(gps - _HALF, gps + _HALF)
        for event, gps in zip(triggers.event_id, triggers.gps, strict=True)
        if not coded(event)
    ]
    embedded = joined(source.segments) - joined(segmentlist(without))
    if abs(embedded) > SLIVER:
        journal.tell("embedded", table_of("embedded", [embedded_row(search, origin, embedded)]))


def _extent(source: StrainSource, path: Path) -> segment:
    """Time range of the samples of one file."""
    own = [s for s in source.stretches if s.path == path]
    return segment(min(s.start for s in own), max(s.end for s in own))


def _near(gps: float, stretches: segmentlist) -> bool:
    """Whether a time in whole milliseconds lies in segments with finer ends."""
    return any(a - SLIVER <= gps < b + SLIVER for a, b in stretches)
