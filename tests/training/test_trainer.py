"""Single steps: discriminator, weights, what the log holds, what does not fit together."""

import numpy as np
import pytest
import torch

from glitchvae.checkpoint import read_card
from glitchvae.errors import ConfigError, ModelError
from glitchvae.models import ImageVAESettings
from glitchvae.objectives import (
    Annealed,
    Beta,
    Constant,
    Factor,
    Seatbelt,
    TotalCorrelation,
)
from glitchvae.training import TrainingConfig, train
from glitchvae.training.launch import Ranks
from glitchvae.training.log import read_log
from glitchvae.training.step import Captured
from glitchvae.training.trainer import Trainer, WeightTable

MODEL = ImageVAESettings(image_shape=(1, 32, 32), latent_size=3)


def settings(**changes):
    return TrainingConfig(**({"model": MODEL, "batch_size": 8, "steps": 50} | changes))


def weights_after(data, config, steps=3):
    trainer = Trainer(data, config)
    for _ in range(steps):
        trainer.advance()
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


def test_objectives_that_are_one_train_one_model(pictures):
    """beta(1) = annealed(1) = TC(1) = Factor(0); a discriminator leaves the model alone."""
    objectives = (
        Beta(beta=1),
        Annealed(beta0=1),
        TotalCorrelation(beta=1),
        Factor(gamma=0, discriminator_width=8),
    )
    found = [weights_after(pictures, settings(objective=each)) for each in objectives]
    for other in found[1:]:
        torch.testing.assert_close(found[0], other, rtol=0, atol=1e-6)


def test_a_discriminator_learns_from_a_second_batch_until_its_end(pictures):
    objective = Factor(discriminator_width=8, discriminator_depth=2, discriminator_steps=2)
    trainer = Trainer(pictures, settings(objective=objective))
    batch = trainer._batches(0)
    assert batch.other is not None
    assert not torch.equal(batch.x, batch.other)
    seen = []
    for _ in range(4):
        trainer.advance()
        seen.append(trainer.discriminator[0].weight.detach().clone())
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[1], seen[3])
    assert "discriminator_loss" in trainer.read_terms()


def test_kl_of_dimensions_adds_up_to_the_rate(pictures):
    trainer = Trainer(pictures, settings(objective=Beta()))
    for _ in range(4):
        trainer.advance()
    row = trainer.read_terms()
    assert row["rate"] == pytest.approx(sum(row[f"kl_{i}"] for i in (1, 2, 3)), rel=1e-5)
    assert row["step"] == 4
    assert row["learning_rate"] == pytest.approx(1e-3 * (1 - 3 / 50))
    assert trainer.read_terms() is None


class NamedAlike(Beta):
    """An objective of one's own: a term beside those of beta, and a schedule, by given names."""

    term: str = "sparsity"
    schedule: str = "sparsity"

    def schedules(self):
        return {**super().schedules(), self.schedule: Constant(7.0)}

    def latent_terms(self, latents, batch, discriminator=None):
        terms = super().latent_terms(latents, batch, discriminator)
        return {**terms, self.term: latents.z.abs().sum(dim=1).mean()}


def test_a_term_and_a_weight_of_one_name_both_stand_in_the_log_and_on_the_card(pictures, tmp_path):
    config = settings(objective=NamedAlike(), steps=2, log_every=1)
    run = train(pictures, config, tmp_path / "run")
    for row in (read_card(run).figures, {k: v[-1] for k, v in read_log(run).items()}):
        assert row["weight_sparsity"] == 7
        assert 0 < row["sparsity"] != 7


