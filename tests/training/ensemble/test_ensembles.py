"""Ensembles: the same gradients stacked or looped, and runs that stop and go on without a trace."""

import functools

import pytest
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.errors import ConfigError, InputError, ModelError
from glitchvae.models import GlitchVAESettings, HierarchySettings
from glitchvae.objectives import Annealed, Factor, Seatbelt, TotalCorrelation
from glitchvae.training import (
    PictureData,
    expand_members,
    is_ensemble,
    resumed_ensemble,
    train,
    train_ensemble,
    trainer,
)
from glitchvae.training.ensemble import choose_strategy, stacked, strategy
from glitchvae.training.ensemble.looped import LoopedEnsemble
from glitchvae.training.ensemble.members import member_config
from glitchvae.training.ensemble.stacked import StackedEnsemble
from glitchvae.training.log import read_log

CPU = torch.device("cpu")
SHAPE = (1, 32, 32)


def weights(run):
    return (run / "weights.safetensors").read_bytes()


@pytest.fixture
def same_draws(monkeypatch):
    """Every member draws the same numbers: what differs is how they are computed with."""
    for module in (stacked, trainer):
        seed = trainer.seed_samples
        monkeypatch.setattr(module, "seed_samples", lambda _, device, seed=seed: seed(7, device))
    vmap = functools.partial(torch.func.vmap, randomness="same")
    monkeypatch.setattr(stacked, "vmap", lambda function, **_: vmap(function))


@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize(
    ("objective", "axis"),
    [
        (Annealed(), "beta0=1,7"),
        (TotalCorrelation(), "beta=1,7"),
        (Factor(discriminator_width=8, discriminator_depth=2), "gamma=1,7"),
    ],
    ids=["annealed", "tc", "factor"],
)
def test_stacked_gradients_are_those_of_the_loop(
    objective, axis, matrix, pictures, config, same_draws
):
    shared = config.model_copy(update={"objective": objective})
    members = expand_members(shared, ["seeds=2", axis])
    configs = [member_config(shared, member) for member in members.values()]
    one, other = (
        LoopedEnsemble(pictures, configs, CPU),
        StackedEnsemble(pictures, configs, CPU, matrix=matrix),
    )
    for ensemble in (one, other):
        ensemble.advance()
    for i, member in enumerate(one.trainers):
        own = torch.cat([p.grad.flatten() for p in member.model.parameters()])
        theirs = torch.cat([p.grad[i].flatten() for p in other.weights.values()])
        assert (own - theirs).norm() < 5e-6 * own.norm()
    for a, b in zip(one.read_terms(), other.read_terms(), strict=True):
        assert a.keys() == b.keys()
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        assert a["gradient_norm"] == pytest.approx(b["gradient_norm"], rel=1e-5)


def test_a_hierarchy_with_batch_norm_can_be_stacked(pictures, config):
    model = HierarchySettings(image_shape=SHAPE, latent_sizes=(3, 2), likelihood_on="all")
    shared = config.model_copy(update={"objective": Seatbelt(), "model": model})
    configs = [member_config(shared, {"seed": seed}) for seed in (0, 1)]
    ensemble = StackedEnsemble(pictures, configs, CPU)
    before = {name: value.clone() for name, value in ensemble.buffers.items()}
    ensemble.advance()
    name = next(name for name in before if name.endswith("running_mean"))
    assert not torch.equal(before[name], ensemble.buffers[name])
    assert not torch.equal(ensemble.buffers[name][0], ensemble.buffers[name][1])
    codes = [model.eval().encode(torch.rand(2, *SHAPE)).mean for model in ensemble.models]
    assert not torch.equal(*codes)


@pytest.mark.parametrize("strategy", ["loop", "vmap", "matrix"])
def test_a_killed_ensemble_goes_on_without_a_trace(
    strategy, pictures, config, tmp_path, stop_after
):
    shared = config.model_copy(
        update={"objective": Factor(discriminator_width=8, discriminator_depth=2)}
    )
    members = expand_members(shared, ["gamma=2,9"])
    whole = train_ensemble(pictures, shared, members, tmp_path / "whole", strategy=strategy)
    with pytest.raises(stop_after.killed):
        train_ensemble(
            pictures,
            shared,
            members,
            tmp_path / "parts",
            strategy=strategy,
            progress=stop_after(5, None),
        )
    assert is_ensemble(tmp_path / "parts")
    torch.rand(5)
    again, names = resumed_ensemble(tmp_path / "parts")
    assert (again, names) == (shared, members)
    parts = train_ensemble(pictures, again, names, tmp_path / "parts", resume=True)
    for a, b in zip(whole, parts, strict=True):
        assert weights(a) == weights(b)
        assert (a / "log.csv").read_text() == (b / "log.csv").read_text()


