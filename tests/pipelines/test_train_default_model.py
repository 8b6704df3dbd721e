"""The recipe of the default model: rehearsed end to end, and its shipped settings."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
import tomli_w

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import read_toml
from glitchvae.models import architecture_of, build
from glitchvae.recipes import find_recipe, load_main, run_recipe
from glitchvae.simulate import Truth, simulate_strain
from glitchvae.spectrogram import imaging_settings
from glitchvae.strain import write_gwosc
from glitchvae.training import changed_config


@pytest.mark.whole
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


def test_the_settings_for_hours_are_valid():
    recipe = find_recipe("train_default_model")
    values = read_toml(recipe.place / "simulated.toml")
    sets = load_main(recipe).__globals__["SetSettings"]
    wanted = [sets.model_validate(each) for each in values["sets"]]
    assert sum(each.share for each in wanted) == pytest.approx(1)
    assert len({(each.imaging, each.seed) for each in wanted}) == len(wanted)
    for each in wanted:
        assert 1 - sum(each.rates.values()) > 0.3
        assert sum(each.splits.values()) == pytest.approx(1)
        imaging_settings(each.imaging)
    training = changed_config(values["training"], {})
    assert training.augmentation.zoomed_views >= 0.3
    assert training.augmentation.most_hidden == 3


@pytest.mark.whole
@pytest.mark.parametrize(("name", "layers"), [("annealed", [64]), ("seatbelt", [48, 16])])
def test_the_models_of_the_papers_are_trained_on_the_same_sets(name, layers, tmp_path):
    recipe = find_recipe("train_default_model")
    values = read_toml(recipe.place / f"{name}.toml")
    training = changed_config(values["training"], {})
    assert training.objective.model_dump()["name"] == name
    assert list(build(architecture_of(training.model), training.model).layers) == layers
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        run_recipe(recipe, tmp_path, config=recipe.place / f"{name}.toml", tiny=True)
    checkpoint = load_checkpoint(tmp_path / "model")
    assert checkpoint.card.objective["name"] == name
    assert checkpoint.card.latent_size == sum(layers)


@pytest.mark.whole
def test_real_noise_goes_into_the_sets_and_labelled_files_lend_none(tmp_path, capsys):
    for name in ("lent", "labelled"):
        strain, _ = simulate_strain(48.0, "L1", 3, sample_rate=1024.0, glitches=0)
        write_gwosc(tmp_path / f"{name}.hdf5", strain)
    (tmp_path / "labels.csv").write_text("file,gps\nlabelled.hdf5,1\n")
    recipe = find_recipe("train_default_model")
    config = tmp_path / "noise.toml"
    text = tomli_w.dumps(
        {
            "noise": {
                "files": [str(tmp_path / "*.hdf5")],
                "labels": [str(tmp_path / "labels.csv")],
            },
            "sets": [
                {
                    "imaging": "light",
                    "count": 16,
                    "seed": seed,
                    "real_noise": 1.0,
                    "share": share,
                    "rates": {"1024": 0.99},
                }
                for seed, share in ((1, 0.75), (2, 0.25))
            ],
            "training": {
                "steps": 3,
                "batch_size": 4,
                "objective": {"name": "labelled"},
                "model": {"image_shape": [70, 85], "widths": [4, 8], "hidden": 8},
                "augmentation": {"positive_pairs": True, "zoomed_views": 0.5},
            },
        },
    )
    config.write_text(text, encoding="utf-8")
    run_recipe(recipe, tmp_path / "run", config=config)
    assert "1 donors with" in capsys.readouterr().err
    truth = Truth.read(tmp_path / "run" / "sets" / "light-1_truth.h5")
    lent = ["noise_gps" in truth.parameters_of(row) for row in range(len(truth))]
    assert any(lent)
    card = load_checkpoint(tmp_path / "run" / "model").card
    assert card.data.description == "light-1.h5 + light-2.h5"
    assert card.objective["name"] == "labelled"


@pytest.mark.whole
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
