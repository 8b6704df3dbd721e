"""Settings of a run: from a file and options, with every mistake named."""

import tomllib

import pytest
import tomli_w
import torch

from glitchvae.classes.model_card import read_card
from glitchvae.errors import ConfigError
from glitchvae.models import architecture_of, build, takes_views
from glitchvae.objectives import OBJECTIVES, Annealed, Beta
from glitchvae.training import TrainingConfig, changed_config, read_training_config, train


def test_a_file_and_options_make_the_settings(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        'steps = 7\n[objective]\nname = "annealed"\nbeta0 = 50\n[model]\nlatent_size = 8\n'
    )
    found = read_training_config(path, seed=3, batch_size=None)
    assert (found.steps, found.seed, found.batch_size) == (7, 3, 64)
    assert found.objective == Annealed(beta0=50)
    assert found.model.latent_size == 8
    assert read_training_config(path, objective="annealed").objective == Annealed(beta0=50)
    assert read_training_config(path, objective="beta").objective == Beta()
    assert read_training_config() == TrainingConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 3", "unknown key 'stepz' .*'steps'"),
        ('[objective]\nname = "bata"', "unknown objective 'bata' .*'beta'"),
        ("batch_size = 0", "batch_size"),
        ('[model]\narchitecture = "glitsch"', "unknown architecture 'glitsch' .*'glitch'"),
        ("[augmentation]\ntime_shft = 1", "augmentation.time_shft.*'time_shift'"),
        (
            "[objective]\nname = 'factor'\ndiscriminator_widht = 1",
            "'discriminator_widht' .*'discriminator_width'",
        ),
        ("[model]\nwidth = 3", r"\[model\]: unknown key 'width' .*'widths'"),
    ],
)
def test_bad_settings_are_named(text, message, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"run\.toml.*{message}"):
        read_training_config(path)


@pytest.mark.parametrize(
    "table",
    [
        {"architecture": "image", "network": "reference", "likelihood": "gaussian"},
        {"architecture": "hierarchy", "latent_sizes": [12, 6], "likelihood_on": "all"},
        {"architecture": "glitch", "latent_size": 8},
        {"latent_size": 8},
    ],
)
def test_settings_of_any_architecture_come_back_from_text(table):
    found = changed_config({"model": table, "objective": {"name": "beta"}}, {})
    assert architecture_of(found.model) == table.get("architecture", "glitch")
    assert TrainingConfig.model_validate_json(found.model_dump_json()) == found
    toml = tomllib.loads(tomli_w.dumps(found.model_dump(mode="json", exclude_none=True)))
    assert changed_config(toml, {}) == found


HIERARCHIES = {"dlgm": "first", "tc-dlgm": "first", "seatbelt": "all"}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_for_hierarchies_bring_theirs(name):
    found = read_training_config(objective=name)
    assert found == TrainingConfig(objective=OBJECTIVES[name]())
    assert TrainingConfig.model_validate_json(found.model_dump_json()) == found
    model = build(architecture_of(found.model), found.model.model_dump())
    found.objective.check(model)
    assert takes_views(model)
    if name in HIERARCHIES:
        assert model.layers == (48, 24, 12, 6)
        assert model.settings.likelihood_on == HIERARCHIES[name]
    else:
        assert model.layers == (32,)


def test_a_hierarchy_takes_its_likelihood_from_the_objective_and_keeps_what_is_given(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[model]\narchitecture = "hierarchy"\nlatent_sizes = [5, 3]\n')
    for name, on in HIERARCHIES.items():
        model = read_training_config(path, objective=name).model
        assert (model.latent_sizes, model.likelihood_on, model.network) == ((5, 3), on, "burgess")
    values = {"model": {"likelihood_on": "all", "latent_sizes": [5, 3]}}
    given = changed_config({**values, "objective": {"name": "dlgm"}}, {}).model
    assert (given.likelihood_on, given.latent_sizes, given.network) == ("all", (5, 3), "glitch")


def test_keys_of_one_layer_are_refused_in_the_hierarchy_of_an_objective(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[model]\nlatent_size = 8\n")
    message = r"\[model\] \(hierarchy of the objective seatbelt\): unknown key 'latent_size'"
    with pytest.raises(ConfigError, match=message):
        read_training_config(path, objective="seatbelt")


def test_the_learning_rate_falls_or_stays():
    falling = TrainingConfig(learning_rate=1.0, steps=4)
    assert [falling.learning_rate_at(step) for step in (0, 2, 4)] == [1.0, 0.5, 0.0]
    constant = TrainingConfig(learning_rate=1.0, steps=4, learning_rate_schedule="constant")
    assert {constant.learning_rate_at(step) for step in range(5)} == {1.0}


def test_an_image_has_channels_rows_and_columns():
    assert TrainingConfig().image_shape == (4, 140, 170)
    assert changed_config({"model": {"architecture": "image"}}, {}).image_shape == (1, 64, 64)


def test_lines_change_run_model_and_objective():
    lines = ["beta0=7", "objective.shape=cosine", "batch_size=3", "model.latent_size=5"]
    found = read_training_config(lines=lines)
    assert found.objective == Annealed(beta0=7, shape="cosine")
    assert (found.batch_size, found.model.latent_size) == (3, 5)
    assert read_training_config(lines=["beta=3"], objective="beta").objective == Beta(beta=3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("batchsize=3", r"unknown key 'batchsize' \(did you mean 'batch_size'"),
        ("batch_size=many", r"batch_size: .*integer.*'many'"),
        ("model.latent=3", r"unknown key 'latent' \(did you mean 'latent_size'"),
        ("objective.beta_0=3", r"unknown key 'beta_0' \(did you mean 'beta0'"),
        ("gamma=3", "unknown key 'gamma'"),
        ("objective=3", "no table; expected \\[objective\\].*found 3"),
        ("model=wide", "no table; expected \\[model\\].*found wide"),
    ],
)
def test_a_line_that_does_not_fit_is_told(line, message):
    with pytest.raises(ConfigError, match=message):
        read_training_config(lines=[line])


def test_a_card_is_a_configuration(data, config, tmp_path):
    config = config.model_copy(update={"steps": 2, "log_every": 1, "objective": Beta(beta=3)})
    run = train(data, config, tmp_path / "run")
    assert read_training_config(run) == read_training_config(run / "card.toml") == config
    assert read_training_config(run, lines=["beta=4"], steps=9).objective == Beta(beta=4)
    made = read_card(run).provenance
    assert made["torch"] == torch.__version__
    assert isinstance(made["command"], list)
