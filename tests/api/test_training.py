"""One call trains what the command trains, on anything that holds images."""

import gc
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import glitchvae as gv
from glitchvae.cli import main
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.models import ARCHITECTURES, GlitchVAESettings, ImageVAESettings
from glitchvae.objectives import OBJECTIVES, Beta, Constant, Objective
from glitchvae.training import PictureData, TrainingConfig, train

QUICK = {"model": "reference", "device": "cpu"}


def weights(folder) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def test_a_training_on_an_array_is_that_of_the_room_below(pictures, tmp_path):
    made = gv.train(
        pictures,
        "factor",
        4,
        gamma=7,
        latent_size=3,
        batch_size=16,
        seed=5,
        output=tmp_path / "one",
        **QUICK,
    )
    config = TrainingConfig(
        objective=OBJECTIVES["factor"](gamma=7),
        steps=4,
        batch_size=16,
        seed=5,
        model=ImageVAESettings(network="reference", image_shape=(1, 16, 16), latent_size=3),
    )
    train(PictureData.from_images(pictures), config, tmp_path / "other")
    assert weights(made.path) == weights(tmp_path / "other")
    assert made.card.objective["gamma"] == 7


SMALL = {"widths": (4, 8), "hidden": 16, "latent_size": 3, "image_shape": (35, 34)}


