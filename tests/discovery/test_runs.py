"""Folders of results: complete or not there, and known when they are half-written."""

import json

import pytest

from glitchvae.discovery.runs import CARD, check_target, read_run, writing_run
from glitchvae.errors import InputError, StorageError


def make(folder, text="hello", **options):
    with writing_run(folder, {"events": 3, "p": float("nan")}, **options) as aside:
        (aside / "part").mkdir()
        (aside / "part" / "a.txt").write_text(text)


def test_a_run_comes_back(tmp_path):
    make(tmp_path / "run")
    card = read_run(tmp_path / "run")
    assert card.summary["events"] == 3
    assert list(card.files) == ["part/a.txt"]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["part", CARD]


def test_a_block_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), writing_run(tmp_path / "run", {}) as aside:
        (aside / "a.txt").write_text("half")
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_run_is_replaced_only_when_asked(tmp_path):
    make(tmp_path / "run")
    with pytest.raises(InputError, match="--replace"):
        make(tmp_path / "run")
    make(tmp_path / "run", "again", replace=True)
    assert (tmp_path / "run" / "part" / "a.txt").read_text() == "again"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_failure_keeps_the_earlier_run(tmp_path):
    make(tmp_path / "run")
    with pytest.raises(ZeroDivisionError), writing_run(tmp_path / "run", {}, replace=True):
        _ = 1 / 0
    assert read_run(tmp_path / "run").files.keys() == {"part/a.txt"}


def test_what_a_killed_run_left_is_removed(tmp_path):
    left = tmp_path / ".run.abc.part"
    left.mkdir()
    (left / ".lock").touch()
    (left / "a.txt").write_text("half")
    make(tmp_path / "run")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_run_that_is_being_written_is_let_be(tmp_path):
    with writing_run(tmp_path / "run", {}) as aside:
        make(tmp_path / "run", "faster")
        assert aside.exists()
        (tmp_path / "run").rename(tmp_path / "other")
    assert read_run(tmp_path / "run").files == {}


def test_files_of_others_are_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"no complete run.*thesis\.tex"):
        check_target(tmp_path, replace=True)
    with pytest.raises(InputError, match="not a folder"):
        check_target(tmp_path / "thesis.tex", replace=True)
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")


def test_a_half_written_run_is_told(tmp_path):
    make(tmp_path / "run")
    (tmp_path / "run" / "part" / "a.txt").unlink()
    with pytest.raises(InputError, match=r"the run is not complete.*part/a\.txt"):
        read_run(tmp_path / "run")
    (tmp_path / "run" / CARD).unlink()
    with pytest.raises(InputError, match="is not a complete run"):
        read_run(tmp_path / "run")
    with pytest.raises(InputError, match="the run does not exist"):
        read_run(tmp_path / "none")


@pytest.mark.parametrize("change", [{"schema_version": 99}, {"files": None}])
def test_a_card_of_another_kind_is_refused(tmp_path, change):
    make(tmp_path / "run")
    path = tmp_path / "run" / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match="the card of the run cannot be read"):
        read_run(tmp_path / "run")


def test_a_disk_that_refuses_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="the folder cannot be written"):
        make(tmp_path / "file" / "run")
