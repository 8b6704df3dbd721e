"""The recipe that measures a model: every figure of it, on simulated events alone."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
from PIL import Image

from glitchvae.config import read_config
from glitchvae.errors import InputError
from glitchvae.recipes import find_recipe, load_main, run_recipe


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_a_rehearsal_measures_everything_that_needs_no_real_data(tmp_path):
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()):
        run_recipe(find_recipe("default_model_bars"), tmp_path, tiny=True)
    with (tmp_path / "bars.csv").open(encoding="utf-8") as file:
        found = {(row["what"], row["measure"]): float(row["value"]) for row in csv.DictReader(file)}
    assert found["same events at lower rates", "same class at 16384 Hz"] == 1
    assert all(measure in told.getvalue() for _, measure in found)
    for (_, measure), value in found.items():
        if measure in ("accuracy", "macro_f1", "purity", "nmi", "calibration error"):
            assert 0 <= value <= 1
    with (tmp_path / "rates.csv").open(encoding="utf-8") as file:
        rates = list(csv.DictReader(file))
    assert len(rates) == 4 * len({row["class"] for row in rates}) == 4 * 24
    with Image.open(tmp_path / "reliability.png") as picture:
        picture.verify()


def test_the_shipped_settings_are_valid():
    recipe = find_recipe("default_model_bars")
    settings = load_main(recipe).__globals__["DefaultModelBarsSettings"]
    assert read_config(settings, recipe.config).model == "default"


def measured(folder):
    with (folder / "bars.csv").open(encoding="utf-8") as file:
        return {(row["what"], row["measure"]): float(row["value"]) for row in csv.DictReader(file)}


def test_real_events_that_are_not_there_make_no_table(tmp_path, monkeypatch):
    monkeypatch.setenv("GLITCHVAE_TEST_DATA", str(tmp_path / "absent"))
    recipe = find_recipe("real_event_bars")
    refused = pytest.raises(InputError, match=r"real_event_bars\.toml: nothing to measure")
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as told, refused:
        run_recipe(recipe, tmp_path / "out")
    assert told.getvalue().count("left out") == 4
    assert not (tmp_path / "out" / "bars.csv").exists()


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_a_rehearsal_of_real_events_measures_simulated_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("GLITCHVAE_TEST_DATA", str(tmp_path / "absent"))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as told:
        run_recipe(find_recipe("real_event_bars"), tmp_path / "out", tiny=True)
    assert "left out" not in told.getvalue()
    found = measured(tmp_path / "out")
    assert 0 <= found["labelled images, simulated.h5", "accuracy"] <= 1
    assert ("labelled strain, 2 glitches", "same class") in found
    assert ("Chirp.hdf5", "is a Chirp") in found


@pytest.mark.whole
@pytest.mark.data
def test_real_events_and_mergers_are_scored(tmp_path, real_data, monkeypatch):
    monkeypatch.setenv("GLITCHVAE_TEST_DATA", str(real_data))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_recipe(find_recipe("real_event_bars"), tmp_path, changes=("labels=[]",))
    found = measured(tmp_path)
    assert 0.3 < found["labelled images, real_events.h5", "accuracy"] <= 1
    assert sum(measure == "is a Chirp" for _, measure in found) >= 3