def test_a_training_on_a_set_of_glitches_is_that_of_the_command(glitches, tmp_path):
    path, config = tmp_path / "set.h5", tmp_path / "config.toml"
    glitches.record.write(path)
    lines = ["batch_size = 8", "[model]", *(f"{k} = {json.dumps(v)}" for k, v in SMALL.items())]
    config.write_text("\n".join(lines))
    options = ["--objective", "annealed", "--steps", "3", "--seed", "2", "--device", "cpu"]
    run = tmp_path / "command"
    command = ["train", str(path), *options, "--config", str(config), "-o", str(run)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    settings = {"steps": 3, "seed": 2, "batch_size": 8, "device": "cpu", **SMALL}
    for name, data in {"path": path, "paths": [str(path)], "open": gv.open_dataset(path)}.items():
        made = gv.train(data, output=tmp_path / name, **settings)
        assert weights(made.path) == weights(run)
        assert set(made.classes_) == set(glitches.labels[glitches.split == "train"])


def test_labels_give_classes_and_test_images_are_not_seen(data, tmp_path):
    made = gv.train(data, "beta", steps=3, **QUICK)
    assert list(made.classes_) == ["0", "1", "2"]
    assert made.card.data.events == 180
    assert made.card.data.description == "squares"
    assert made.predict(made.encode(data)).shape == (240,)


def test_a_run_without_a_folder_goes_with_its_model(pictures):
    made = gv.train(pictures, "beta", steps=1, **QUICK)
    folder = made.path
    assert (folder / "log.csv").exists()
    del made
    gc.collect()
    assert not folder.exists()


def test_a_failed_run_leaves_no_temporary_folder(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(ModelError, match="the loss is not finite"):
        gv.train(pictures, "beta", steps=40, learning_rate=1e30, **QUICK)
    assert not list(tmp_path.iterdir())


def test_a_run_goes_on(pictures, tmp_path):
    whole = gv.train(
        pictures, "beta", 8, output=tmp_path / "w", learning_rate_schedule="constant", **QUICK
    )
    options = {"output": tmp_path / "parts", "learning_rate_schedule": "constant", **QUICK}
    gv.train(pictures, "beta", 5, **options)
    parts = gv.train(pictures, "beta", 8, resume=True, **options)
    assert weights(parts.path) == weights(whole.path)


@pytest.mark.parametrize(
    ("network", "architecture", "name"),
    [
        (None, "image", "burgess"),
        ("reference", "image", "reference"),
        ({"network": "chen-mlp"}, "image", "chen-mlp"),
        (
            {"architecture": "hierarchy", "latent_sizes": (4, 2), "network": "reference"},
            "hierarchy",
            "reference",
        ),
        ("hierarchy", "hierarchy", "burgess"),
        (ImageVAESettings(network="reference", image_shape=(1, 16, 16)), "image", "reference"),
    ],
)
def test_networks_are_named_described_or_given(network, architecture, name, pictures):
    made = gv.train(pictures[:8], "beta", 1, model=network, device="cpu")
    assert made.card.architecture == architecture
    assert made.card.model["network"] == name


def test_a_model_of_ours_is_trained_further(model, pictures):
    before = model.module.state_dict()["encoder.0.weight"].clone()
    more = gv.train(pictures, "beta", 2, model=model.module, device="cpu")
    after = more.module.state_dict()["encoder.0.weight"]
    assert torch.equal(model.module.state_dict()["encoder.0.weight"], before)
    assert 0 < (after - before).abs().max() < 0.01


def test_a_network_of_ones_own_learns(own_vae, data, tmp_path):
    before = {name: value.clone() for name, value in own_vae.state_dict().items()}
    made = gv.train(
        data,
        "tc",
        60,
        model=own_vae,
        learning_rate=0.02,
        device="cpu",
        log_every=5,
        output=tmp_path / "run",
    )
    assert all(torch.equal(value, before[name]) for name, value in own_vae.state_dict().items())
    log = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert log["reconstruction"][-1] < 0.7 * log["reconstruction"][0]
    again = gv.load_model(tmp_path / "run", device="cpu", network=type(own_vae)())
    np.testing.assert_array_equal(again.encode(data), made.encode(data))
    by_name = gv.load_model(tmp_path / "run", device="cpu")
    np.testing.assert_array_equal(by_name.encode(data), made.encode(data))


class Squared(Objective):
    """D + beta R^2."""

    beta: float = 1.0

    def schedules(self):
        return {"beta": Constant(self.beta)}

    def total(self, terms, weights):
        return terms["reconstruction"] + weights["beta"] * terms["rate"] ** 2


def test_an_objective_of_ones_own_is_minimised(pictures):
    free, dear = (
        gv.train(pictures, Squared(beta=beta), 40, latent_size=2, **QUICK) for beta in (0.0, 50.0)
    )
    assert dear.card.figures["rate"] < free.card.figures["rate"]
    assert dear.card.objective == {"beta": 50.0, "class": f"{__name__}:Squared"}
    assert "objective own" in repr(dear)


def test_settings_of_run_objective_and_network_have_names_of_their_own():
    run = set(TrainingConfig.model_fields)
    objectives = set().union(*(kind.model_fields for kind in OBJECTIVES.values()))
    networks = set().union(*(kind.model_fields for kind, _ in ARCHITECTURES.values()))
    arguments = {"data", "objective", "output", "resume", "device", "progress"}
    assert not (run - {"objective", "model"}) & (objectives | networks)
    assert not objectives & networks
    assert not (objectives | networks) & arguments


def test_processes_of_torchrun_need_a_folder(pictures, tmp_path):
    code = (
        "import numpy as np, glitchvae as gv\n"
        "gv.train(np.zeros((8, 16, 16)), 'beta', 1, model='chen-mlp', device='cpu')"
    )
    environment = {
        **os.environ,
        "RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert (
        "the folder of the run is not given; expected output=…; found processes that share"
        in done.stderr
    )


class Unscheduled(Objective):
    """Lacks its weights."""


class Unwritable(Beta):
    """Cannot be put on a card."""

    thing: object = object()


PICTURES = np.zeros((8, 16, 16))
GLITCHES = np.ones((2, 4, 140, 170), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gv.train(PICTURES, "anealed"), ConfigError, r"did you mean 'annealed'\?"),
        (
            lambda: gv.train(PICTURES, Beta),
            ConfigError,
            r"the objective is neither.*Beta\(beta=4\).*Beta",
        ),
        (lambda: gv.train(PICTURES, None), ConfigError, "the objective is neither.*NoneType"),
        (lambda: gv.train(PICTURES, Unscheduled()), ConfigError, r"Unscheduled.*schedules\(\)"),
        (lambda: gv.train(PICTURES, Unwritable()), ConfigError, "Unwritable.*cannot be stored"),
        (lambda: gv.train(PICTURES, "beta", 0), ConfigError, "steps.*greater than or equal to 1"),
        (lambda: gv.train(PICTURES, "beta", beta0=3), ConfigError, r"'beta0' \(did you mean"),
        (lambda: gv.train(PICTURES, "beta", latent=3), ConfigError, r"did you mean 'latent_size'"),
        (lambda: gv.train(PICTURES, Beta(), beta=3), ConfigError, "unknown setting 'beta'"),
        (lambda: gv.train(PICTURES, "beta", latent_size=0), ConfigError, r"\[model\].*latent_size"),
        (lambda: gv.train(PICTURES, "beta", learning_rate=-1), ConfigError, "learning_rate"),
        (lambda: gv.train(PICTURES, "beta", seed=-1), ConfigError, "seed"),
        (lambda: gv.train(PICTURES, model="burges"), ConfigError, r"did you mean 'burgess'\?"),
        (lambda: gv.train(PICTURES, model="glitch"), ConfigError, "this network is for glitches"),
        (lambda: gv.train(GLITCHES, model="burgess"), ConfigError, "this network is for pictures"),
        (
            lambda: gv.train(PICTURES, model=Beta()),
            ConfigError,
            "these settings are not those of a network",
        ),
        (lambda: gv.train(PICTURES, model=3), ModelError, "not a network.*found int"),
        (lambda: gv.train(PICTURES, model=torch.nn.Linear), ModelError, r"Linear\(…\)"),
        (lambda: gv.train(PICTURES, model=torch.nn.Linear(2, 2)), ModelError, "no method enc"),
        (
            lambda: gv.train(GLITCHES, model=GlitchVAESettings(), latent_size=3),
            ConfigError,
            "unknown setting 'latent_size'",
        ),
        (lambda: gv.train(PICTURES[:, :8], "beta"), ConfigError, "at least 16 x 16 pixels"),
        (lambda: gv.train(PICTURES, "consistent", 1, **QUICK), ModelError, "images of glitches"),
        (
            lambda: gv.train(gv.Dataset(PICTURES, split=["test"] * 8), "beta", **QUICK),
            ModelError,
            r"no event to train on.*\['test'\]",
        ),
        (lambda: gv.train([], "beta"), InputError, "no pictures"),
        (lambda: gv.train(PICTURES + np.nan, "beta"), InputError, "not a number in row 0"),
        (lambda: gv.train("/nowhere.h5"), InputError, "/nowhere.h5: no such file"),
        (lambda: gv.train(PICTURES, "beta", resume=True), InputError, "expected output=…"),
        (lambda: gv.train(PICTURES, device="tpu"), ConfigError, "the device 'tpu'"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_folder_that_holds_a_run_is_left_alone(pictures, tmp_path):
    gv.train(pictures, "beta", 1, output=tmp_path / "run", **QUICK)
    before = weights(tmp_path / "run")
    with pytest.raises(InputError, match="holds a run already"):
        gv.train(pictures, "beta", 2, output=tmp_path / "run", **QUICK)
    assert weights(tmp_path / "run") == before
    with pytest.raises(InputError, match="nothing to resume"):
        gv.train(pictures, "beta", 2, output=tmp_path / "none", resume=True, **QUICK)