def test_a_signal_leaves_the_checkpoints_of_all(pictures, config, tmp_path, stop_after):
    members = expand_members(config, ["seeds=2"])
    with pytest.raises(KeyboardInterrupt):
        train_ensemble(
            pictures, config, members, tmp_path / "run", strategy="vmap", progress=stop_after(3)
        )
    for name in members:
        assert load_checkpoint(tmp_path / "run" / name).card.steps == 3


def test_members_are_ordinary_runs(pictures, config, tmp_path):
    members = expand_members(config, ["seeds=2", "beta0=2,8"])
    folders = train_ensemble(pictures, config, members, tmp_path / "all", strategy="loop")
    own = member_config(config, members["seed-1-beta0-8"])
    alone = train(pictures, own, tmp_path / "alone")
    positive = next(folder for folder in folders if folder.name == "seed-1-beta0-8")
    assert weights(alone) == weights(positive)
    longer = own.model_copy(update={"steps": 8})
    assert load_checkpoint(train(pictures, longer, positive, resume=True)).card.steps == 8


def test_members_follow_their_own_schedules(pictures, config, tmp_path):
    members = expand_members(config, ["beta0=2,8"])
    folders = train_ensemble(pictures, config, members, tmp_path / "all", strategy="vmap")
    for folder, beta0 in zip(folders, (2, 8), strict=True):
        log = read_log(folder)
        expected = [beta0 + (1 - beta0) * min(step / 5, 1) for step in range(6)]
        assert log["weight_beta"].tolist() == pytest.approx(expected)
        assert load_checkpoint(folder).card.objective["beta0"] == beta0
        assert {"kl_1", "kl_3", "gradient_norm"} <= set(log)


def test_an_ensemble_keeps_what_it_began_with(pictures, config, tmp_path, rng):
    members = expand_members(config, ["seeds=2"])
    short = config.model_copy(update={"steps": 2})
    run = tmp_path / "run"
    train_ensemble(pictures, short, members, run, strategy="loop")
    with pytest.raises(InputError, match="holds a run already"):
        train_ensemble(pictures, short, members, run)
    others = expand_members(config, ["seeds=3"])
    with pytest.raises(ModelError, match="other members"):
        train_ensemble(pictures, config, others, run, resume=True)
    changed = PictureData.from_images(rng.random((20, *SHAPE)) > 0.5)
    with pytest.raises(ModelError, match="data changed"):
        train_ensemble(changed, config, members, run, resume=True)
    with pytest.raises(ModelError, match="settings differ"):
        bigger = config.model_copy(update={"batch_size": 4})
        train_ensemble(pictures, bigger, members, run, resume=True)


def test_the_fastest_strategy_is_taken_and_said(pictures, config, monkeypatch):
    speeds = iter([0.3, 0.1])

    def seconds(_):
        try:
            return next(speeds)
        except StopIteration:
            raise RuntimeError("no such operation\nat all") from None

    monkeypatch.setattr(strategy, "_seconds", seconds)
    configs = [member_config(config, {"seed": seed}) for seed in (0, 1)]
    choice = choose_strategy(pictures, configs, CPU)
    assert choice.strategy == "vmap"
    expected = "loop 300 ms, vmap 100 ms, matrix fails (RuntimeError: no such operation)"
    assert choice.reason == f"a step of 2 members: {expected}"


def test_members_that_cannot_be_stacked_are_looped(pictures, config):
    configs = [member_config(config, {"learning_rate": rate}) for rate in (0.1, 0.2)]
    assert choose_strategy(pictures, configs, CPU) == ("loop", "members differ in learning_rate")
    assert choose_strategy(pictures, configs[:1], CPU).strategy == "loop"
    with pytest.raises(ConfigError, match=r"learning_rate.*share one step"):
        strategy.make_ensemble(pictures, configs, CPU, "vmap")


def test_every_strategy_can_do_glitches(data, config):
    model = GlitchVAESettings(image_shape=(20, 24), widths=(8, 16), hidden=8, latent_size=2)
    small = config.model_copy(update={"model": model, "batch_size": 2})
    configs = [member_config(small, {"seed": seed}) for seed in (0, 1)]
    reason = choose_strategy(data, configs, CPU).reason
    assert "fails" not in reason
    assert all(name in reason for name in ("loop", "vmap", "matrix"))
