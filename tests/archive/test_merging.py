"""Merging archives: everything once, sources untouched, damage left out."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.archive import create_archive
from glitchvae.archive.labels import Label, all_labels, write_labels
from glitchvae.archive.ledger import (
    FileContent,
    Search,
    SearchedFile,
    add_to_ledger,
    ledger_files,
    table_of,
)
from glitchvae.archive.merging import check_sources, merge_archive
from glitchvae.classes.catalog import Evidence
from glitchvae.discovery.decisions import accept, decide, draft_card, write_draft
from tests.archive.test_archive import FORK, START, make_embeddings, make_images, same


def search(archive, start, end, ifo="H1"):
    """Tell the ledger that a stretch was searched."""
    time = segmentlist([segment(start, end)])
    row = SearchedFile(
        search=Search(ifo=ifo, snr=7.5, settings={}, sample_rate=4096.0),
        content=FileContent(path=f"{start}.h5"),
        extent=segment(start, end),
        examined=time,
        covered=time,
        searched=time,
    ).row()
    add_to_ledger(archive.path, [("searched", table_of("searched", [row]))])


def make(path, rows, rng, *, spans=()):
    archive = create_archive(path)
    archive.append(rows, make_images(rows, rng))
    for span in spans:
        search(archive, *span)
    return archive


def content(root):
    """Digest of every file of a folder, but what can be made again."""
    derived = {"archive.duckdb", "classes.parquet"}
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in derived and not path.name.endswith("lock")
    }


@pytest.fixture
def pair(tmp_path, rng):
    """Two archives that share ten events; one of them has a code in the second alone."""
    one = make(tmp_path / "x/one", make_embeddings(20, unusable=(15,)), rng,
               spans=[(START, START + 20)])  # fmt: skip
    rows = make_embeddings(20, start=START + 10)
    two = make(tmp_path / "y/two", rows, rng, spans=[(START + 10, START + 30)])
    return one, two


def test_everything_is_there_once_and_a_code_wins(pair):
    one, two = pair
    before = content(two.path)
    told = merge_archive(one, two.path)
    assert content(two.path) == before
    assert (told.rows, told.known, told.searched) == (11, 9, 1)
    merged = one.embeddings()
    assert len(set(merged.event_id)) == len(merged) == 30
    assert merged.usable.all()
    assert abs(one.live_time()["H1"]) == 30.0
    assert not list(one.verify())
    pictures = one.thumbnails(merged).images
    assert np.isfinite(pictures[:, 0, 0]).all()
    again = content(one.path)
    told = merge_archive(one, two.path)
    assert (told.rows, told.searched) == (0, 0)
    assert content(one.path) == again


def test_merged_rows_are_the_rows(tmp_path, pair):
    _, two = pair
    target = create_archive(tmp_path / "new")
    merge_archive(target, two.path)
    assert same(target.embeddings(), two.embeddings())
    np.testing.assert_array_equal(
        target.thumbnails(target.embeddings()).images, two.thumbnails(two.embeddings()).images
    )
    for place in ("parts", "views"):
        assert content(target.path / place).keys() == content(two.path / place).keys()


def test_parts_of_one_name_both_stay(tmp_path, rng):
    rows = make_embeddings(10)
    one = make(tmp_path / "one", rows.take([0, 2, 9]), rng)
    two = make(tmp_path / "two", rows.take([0, 5, 9]), rng)
    three = make(tmp_path / "three", rows.take([0, 7, 9]), rng)
    for other in (two, three, two, three):
        merge_archive(one, other.path)
    assert list(one.embeddings().event_id) == list(rows.event_id[[0, 2, 5, 7, 9]])
    assert not list(one.verify())


@pytest.mark.parametrize("stop", range(7))
def test_a_kill_at_any_write_loses_nothing(pair, tmp_path, stop, monkeypatch):
    """A process that ends at its n-th rename; the same merge again ends like an undisturbed one."""
    one, two = pair
    one.label({one.embeddings().event_id[0]: "Blip"}, reviewer="A")
    two.label({two.embeddings().event_id[3]: "Tomte"}, reviewer="B")
    whole = tmp_path / "whole" / "one"
    shutil.copytree(one.path, whole)
    merge_archive(type(one)(whole), two.path)

    def interrupted():
        left = [stop]
        rename = type(one.path).replace

        def counted(path, target):
            if not left[0]:
                os._exit(9)
            left[0] -= 1
            return rename(path, target)

        monkeypatch.setattr(type(one.path), "replace", counted)
        merge_archive(one, two.path)
        os._exit(0)

    job = FORK.Process(target=interrupted)
    job.start()
    job.join()
    assert job.exitcode in (0, 9)
    rows = one.embeddings()
    assert set(rows.event_id) >= {f"H1-{START + n:.4f}" for n in range(20)}
    merge_archive(one, two.path)
    assert same(one.embeddings(), type(one)(whole).embeddings())
    assert all_labels(one.path) == all_labels(whole)
    assert one.live_time() == type(one)(whole).live_time()
    assert not list(one.verify())


def test_what_an_interrupted_job_left_is_merged(tmp_path, pair, rng):
    one, two = pair
    late = make_embeddings(3, start=START + 100)
    with pytest.raises(RuntimeError), two.writing() as journal:
        journal.add(late, make_images(late, rng))
        raise RuntimeError
    (folder,) = (two.path / "parts").glob(".running-*")
    before = content(two.path)
    merge_archive(one, two.path)
    assert content(two.path) == before
    assert folder.exists()
    assert set(late.event_id) <= set(one.embeddings().event_id)
    assert not list((one.path / "parts").glob(".running-*"))


def test_damaged_sources_are_left_out_as_a_whole(tmp_path, pair, rng):
    one, two = pair
    other = make(tmp_path / "other", make_embeddings(3, start=START + 200), rng)
    (part,) = (two.path / "parts").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-30])
    chosen, problems = check_sources(one.path, [two.path, other.path, other.path])
    assert chosen == [other.path]
    (problem,) = problems
    assert part.name in str(problem)
    assert "left out as a whole" in str(problem)


@pytest.mark.parametrize("place", ["ledger", "views", "labels.csv"])
def test_any_damage_counts(pair, place):
    one, two = pair
    two.label({two.embeddings().event_id[0]: "Blip"})
    path = two.path / place
    path = next(path.glob("*.parquet")) if path.is_dir() else path
    path.write_bytes(b"\xff\x00nothing")
    chosen, problems = check_sources(one.path, [two.path])
    assert not chosen
    assert path.name in str(problems[0])


def test_itself_nothing_and_another_version_are_refused(tmp_path, pair):
    one, two = pair
    link = tmp_path / "link"
    link.symlink_to(one.path)
    marker = two.path / "archive.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "version": 99}))
    chosen, problems = check_sources(one.path, [one.path, link, tmp_path / "no", two.path])
    assert not chosen
    said = [str(problem) for problem in problems]
    assert "with itself" in said[0]
    assert "with itself" in said[1]
    assert "not an archive" in said[2]
    assert "newer glitchvae" in said[3]


def test_an_archive_without_a_ledger_is_merged_and_said(tmp_path, pair, rng):
    one, _ = pair
    bare = make(tmp_path / "bare", make_embeddings(4, "L1"), rng)
    told = merge_archive(one, bare.path)
    assert told.live_unknown
    assert told.rows == 4
    assert "L1" not in one.live_time()
    assert not ledger_files(bare.path)


def test_the_newest_label_wins_and_differences_are_named(pair):
    one, two = pair
    a, b, c, d = two.embeddings().event_id[:4]
    early, late = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    write_labels(one.path, {
        a: Label(label="Blip", reviewer="A", date=early),
        b: Label(label="Blip", reviewer="A", date=late),
        c: Label(label="Blip"),
    })  # fmt: skip
    write_labels(two.path, {
        a: Label(label="Tomte", reviewer="B", date=late),
        b: Label(label="", reviewer="B", date=early),
        c: Label(label="Tomte"),
        d: Label(label="Whistle", reviewer="B", date=early),
    })  # fmt: skip
    told = merge_archive(one, two.path)
    kept = {event: label.label for event, label in all_labels(one.path).items()}
    assert kept == {a: "Tomte", b: "Blip", c: "Blip", d: "Whistle"}
    assert told.labels == 2
    assert len(told.conflicts) == 3
    assert f"{a}: Tomte (by B {late}) stays, not Blip (by A {early})" in told.conflicts


def decided(archive, name, size=3):
    rows = archive.embeddings()
    members = rows.take(np.flatnonzero(rows.usable)[:size])
    evidence = Evidence(model=rows.model_digest, events=size, medoid=str(members.event_id[0]),
                        p_value=1e-6, stability=0.9, expected_per_month=0.0,
                        nearest=("Blip",))  # fmt: skip
    own = archive.own_catalog
    write_draft(own / "candidates", draft_card(name, members, evidence), members)
    accept(own, name, decide("accepted", "B"))


def test_decisions_come_along_and_those_of_the_target_stay(pair):
    one, two = pair
    decided(one, "Pearls")
    decided(two, "Pearls", size=4)
    decided(two, "Beads")
    mine = (one.own_catalog / "classes/pearls.h5").read_bytes()
    told = merge_archive(one, two.path)
    assert told.decisions == 1
    assert [line for line in told.conflicts if "Pearls" in line]
    assert (one.own_catalog / "classes/pearls.h5").read_bytes() == mine
    assert {"Pearls", "Beads"} <= {card.name for card in one.catalogue()}
    assert merge_archive(one, two.path).decisions == 0


def test_a_class_whose_name_is_taken_is_not_taken_over(pair):
    """A catalogue with two cards of one name could not be read any more."""
    one, two = pair
    decided(one, "Pearls")
    decided(two, "Beads")
    card = two.own_catalog / "classes/beads.toml"
    card.write_text(card.read_text().replace('name = "Beads"', 'name = "Pearls"'))
    told = merge_archive(one, two.path)
    assert told.decisions == 0
    assert any("is not taken" in line for line in told.conflicts)
    assert "Beads" not in {card.name for card in one.catalogue()}
