"""Strain that an archive has searched already, and strain that is left to search.

Strain is known where the ledger tells of a search of the same kind, at the same threshold or
a lower one, of the same samples: of a file of the same content, or of one whose marks (check
sums of a quarter of a second every eight seconds) agree with the samples at hand. A known
file beside the strain at hand is opened again, where it is still what it was, so that a
stretch goes on from one file to the next however they were given.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from igwn_segments import segment, segmentlist

from glitchvae.archive.ledger import SLIVER, FileContent, Ledger, Search, SearchedFile, joined
from glitchvae.errors import GlitchvaeError, InputError
from glitchvae.store import digest
from glitchvae.strain import Strain, StrainSource, Stretch, open_strain
from glitchvae.triggers import Triggers, search_cells
from glitchvae.triggers.clustering import JOIN
from glitchvae.triggers.finding import SearchedCell, cells_of, search_settings, span_of
from glitchvae.triggers.record import triggers_from
from glitchvae.triggers.tiles import MARK, MIN_BLOCK, mark_of, searchable

REACH = 200.0
"""Seconds outside of given strain within which a search or an image may need samples: three
cells, and the edges of a block."""

_LOG = logging.getLogger(__name__)
NOTHING = triggers_from({"gps": [], "ifo": []})
"""No triggers."""


def search_of(source: StrainSource, snr: float) -> Search:
    """The settings with which `embed` searches a source."""
    return Search(
        ifo=source.ifo,
        snr=snr,
        settings=search_settings(),
        sample_rate=source.sample_rate,
        limits=source.limits,
    )


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Searched and unsearched time of a piece of strain and its neighbours.

    Attributes:
        source: The strain at hand and its neighbours.
        own: Time of the strain at hand, with the limits of the search.
        region: That time, and as much of the neighbours as it can complete.
        todo: Time of the region that is left to look at.
        known: Stretches of the region that were searched before.
        triggers: What was found in them.
        search: How is searched.
        contents: The content of each file, by its path.
    """

    source: StrainSource
    own: segmentlist
    region: segmentlist
    todo: segmentlist
    known: segmentlist
    triggers: Triggers | None
    search: Search
    contents: dict[Path, FileContent] = field(default_factory=dict)

    def cells(self, *, device: str = "cpu") -> Iterator[SearchedCell]:
        """Iterate over all cells of the region: stored triggers, and a search of the rest."""
        rest = search_cells(self.source, snr=self.search.snr, within=self.todo, device=device)
        todo = set(cells_of(self.source.segments, self.todo))
        for number in cells_of(self.source.segments, self.region):
            span = span_of(number)
            known = self._known_in(span)
            if number not in todo:
                nothing = segmentlist()
                yield SearchedCell(
                    span=span, triggers=known, covered=nothing, searched=nothing, marks={}
                )
                continue
            cell = next(rest)
            yield dataclasses.replace(cell, triggers=_together(known, cell.triggers))

    def _known_in(self, span: segment) -> Triggers:
        if self.triggers is None:
            return NOTHING
        gps = self.triggers.gps
        return self.triggers.take((gps >= span[0]) & (gps < span[1]))


def _together(known: Triggers, found: Triggers) -> Triggers:
    """Merge triggers of one cell: a new one within `JOIN` of a known one is the same event.

    Two events of one search are at least that far apart; at an edge to which an earlier
    search reached, the same glitch may peak a little before it and a little behind it.
    """
    if not len(known):
        return found
    apart = np.abs(found.gps[:, None] - known.gps[None]).min(axis=1)
    return Triggers.join([known, found.take(apart >= JOIN)]).sorted()


def survey(
    source: StrainSource,
    ledger: Ledger,
    snr: float,
    report: Callable[[GlitchvaeError], None],
    *,
    within: segmentlist | None = None,
) -> Coverage:
    """Compare strain with the ledger: time searched before and time left to search.

    Args:
        source: Strain at hand.
        ledger: Of the archive.
        snr: Threshold of the search.
        report: Told of a neighbour that turns out to be unreadable.
        within: Search this time alone; the rest of the source is context.
    """
    search, whole = search_of(source, snr), source.whole
    own = joined(source.segments if within is None else source.segments & within)
    start, end = whole.segments.extent()
    files = ledger.files(search, start - REACH, end + REACH)
    contents = {path: _content(path, files) for path in source.files}
    digests = {content.digest for content in contents.values()} - {""}
    same, apart = [], []
    for file in files:
        agrees = file.content.digest in digests or _agrees(file, whole)
        if agrees:
            same.append(file)
        elif not _overlap(file, whole):
            apart.append(file)
        if agrees is False:
            _LOG.warning(
                "%s: other samples than %s had at the same time; searched again",
                ", ".join(map(str, source.files)),
                file.content.path,
            )
    source, opened = _with_neighbours(source, [*same, *apart], contents, report)
    time = joined(source.segments)
    examined, covered, searched = (
        joined(*(getattr(file, name) for file in [*same, *opened])) & time
        for name in ("examined", "covered", "searched")
    )
    region = joined([segment(a - MIN_BLOCK, b + MIN_BLOCK) for a, b in own]) & time
    if within is not None:
        region &= within
    unseen = region - examined
    left = searchable(joined(covered, unseen)) - searched
    todo = segmentlist(s for s in joined(unseen, left & region) if abs(s) > SLIVER)
    known = joined((searched & region) - todo)
    return Coverage(
        source=source,
        own=own,
        region=region,
        todo=todo,
        known=known,
        triggers=_found_in(known, [*same, *opened], snr),
        search=search,
        contents=contents,
    )


