"""A run is watched on its way: validation, checkpoints that are kept, an early end."""

import pytest
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.errors import ConfigError, ModelError
from glitchvae.training import TrainingConfig, changed_config, train, train_ensemble
from glitchvae.training.log import read_log
from glitchvae.training.trainer import Trainer
from glitchvae.training.watching import ELBO, is_best, is_patience_over, validation_terms

WATCHED = {"steps": 40, "validate_every": 10, "keep_every": 20, "log_every": 10, "save_every": 15}


def weights(folder):
    return (folder / "weights.safetensors").read_bytes()


@pytest.fixture
def watched(config):
    return config.model_copy(update=WATCHED)


def test_watching_changes_no_weight_and_a_stop_leaves_no_trace(data, watched, tmp_path, stop_after):
    blind = watched.model_copy(update={"validate_every": 0, "keep_every": 0})
    plain = train(data, blind, tmp_path / "plain")
    whole = train(data, watched, tmp_path / "whole")
    assert weights(whole) == weights(plain)
    with pytest.raises(stop_after.killed):
        train(data, watched, tmp_path / "parts", progress=stop_after(27, None))
    parts = train(data, watched, tmp_path / "parts", resume=True)
    assert (parts / "log.csv").read_text() == (whole / "log.csv").read_text()
    for folder in ("", "best", "checkpoints/step-00000020", "checkpoints/step-00000040"):
        assert weights(parts / folder) == weights(whole / folder)
    assert load_checkpoint(whole / "checkpoints" / "step-00000020").card.steps == 20
    log = read_log(whole)
    best = load_checkpoint(whole / "best").card.steps
    seen = log["step"][~(log[ELBO] != log[ELBO])]
    assert best == seen[log[ELBO][~(log[ELBO] != log[ELBO])].argmax()]


def test_validation_terms_are_the_negative_elbo_under_fixed_draws(data, config):
    model = Trainer(data, config).model
    before = torch.random.get_rng_state()
    first, again = (validation_terms(model, data, seed=3) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first == again
    assert first[ELBO] == -first["validation_reconstruction"] - first["validation_rate"]
    assert model.training


def test_the_card_tells_what_the_log_tells(data, watched, tmp_path):
    """One truth, whether or not the run looked at its validation events on the way."""
    run = train(data, watched, tmp_path / "run")
    card, log = load_checkpoint(run).card, read_log(run)
    names = ("validation_reconstruction", "validation_rate", ELBO)
    assert [card.figures[name] for name in names] == [log[name][-1] for name in names]
    blind = watched.model_copy(update={"validate_every": 0})
    other = load_checkpoint(train(data, blind, tmp_path / "blind")).card
    assert [other.figures[name] for name in names] == [card.figures[name] for name in names]


def test_an_early_end_is_a_finished_run(data, watched, tmp_path):
    still = watched.model_copy(update={"learning_rate": 1e-30, "patience": 2, "keep_every": 0})
    run = train(data, still, tmp_path / "run")
    assert load_checkpoint(run).card.steps == 30
    assert load_checkpoint(run / "best").card.steps == 10


def test_the_best_and_the_end_of_patience():
    rows = [{ELBO: value} for value in (-3.0, -1.0, -2.0, -1.0)]
    assert [is_best(rows[:n]) for n in range(5)] == [False, True, True, False, False]
    assert not is_best([*rows, {"loss": 1.0}])
    assert [is_patience_over(rows[:n], 2) for n in range(5)] == [False, False, False, False, True]
    assert not is_patience_over(rows, 0)


def test_a_gradient_is_clipped_and_weights_decay(data, config):
    def moved(**changes):
        trainer = Trainer(data, config.model_copy(update=changes))
        before = [p.clone() for p in trainer.model.parameters()]
        trainer.advance()
        norm = torch.stack([p.grad.square().sum() for p in trainer.model.parameters()]).sum().sqrt()
        return before, list(trainer.model.parameters()), float(norm)

    assert moved(gradient_clip=0.01)[2] == pytest.approx(0.01, rel=1e-3)
    assert moved()[2] > 0.01
    start, plain, _ = moved(optimizer="adamw")
    _, decayed, _ = moved(optimizer="adamw", weight_decay=0.5)
    rate = config.learning_rate_at(0)
    for before, one, other in zip(start, plain, decayed, strict=True):
        torch.testing.assert_close(one - other, rate * 0.5 * before, rtol=1e-3, atol=1e-6)


def test_what_cannot_be_watched_is_told(data, pictures, watched, tmp_path):
    with pytest.raises(ConfigError, match="patience counts validations"):
        changed_config({"patience": 2}, {})
    with pytest.raises(ConfigError, match="no checkpoints on the way"):
        train_ensemble(data, watched, {"one": {"seed": 1}}, tmp_path / "runs")
    from glitchvae.models import ImageVAESettings

    small = ImageVAESettings(image_shape=(1, 32, 32), latent_size=3)
    config = TrainingConfig(model=small, steps=2, validate_every=1)
    with pytest.raises(ModelError, match="no event to validate on"):
        train(pictures, config, tmp_path / "run")
