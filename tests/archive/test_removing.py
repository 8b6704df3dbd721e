"""Removing rows: nothing else goes, live time stays right, and a kill loses nothing more."""

import contextlib
import os

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.archive.ledger import Ledger
from glitchvae.errors import ArchiveError, InputError
from tests.archive.test_archive import FORK, START, make_embeddings, make_images, same
from tests.archive.test_merging import content, make, search


@pytest.fixture
def archive(tmp_path, rng):
    """Twenty events of H1 and five of L1, both searched."""
    archive = make(tmp_path / "archive", make_embeddings(20, unusable=(7,)), rng,
                   spans=[(START - 5, START + 25)])  # fmt: skip
    rows = make_embeddings(5, "L1")
    archive.append(rows, make_images(rows, rng))
    search(archive, START, START + 10, "L1")
    return archive


def test_a_dry_run_changes_nothing(archive):
    before = content(archive.path)
    removal = archive.remove(since=START + 3, until=START + 6, dry_run=True)
    assert (removal.rows, removal.events, removal.parts) == (6 - 1, 6 - 1, 2)
    assert removal.live == {"H1": 3.0, "L1": 3.0}
    assert content(archive.path) == before


def test_a_span_takes_its_searched_time_along(archive):
    rows = archive.embeddings()
    pictures = archive.thumbnails(rows).images
    archive.remove(since=START + 3, until=START + 6, ifo="H1")
    left = archive.embeddings()
    kept = (rows.ifo == "L1") | (rows.gps < START + 3) | (rows.gps >= START + 6)
    assert same(left, rows.take(kept))
    np.testing.assert_array_equal(archive.thumbnails(left).images, pictures[kept])
    expected = segmentlist([segment(START - 5, START + 3), segment(START + 6, START + 25)])
    assert archive.live_time()["H1"] == expected
    assert abs(archive.live_time()["L1"]) == 10.0
    assert not list(archive.verify())


def test_events_go_and_their_time_stays(archive):
    rows = archive.embeddings()
    gone = [str(rows.event_id[2]), "H1-nobody"]
    removal = archive.remove(ids=gone)
    assert removal.found == {gone[0]}
    assert gone[0] not in archive.embeddings().event_id
    assert len(archive.embeddings()) == 24
    assert abs(archive.live_time()["H1"]) == 30.0
    assert not list(archive.verify())


def test_everything_of_a_detector_can_go(archive):
    archive.remove(since=0.0, ifo="L1")
    assert set(archive.embeddings().ifo) == {"H1"}
    assert "L1" not in Ledger(archive.path).live()
    assert len(list((archive.path / "views").glob("*.parquet"))) == 1
    assert not list(archive.verify())


@pytest.mark.parametrize("stop", range(8))
def test_a_kill_leaves_more_and_never_less(archive, stop, monkeypatch):
    """A process that ends at its n-th rename or removal of a file."""
    rows = archive.embeddings()
    stays = (rows.gps < START) | (rows.gps >= START + 6)

    def interrupted():
        left = [stop]

        def counted(change):
            def step(path, *arguments, **options):
                if not left[0]:
                    os._exit(9)
                left[0] -= not path.name.startswith(".")
                return change(path, *arguments, **options)

            return step

        kind = type(archive.path)
        rename = kind.replace
        unlink = kind.unlink

        def replace(path, target):
            if not left[0]:
                os._exit(9)
            left[0] -= 1
            return rename(path, target)

        monkeypatch.setattr(kind, "replace", replace)
        monkeypatch.setattr(kind, "unlink", counted(unlink))
        archive.remove(since=START, until=START + 6)
        os._exit(0)

    job = FORK.Process(target=interrupted)
    job.start()
    job.join()
    assert job.exitcode in (0, 9)
    there = set(archive.embeddings().event_id)
    assert there >= set(rows.event_id[stays])
    assert there <= set(rows.event_id)
    with contextlib.suppress(ArchiveError):  # which says that nothing is left to remove
        archive.remove(since=START, until=START + 6)
    assert set(archive.embeddings().event_id) == set(rows.event_id[stays])
    assert abs(archive.live_time()["H1"]) == 24.0
    assert not list(archive.verify())


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ({}, InputError, "it is not given what"),
        ({"ids": ["a"], "since": 3.0}, InputError, "it is not given what"),
        ({"ids": ["a"], "ifo": "H1"}, InputError, "it is not given what"),
        ({"since": 5.0, "until": 5.0}, InputError, "since < until"),
        ({"ids": ["nobody"]}, ArchiveError, "holds no row"),
        ({"since": 5.0, "until": 6.0}, ArchiveError, "holds no row"),
        ({"model": "two"}, ArchiveError, "no codes of model 'two'"),
        ({"model": "one"}, ArchiveError, "the only model"),
    ],
)
def test_what_cannot_be_removed(archive, what, error, message):
    before = content(archive.path)
    with pytest.raises(error, match=message):
        archive.remove(**what)
    assert content(archive.path) == before


def test_a_model_stays_where_an_event_would_be_lost(archive, rng, tmp_path):
    """The other model lacks one row, and the code of another."""
    old = archive.embeddings()
    new = make_embeddings(20, model="two", size=6)
    archive.append(new.take(slice(0, 19)), make_images(new.take(slice(0, 19)), rng))
    with pytest.raises(ArchiveError, match=r"6 events have no row or code but that of one"):
        archive.remove(model="one")
    rest = make_embeddings(5, "L1", model="two", size=6)
    archive.append(rest, make_images(rest, rng))
    archive.append(new.take([19]))  # its picture is not kept
    with pytest.raises(ArchiveError, match=r"1 events have no picture .*H1-1126259481"):
        archive.remove(model="one")
    assert same(archive.embeddings(model="one"), old)
    archive.remove(ids=[str(new.event_id[19])])
    archive.remove(model="one")
    assert len(archive.embeddings()) == 24
    assert not list(archive.verify())
