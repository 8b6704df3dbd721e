"""`glitchvae validate`: models scored on images with known factors."""

import csv

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from glitchvae.checkpoint import read_card
from glitchvae.cli import main
from glitchvae.errors import ConfigError
from glitchvae.validation.disentanglement import Protocol, find_metric
from glitchvae.validation.disentanglement.scoring import score_checkpoint, train_on
from glitchvae.validation.images import dsprites
from glitchvae.validation.images.chairs import AZIMUTHS, ELEVATIONS, draw_chairs


@pytest.fixture
def runner():
    return CliRunner()


@pytest.fixture(scope="module")
def few_sprites():
    """Few values of every factor: boosted trees are fitted to each."""
    drawn = dsprites.draw_dsprites()
    few = (drawn.factors[:, 2:] % (13, 15, 15) == 0).all(axis=1)
    return drawn.take(np.flatnonzero(few)).sample(300, np.random.default_rng(0))


@pytest.fixture(scope="module")
def model(few_sprites, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "model"
    return train_on(few_sprites, run, objective="beta", steps=2, seed=0, device="cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few rounds of boosting."""
    short = Protocol(rounds=2, refits=2)
    monkeypatch.setattr("glitchvae.validation.disentanglement.scoring.Protocol", lambda: short)


@pytest.fixture
def drawn(monkeypatch, few_sprites):
    monkeypatch.setattr(dsprites, "draw_dsprites", lambda: few_sprites)


def test_a_model_is_scored_and_drawn(runner, model, drawn, tmp_path):
    table = tmp_path / "scores.csv"
    done = runner.invoke(main, ["validate", "dsprites", "--model", str(model), "-o", str(table)])
    assert done.exit_code == 0, done.output
    for name in ("beta_vae", "factor_vae", "mig", "dci_completeness", "modularity", "sap"):
        assert name in done.stdout
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {str(model)}
    assert all(0 <= float(row["value"]) <= 1 for row in rows)
    assert (tmp_path / "scores-model.png").read_bytes().startswith(b"\x89PNG")


def test_chairs_are_scored_by_a_model_trained_on_the_way(runner, monkeypatch, tmp_path):
    chairs = draw_chairs(AZIMUTHS[:2], ELEVATIONS).sample(150, np.random.default_rng(0))
    monkeypatch.setattr("glitchvae.validation.images.chairs.draw_chairs", lambda: chairs)
    run = tmp_path / "run"
    done = runner.invoke(
        main, ["validate", "chairs", "--train", str(run), "--objective", "beta", "--steps", "2"]
    )
    assert done.exit_code == 0, done.output
    assert (run / "card.toml").exists()
    assert "150 of 150 images" in done.stderr


@pytest.mark.parametrize(
    ("objective", "on"), [("dlgm", "first"), ("tc-dlgm", "first"), ("seatbelt", "all")]
)
def test_an_objective_for_hierarchies_trains_one(few_sprites, tmp_path, objective, on):
    run = train_on(few_sprites, tmp_path / "run", objective=objective, steps=2)
    card = read_card(run)
    assert (card.objective["name"], card.architecture) == (objective, "hierarchy")
    assert (card.model["latent_sizes"], card.model["likelihood_on"]) == ([48, 24, 12, 6], on)


def test_a_weight_that_falls_does_so_over_a_third_of_the_training(few_sprites, tmp_path):
    run = train_on(few_sprites, tmp_path / "run", objective="annealed", steps=3, learning_rate=1e-3)
    card = read_card(run)
    assert card.objective["iteration_threshold"] == 1
    assert card.training["learning_rate"] == 1e-3


def test_settings_of_the_objective_can_be_changed(few_sprites, tmp_path):
    changes = ("beta0=50", 'shape="cosine"', "iteration_threshold=2")
    run = train_on(few_sprites, tmp_path / "run", objective="annealed", steps=3, changes=changes)
    settings = read_card(run).objective
    assert (settings["beta0"], settings["shape"]) == (50, "cosine")
    assert settings["iteration_threshold"] == 2
    for change, message in (("beta00=5", "did you mean 'beta0'"), ("beta0", "cannot be read")):
        with pytest.raises(ConfigError, match=message):
            train_on(few_sprites, tmp_path / "x", objective="annealed", steps=3, changes=[change])
    assert not (tmp_path / "x").exists()


def test_dci_of_the_published_learner_comes_on_request(runner, model, drawn, tmp_path):
    table = tmp_path / "scores.csv"
    given = ["--model", str(model), "--points", "100", "--exact-dci", "-o", str(table)]
    done = runner.invoke(main, ["validate", "dsprites", *given])
    assert done.exit_code == 0, done.output
    with table.open() as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    assert 0 <= float(rows["dci_disentanglement_exact"]["value"]) <= 1
    assert rows["dci_disentanglement_exact"]["noise"] == "nan"


def test_wrong_calls_and_models_are_said(runner, drawn, model, tmp_path):
    done = runner.invoke(main, ["validate", "dsprites"])
    assert done.exit_code == 2
    assert "--model DIR, or --train RUN" in done.output
    done = runner.invoke(main, ["validate", "dsprites", "--model", "default"])
    assert done.exit_code == 3
    assert "the model is not one of dsprites; found one of glitches" in done.output
    done = runner.invoke(
        main, ["validate", "dsprites", "--data", str(tmp_path / "no.npz"), "--model", "x"]
    )
    assert done.exit_code == 3
    assert "no.npz: no such file" in done.output


def test_settings_of_training_and_model_can_be_changed(few_sprites, tmp_path):
    changes = ("batch_size=3", "model.latent_size=4", "steps=2")
    run = train_on(few_sprites, tmp_path / "run", objective="beta", steps=9, changes=changes)
    card = read_card(run)
    assert (card.training["batch_size"], card.latent_size, card.steps) == (3, 4, 2)


class Net(torch.nn.Module):
    """A network of one's own for sprites."""

    def __init__(self, size=2):
        super().__init__()
        self.arguments = {"size": size}
        self.up, self.down = torch.nn.Linear(64 * 64, 2 * size), torch.nn.Linear(size, 64 * 64)

    def encode(self, x):
        return self.up(x.flatten(1)).chunk(2, dim=1)

    def decode(self, z):
        return self.down(z).sigmoid().unflatten(1, (1, 64, 64))


def test_a_network_of_ones_own_is_trained_and_scored(few_sprites, tmp_path):
    changes = (f"model.architecture={Net.__module__}:Net", "model.arguments={size=3}")
    run = train_on(few_sprites, tmp_path / "run", objective="beta", steps=2, changes=changes)
    assert read_card(run).latent_size == 3
    (score, *_) = score_checkpoint(run, few_sprites, metrics=[find_metric("mig")])
    assert score.metric == "mig"