@pytest.mark.parametrize(
    ("term", "schedule", "column"),
    [
        ("weight_beta", "sparsity", "weight_beta"),
        ("learning_rate", "sparsity", "learning_rate"),
        ("gradient_norm", "sparsity", "gradient_norm"),
        ("kl_2", "sparsity", "kl_2"),
        ("step", "sparsity", "step"),
    ],
)
def test_columns_of_one_name_are_refused_at_the_first_step(pictures, term, schedule, column):
    objective = NamedAlike(term=term, schedule=schedule)
    trainer = Trainer(pictures, settings(objective=objective))
    with pytest.raises(ModelError, match=rf"NamedAlike share columns.*found twice {column}\."):
        trainer.advance()


def test_a_term_may_not_be_called_as_the_sum_of_all(pictures):
    trainer = Trainer(pictures, settings(objective=NamedAlike(term="loss")))
    with pytest.raises(ModelError, match="a term of the objective NamedAlike has the name of the"):
        trainer.advance()


def test_the_population_is_that_of_the_training_set(pictures):
    assert Trainer(pictures, settings())._batches(0).population == 40


def test_weights_on_the_device_are_those_of_the_objectives():
    configs = [settings(objective=Annealed(beta0=b, iteration_threshold=1500)) for b in (5, 9)]
    table = WeightTable(configs, torch.device("cpu"))
    for step in (0, 999, 1000, 1400, 3):
        expected = [config.objective.weights(step)["beta"] for config in configs]
        assert table(step, slice(None))["beta"].tolist() == pytest.approx(expected, rel=1e-6)
        assert table(step, 1)["beta"].item() == pytest.approx(expected[1], rel=1e-6)


def test_a_step_copies_nothing_to_the_host(pictures, monkeypatch):
    trainer = Trainer(pictures, settings())
    trainer.advance()

    def refuse(*_):
        raise AssertionError("a value was asked for within the step")

    for name in ("item", "tolist", "__bool__", "__float__"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    trainer.advance()


def test_images_of_another_shape_are_refused(pictures, data, config):
    with pytest.raises(ModelError, match=r"squares: the images do not fit.*\(1, 64, 64\)"):
        Trainer(pictures, settings(model=ImageVAESettings()))
    with pytest.raises(ModelError, match=r"made up.*do not fit.*'image'.*\(5, 20, 24\)"):
        Trainer(data, settings())
    with pytest.raises(ModelError, match="do not fit"):
        Trainer(pictures, config)


def test_an_objective_for_other_models_is_refused(pictures):
    with pytest.raises(ModelError, match=r"'seatbelt'.*two latent layers or more"):
        Trainer(pictures, settings(objective=Seatbelt()))


def test_processes_share_a_batch_evenly_or_not_at_all(pictures):
    with pytest.raises(ConfigError, match="multiple of 3"):
        Trainer(pictures, settings(), ranks=Ranks(0, 3))


def test_a_step_that_cannot_be_compiled_runs_as_it_is_and_says_why(pictures, monkeypatch):
    def broken(function, **_):
        def call(*_):
            raise RuntimeError("no compiler here\nand more")

        return call

    expected = weights_after(pictures, settings())
    monkeypatch.setattr(torch, "compile", broken)
    trainer = Trainer(pictures, settings(compiled="yes"))
    with pytest.warns(UserWarning, match="not compiled: RuntimeError: no compiler here"):
        trainer.advance()
    trainer.advance()
    trainer.advance()
    assert isinstance(trainer.forward, Captured)
    found = torch.cat([p.detach().flatten() for p in trainer.model.parameters()])
    assert torch.equal(found, expected)


@pytest.mark.slow
def test_a_compiled_step_is_the_step(pictures):
    found = weights_after(pictures, settings(compiled="yes", learning_rate=1e-5))
    expected = weights_after(pictures, settings(learning_rate=1e-5))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_bfloat16_stays_near_float32(pictures):
    rows = []
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(pictures, settings(precision=precision))
        trainer.advance()
        rows.append(trainer.read_terms())
    assert rows[0]["loss"] == pytest.approx(rows[1]["loss"], rel=0.01)
    assert np.isfinite(rows[1]["gradient_norm"])
