"""The recipe of the default model: rehearsed end to end, and its shipped settings."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import read_toml
from glitchvae.recipes import find_recipe, run_recipe
from glitchvae.spectrogram import imaging_settings
from glitchvae.training import changed_config


def test_a_rehearsal_makes_a_checkpoint_and_repeats_nothing(tmp_path):
    recipe = find_recipe("train_default_model")
    with redirect_stdout(StringIO()) as told, redirect_stderr(StringIO()) as said:
        run_recipe(recipe, tmp_path, tiny=True)
    checkpoint = load_checkpoint(tmp_path / "model")
    assert told.getvalue().strip() == str(tmp_path / "model")
    assert checkpoint.card.steps == 5
    assert checkpoint.card.data.description == "light-1.h5"
    assert "simulating 24 events" in said.getvalue()

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as again:
        run_recipe(recipe, tmp_path, tiny=True)
    assert "simulating" not in again.getvalue()
    weights = load_checkpoint(tmp_path / "model").card.weights_digest
    assert weights == checkpoint.card.weights_digest


def test_the_shipped_settings_are_valid():
    values = read_toml(find_recipe("train_default_model").config)
    assert values["without"] == []
    training = changed_config(values["training"], {})
    assert training.objective.model_dump()["name"] == "consistent"
    assert training.augmentation.positive_pairs
    for each in values["sets"]:
        imaging_settings(each["imaging"])


def test_a_class_can_be_kept_from_the_model(tmp_path):
    recipe = find_recipe("train_default_model")
    text = recipe.config.read_text(encoding="utf-8")
    config = tmp_path / "without.toml"
    config.write_text(text.replace("without = []", 'without = ["Whistle"]'), encoding="utf-8")
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_recipe(recipe, tmp_path / "out", config=config, tiny=True)
    checkpoint = load_checkpoint(tmp_path / "out" / "model")
    assert checkpoint.card.data.description == "light-1.h5 without Whistle"
    assert checkpoint.prototypes is not None
    assert "Whistle" not in checkpoint.prototypes.names
