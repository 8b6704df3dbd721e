"""The census recipe: rehearsed end to end on simulated strain, and its arithmetic."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest
from igwn_segments import segment, segmentlist

from glitchvae.archive import Archive
from glitchvae.errors import ConfigError, GlitchvaeError
from glitchvae.recipes import find_recipe, load_main, run_recipe

CLASSES = np.array(["Blip", "Tomte"] * 10, dtype=object)


@pytest.fixture(scope="module")
def settings(tmp_path_factory, save_untrained):
    """Settings with an untrained little model: what counts here is the bookkeeping."""
    folder = tmp_path_factory.mktemp("census")
    codes = np.random.default_rng(1).normal(size=(20, 3))
    model = save_untrained(folder / "model", codes, CLASSES)
    config = folder / "census.toml"
    config.write_text(f'files = []\nmodel = "{model}"\n', encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def out(settings, tmp_path_factory):
    """The results of a rehearsal, and what it said."""
    folder = tmp_path_factory.mktemp("out")
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()) as problems:
        run_recipe(find_recipe("census"), folder, config=settings, tiny=True)
    (folder / "stdout.txt").write_text(told.getvalue(), encoding="utf-8")
    (folder / "stderr.txt").write_text(problems.getvalue(), encoding="utf-8")
    return folder


@pytest.fixture
def table(out):
    with (out / "census.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_counts_every_event_of_the_archive_once(out, table):
    events = Archive(out / "archive").embeddings()
    assert len(events) > 0
    numbers = {(row["ifo"], row["class_name"]): int(row["glitches"]) for row in table}
    for ifo in ("H1", "L1"):
        total = numbers.pop((ifo, "all"))
        assert total == np.sum(events.ifo == ifo)
        assert total == sum(number for (name, _), number in numbers.items() if name == ifo)
    assert {name for _, name in numbers if "(" not in name} <= set(CLASSES)


def test_a_detector_without_glitches_has_an_upper_limit():
    count_classes = load_main(find_recipe("census")).__globals__["count_classes"]
    (none,) = count_classes({"V1": {}}, {"V1": segmentlist([segment(0, 7200)])}, 0.9)
    assert none[:3] == ("V1", "all", 0)
    assert none.rate == none.lowest == 0
    assert none.highest == pytest.approx(-np.log(0.05) / 2)


def test_rates_are_per_hour_of_live_time_inside_their_interval(table):
    for row in table:
        hours, rate = float(row["hours"]), float(row["rate"])
        assert hours * 3600 == pytest.approx(64)
        assert rate == pytest.approx(int(row["glitches"]) / hours)
        assert float(row["lowest"]) < rate < float(row["highest"])


def test_a_damaged_file_is_named_and_left_out(out, table):
    said = (out / "stderr.txt").read_text(encoding="utf-8")
    lines = [line.split(": ")[0] for line in said.splitlines() if not line.startswith("Rehearsal")]
    assert lines == ["done", "left out", "done"]
    assert "2_damaged.hdf5" in said
    printed = (out / "stdout.txt").read_text(encoding="utf-8").splitlines()
    assert len(printed) == 1 + len(table)


def test_running_again_adds_nothing(settings, out, table):
    before = len(Archive(out / "archive").embeddings())
    run_recipe(find_recipe("census"), out, config=settings, tiny=True)
    assert len(Archive(out / "archive").embeddings()) == before
    with (out / "census.csv").open(encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == table


def test_no_file_is_said_with_the_patterns(settings, tmp_path):
    config = tmp_path / "census.toml"
    config.write_text(f'files = ["{tmp_path}/*.hdf5"]', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"census\.toml: no file matches"):
        run_recipe(find_recipe("census"), tmp_path / "out", config=config)


def test_nothing_but_damaged_files_is_an_error(settings, tmp_path):
    (tmp_path / "a.hdf5").write_bytes(b"damaged")
    config = tmp_path / "census.toml"
    text = settings.read_text().replace("[]", f'["{tmp_path}/*.hdf5"]')
    config.write_text(text, encoding="utf-8")
    with pytest.raises(GlitchvaeError, match="none of the 1 files could be used"):
        run_recipe(find_recipe("census"), tmp_path / "out", config=config)
