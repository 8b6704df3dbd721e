"""The recipe from simulated to real images: rehearsed end to end, and refused without data."""

import csv
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
from PIL import Image

from glitchvae.errors import ConfigError
from glitchvae.recipes import find_recipe, run_recipe


@pytest.fixture(scope="module")
def config(tmp_path_factory, save_untrained):
    """Settings with an untrained little model: what counts here is the bookkeeping."""
    folder = tmp_path_factory.mktemp("settings")
    model = save_untrained(folder / "model")
    text = find_recipe("sim_to_real").config.read_text(encoding="utf-8")
    path = folder / "sim_to_real.toml"
    path.write_text(text.replace('"simulated"', f'"{model}"'), encoding="utf-8")
    return path


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_rehearsal_scores_every_question(config, tmp_path):
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()):
        run_recipe(find_recipe("sim_to_real"), tmp_path, config=config, tiny=True)
    with (tmp_path / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["what"].split(",")[0] for row in rows} == {"sim to real", "one-shot"}
    for row in rows:
        assert 0 <= float(row["value"]) <= 1
        assert float(row["lowest"]) <= float(row["highest"])
        assert row["what"] in told.getvalue()
    with (tmp_path / "predictions.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 1 + 24
    for picture in tmp_path.glob("*.png"):
        with Image.open(picture) as opened:
            opened.verify()
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_missing_sets_are_said_with_their_pattern(config, tmp_path, monkeypatch):
    monkeypatch.delenv("GLITCHVAE_TEST_DATA", raising=False)
    with pytest.raises(ConfigError, match=r"sim_to_real\.toml: no file matches"):
        run_recipe(find_recipe("sim_to_real"), tmp_path, config=config)
