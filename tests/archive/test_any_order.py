"""Operations on an archive in any order: it holds what a plain dictionary holds.

Two detectors, twelve events each. An event has one row for the model: with a code, or without one
until a row with a code comes. Time is what was searched, in whole seconds.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from igwn_segments import segment, segmentlist

from glitchvae.archive import Archive, create_archive
from glitchvae.archive.ledger import (
    FileContent,
    Search,
    SearchedFile,
    add_to_ledger,
    table_of,
)
from glitchvae.archive.merging import merge_archive
from glitchvae.embedding import Embeddings, read_embeddings
from glitchvae.errors import ArchiveError
from tests.archive.rows import START, make_embeddings

IFOS = ("H1", "L1")
EVENTS = 12
CLASSES = ("Blip", "Whistle", "Tomte")
GOOD = {ifo: make_embeddings(EVENTS, ifo, seed=n) for n, ifo in enumerate(IFOS)}
WITHOUT = {
    ifo: make_embeddings(EVENTS, ifo, seed=n, unusable=range(EVENTS)) for n, ifo in enumerate(IFOS)
}
NAMES = [str(event) for rows in GOOD.values() for event in rows.event_id]

ifos = st.sampled_from(IFOS)
numbers = st.sets(st.integers(0, EVENTS - 1), min_size=1)
spans = st.tuples(st.integers(0, EVENTS - 1), st.integers(1, EVENTS)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)


class Expected:
    """What an archive should hold."""

    def __init__(self) -> None:
        self.coded: dict[str, bool] = {}
        self.labels: dict[str, str] = {}
        self.seconds: dict[str, set[int]] = {ifo: set() for ifo in IFOS}

    def add(self, rows: Embeddings) -> None:
        for event, usable in zip(rows.event_id, rows.usable, strict=True):
            self.coded[event] = self.coded.get(event, False) or bool(usable)

    def join(self, other: "Expected") -> None:
        for event, usable in other.coded.items():
            self.coded[event] = self.coded.get(event, False) or usable
        for ifo in IFOS:
            self.seconds[ifo] |= other.seconds[ifo]
        self.labels |= other.labels

    def stretches(self, ifo: str) -> segmentlist:
        each = [segment(START + second, START + second + 1) for second in self.seconds[ifo]]
        return segmentlist(each).coalesce()


def add_searched(archive: Archive, ifo: str, first: int, last: int) -> None:
    time = segmentlist([segment(START + first, START + last)])
    row = SearchedFile(
        search=Search(ifo=ifo, snr=7.5, settings={}, sample_rate=4096.0),
        content=FileContent(path=f"{ifo}-{first}-{last}.h5"),
        extent=time[0],
        examined=time,
        covered=time,
        searched=time,
    ).row()
    add_to_ledger(archive.path, [("searched", table_of("searched", [row]))])


class AnyOrder(RuleBasedStateMachine):
    """An archive beside a dictionary."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="any-order-"))
        self.archive = create_archive(self.folder / "archive")
        self.expected = Expected()
        self.exports = 0
        self.spoken_of: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "archive"):
            self.compare()
            shutil.rmtree(self.folder)

    @rule(ifo=ifos, which=numbers, coded=st.booleans())
    def append(self, ifo: str, which: set[int], coded: bool) -> None:
        rows = (GOOD if coded else WITHOUT)[ifo].take(sorted(which))
        self.archive.append(rows)
        self.expected.add(rows)

    @rule(ifo=ifos, span=spans)
    def search(self, ifo: str, span: tuple[int, int]) -> None:
        add_searched(self.archive, ifo, *span)
        self.expected.seconds[ifo] |= set(range(*span))

    @rule(events=st.sets(st.sampled_from(NAMES), min_size=1, max_size=3))
    def remove_events(self, events: set[str]) -> None:
        there = events & self.expected.coded.keys()
        if not there:
            with pytest.raises(ArchiveError, match="holds no row"):
                self.archive.remove(ids=events)
            return
        assert self.archive.remove(ids=events).found == there
        for event in there:
            del self.expected.coded[event]

    @rule(ifo=st.one_of(st.none(), ifos), span=spans)
    def remove_time(self, ifo: str | None, span: tuple[int, int]) -> None:
        here, time = IFOS if ifo is None else (ifo,), set(range(*span))
        gone = {
            str(event)
            for each in here
            for second, event in enumerate(GOOD[each].event_id)
            if second in time and event in self.expected.coded
        }
        remove = {"since": START + span[0], "until": START + span[1], "ifo": ifo}
        if not gone and not any(self.expected.seconds[each] & time for each in here):
            with pytest.raises(ArchiveError, match="holds no row"):
                self.archive.remove(**remove)
            return
        assert self.archive.remove(**remove, dry_run=True).events == len(gone)
        assert self.archive.remove(**remove).events == len(gone)
        for event in gone:
            del self.expected.coded[event]
        for each in here:
            self.expected.seconds[each] -= time

    @precondition(lambda self: self.expected.coded)
    @rule(data=st.data(), name=st.sampled_from(CLASSES))
    def label(self, data: st.DataObject, name: str) -> None:
        event = data.draw(st.sampled_from(sorted(self.expected.coded)))
        self.archive.label({event: name}, reviewer="somebody")
        self.expected.labels[event] = name
        self.spoken_of.add(event)

    @precondition(lambda self: self.expected.labels)
    @rule(data=st.data())
    def unlabel(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(sorted(self.expected.labels)))
        assert self.archive.unlabel([event]) == {event: self.expected.labels.pop(event)}

    @rule(ifo=ifos, which=numbers, coded=st.booleans(), span=spans, labelled=st.booleans())
    def merge(
        self, ifo: str, which: set[int], coded: bool, span: tuple[int, int], labelled: bool
    ) -> None:
        rows = (GOOD if coded else WITHOUT)[ifo].take(sorted(which))
        other, expected = create_archive(self.folder / "other"), Expected()
        other.append(rows)
        add_searched(other, ifo, *span)
        expected.add(rows)
        expected.seconds[ifo] = set(range(*span))
        event = str(rows.event_id[0])
        if labelled and event not in self.spoken_of:  # which label is newer is no matter here
            other.label({event: "Blip"})
            expected.labels[event] = "Blip"
            self.spoken_of.add(event)
        merge_archive(self.archive, other.path)
        self.expected.join(expected)
        shutil.rmtree(other.path)

    @rule()
    def open_again_without_what_can_be_made(self) -> None:
        (self.archive.path / "archive.duckdb").unlink(missing_ok=True)
        self.archive = Archive(self.archive.path)

    @precondition(lambda self: self.expected.coded)
    @rule(suffix=st.sampled_from(("h5", "parquet", "csv", "ecsv")))
    def export(self, suffix: str) -> None:
        self.exports += 1
        path = self.folder / f"export-{self.exports}.{suffix}"
        assert self.archive.export(path) == len(self.expected.coded)
        self.compare_rows(read_embeddings(path))

    @rule()
    def compare(self) -> None:
        assert list(self.archive.verify()) == []
        assert self.archive.has(NAMES) == self.expected.coded.keys()
        for ifo in IFOS:
            there = self.archive.live_time().get(ifo, segmentlist())
            assert segmentlist(there).coalesce() == self.expected.stretches(ifo)
        if self.expected.coded:
            self.compare_rows(self.archive.embeddings())

    def compare_rows(self, rows: Embeddings) -> None:
        assert sorted(rows.event_id) == sorted(self.expected.coded)
        for ifo in IFOS:
            mine = rows.take(rows.ifo == ifo)
            coded = np.array([self.expected.coded[event] for event in mine.event_id], bool)
            place = np.rint(mine.gps - START).astype(int)
            assert mine.usable.tolist() == coded.tolist()
            np.testing.assert_array_equal(mine.mean[coded], GOOD[ifo].mean[place[coded]])
            np.testing.assert_array_equal(mine.snr, GOOD[ifo].snr[place])
            said = {e: label for e, label in zip(mine.event_id, mine.label, strict=True) if label}
            assert said == {e: self.expected.labels[e] for e in mine.event_id if e in said}
            assert said.keys() == self.expected.labels.keys() & set(mine.event_id)


_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


class TestAnyOrder(AnyOrder.TestCase):
    settings = settings(
        max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=_QUIET
    )


@pytest.mark.slow
@pytest.mark.timeout(7200)
class TestAnyOrderForLong(AnyOrder.TestCase):
    settings = settings(
        max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=_QUIET
    )