def content_of(path: Path) -> FileContent:
    """Size, time of change and digest of a file; blank if it is missing or unreadable."""
    try:
        state = path.stat()
        found = digest(path) if path.is_file() else ""
    except OSError:
        return FileContent(path=str(path))
    return FileContent(
        path=str(path.resolve()), digest=found, size=state.st_size, modified=state.st_mtime_ns
    )


def _content(path: Path, files: Sequence[SearchedFile]) -> FileContent:
    """Content of a file; not read again if it is unchanged since it was searched."""
    for file in files:
        if _is_unchanged(path, file.content):
            return file.content
    return content_of(path)


def _is_unchanged(path: Path, content: FileContent) -> bool:
    try:
        state = path.stat()
        there = (str(path.resolve()), state.st_size, state.st_mtime_ns)
    except OSError:
        return False
    return bool(content.digest) and there == (content.path, content.size, content.modified)


def _is_still_there(content: FileContent) -> bool:
    path = Path(content.path)
    if not content.digest:
        return False
    return _is_unchanged(path, content) or content_of(path).digest == content.digest


def _overlap(file: SearchedFile, source: StrainSource) -> segmentlist:
    """Time that a known file and a source have in common."""
    shared = segmentlist([file.extent]) & source.segments
    return segmentlist(s for s in shared if abs(s) > SLIVER)


def _compared(file: SearchedFile, source: StrainSource) -> Iterator[bool]:
    """For each checksum that both have, whether the samples are the same."""
    shared = _overlap(file, source)
    for second, mark in sorted(file.marks.items()):
        if any(second >= a and second + MARK[1] <= b for a, b in shared):
            found = mark_of(_read(source, second), second)
            if found is not None:
                yield found == mark


def _read(source: StrainSource, second: int) -> Strain:
    margin = 2 / source.sample_rate
    return source.read(second - margin, second + MARK[1] + margin)


def _agrees(file: SearchedFile, source: StrainSource) -> bool | None:
    """Whether all compared samples are the same; None if none can be compared."""
    agrees = None
    for agrees in _compared(file, source):
        if not agrees:
            break
    return agrees


def _with_neighbours(
    source: StrainSource,
    files: Sequence[SearchedFile],
    contents: dict[Path, FileContent],
    report: Callable[[GlitchvaeError], None],
) -> tuple[StrainSource, list[SearchedFile]]:
    """The source joined with known adjacent files, and those files."""
    stretches: list[Stretch] = []
    opened: list[SearchedFile] = []
    at_hand = {content.path for content in contents.values()}
    added: set[str] = set()
    for file in files:
        path = Path(file.content.path)
        if file.content.path in at_hand or not _is_still_there(file.content):
            continue
        if file.content.path not in added:
            neighbour = _open(path, source, report)
            if neighbour is None:
                continue
            try:
                StrainSource.join([*source.whole.stretches, *stretches, *neighbour.stretches])
            except InputError as error:
                _LOG.warning("not taken as a neighbour: %s", error)
                continue
            stretches += neighbour.stretches
            added.add(file.content.path)
            contents[path] = file.content
        opened.append(file)
    if not stretches:
        return source, opened
    whole = StrainSource.join([*source.whole.stretches, *stretches])
    if source.allowed is None:
        return whole, opened
    beyond = joined(*(file.covered for file in opened)) - source.whole.segments
    allowed = joined(source.allowed, beyond)
    return (
        dataclasses.replace(
            whole, segments=whole.segments & allowed, limits=source.limits, allowed=allowed
        ),
        opened,
    )


def _open(
    path: Path, source: StrainSource, report: Callable[[GlitchvaeError], None]
) -> StrainSource | None:
    """Open a known file; None if it can no longer be read as strain."""
    try:
        return open_strain(path, ifo=source.ifo, channel=source.channel).with_gaps(report)
    except GlitchvaeError as error:
        _LOG.warning("not taken as a neighbour: %s", error)
        return None


def _found_in(known: segmentlist, files: Sequence[SearchedFile], snr: float) -> Triggers | None:
    """Triggers of known stretches, each once, in the order of time."""
    found = [triggers for file in files for triggers in file.triggers]
    if not found:
        return None
    triggers = Triggers.join(found)
    # Times are whole milliseconds: one may lie that much beyond the end of what was searched.
    within = joined([segment(a - SLIVER, b + SLIVER) for a, b in known])
    wanted = [gps in within for gps in triggers.gps]
    triggers = triggers.take(np.array(wanted, dtype=bool) & (triggers.snr >= np.float32(snr)))
    first = np.unique(triggers.event_id.astype(str), return_index=True)[1]
    return triggers.take(np.sort(first)).sorted()
