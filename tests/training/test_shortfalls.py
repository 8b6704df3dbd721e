"""A training says what it fell short of: before it, at its end, and on the card."""

import logging

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal

from glitchvae.checkpoint import read_card
from glitchvae.models import HierarchySettings, ImageVAESettings, Latents, standard_normal
from glitchvae.models.likelihood import make_likelihood
from glitchvae.objectives import Annealed, Beta, Bottleneck, Consistent, Cyclical, Seatbelt
from glitchvae.training import PictureData, TrainingConfig, train, train_ensemble
from glitchvae.training.shortfalls import CodeUse, find_shortfalls, measure_code, unfinished

MODEL = ImageVAESettings(image_shape=(1, 32, 32), latent_size=3)
FINE = CodeUse((12.0,), 300.0)


def settings(objective, steps, **changes):
    return TrainingConfig(model=MODEL, batch_size=8, steps=steps, objective=objective, **changes)


def test_annealing_that_ends_early_is_said_before_at_the_end_and_on_the_card(
    pictures, tmp_path, caplog
):
    run = train(pictures, settings(Annealed(), 60), tmp_path / "run")
    ends = "schedule of beta is not finished: 24.65 at the last of 60 steps, 1 from step 4,000 on"
    (before, after) = [message for message in caplog.messages if ends in message]
    assert before.startswith(f"{run}: it will end before its time: the schedule")
    assert after.startswith(f"{run}: the schedule")
    card = read_card(run)
    assert any(ends in each for each in card.shortfalls)
    assert card.figures["weight_beta"] == pytest.approx(24.646)


def test_every_member_of_an_ensemble_says_it(pictures, tmp_path, caplog):
    members = {"short": {"iteration_threshold": 2}, "long": {"iteration_threshold": 9}}
    train_ensemble(pictures, settings(Annealed(), 4), members, tmp_path / "runs", strategy="loop")
    told = [message for message in caplog.messages if "schedule of beta" in message]
    assert len(told) == 2
    assert all(message.startswith(str(tmp_path / "runs" / "long")) for message in told)
    cards = {name: read_card(tmp_path / "runs" / name).shortfalls for name in members}
    assert [any("schedule" in each for each in cards[name]) for name in members] == [False, True]


def test_a_bottleneck_that_is_stopped_early_misses_its_target(pictures, tmp_path):
    run = train(pictures, settings(Bottleneck(), 3), tmp_path / "run")
    found = read_card(run).shortfalls
    assert (
        "capacity is not finished: 0.0005 at the last of 3 steps, 25 from step 100,000" in found[0]
    )
    assert "the rate missed its target" in found[1]


def test_a_collapsed_model_is_said(pictures, tmp_path, caplog):
    config = settings(Beta(beta=1e4), 60, learning_rate=3e-3)
    with caplog.at_level(logging.WARNING):
        run = train(pictures, config, tmp_path / "run")
    (found,) = read_card(run).shortfalls
    assert found.startswith("collapsed: the code carries")
    assert f"{run}: {found}" in caplog.messages


@pytest.mark.parametrize(
    ("objective", "steps", "names"),
    [
        (Annealed(iteration_threshold=50), 49, ["beta"]),
        (Annealed(iteration_threshold=50), 50, []),
        (Annealed(beta0=1), 10, []),
        (Beta(), 1, []),
        (Consistent(ramp=20, shape="linear", iteration_threshold=30), 10, ["beta", "consistency"]),
        (Consistent(ramp=20, shape="linear", iteration_threshold=30), 25, ["beta"]),
    ],
)
def test_schedules_are_finished_where_their_weight_has_its_last_value(objective, steps, names):
    found = unfinished(objective, steps)
    assert [text.split(" is not")[0] for text in found] == [f"the schedule of {n}" for n in names]


def test_every_schedule_stays_from_its_last_step_on():
    for schedule in (Cyclical(5.0, 1.0, 80), *Consistent().schedules().values()):
        assert {schedule(schedule.steps + more) for more in (0, 1, 10**6)} == {
            schedule(schedule.steps)
        }


@pytest.mark.parametrize(
    ("rate", "capacity", "missed"),
    [(25.2, 25, False), (20.0, 25, True), (30.0, 25, True), (0.4, 0, False), (4.5, 0, True)],
)
def test_a_rate_may_differ_from_its_target_by_a_tenth_or_half_a_nat(rate, capacity, missed):
    objective = Bottleneck(capacity=capacity, iteration_threshold=1)
    found = find_shortfalls(objective, 10, {"rate": rate}, FINE)
    assert [text.startswith("the rate missed its target") for text in found] == [True] * missed


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (FINE, None),
        (CodeUse((0.1, 0.2), 9.0), "the code carries 0.3 nats"),
        (CodeUse((7.0, 0.03), 9.0), "latent layer 2 of 2 carries 0.03 nats"),
        (
            CodeUse((25.1,), 1.0),
            "carries 25.1 nats, and events are reconstructed only 1 nats better",
        ),
        (CodeUse((25.1,), -3.0), "carries 25.1 nats, and events are reconstructed no better from"),
    ],
)
def test_a_code_that_says_nothing_is_told_from_one_that_does(use, message):
    found = find_shortfalls(Beta(), 10, {"rate": 12.0}, use)
    assert len(found) == (message is not None)
    assert message is None or message in found[0]


class Toy(torch.nn.Module):
    """Codes that hold the mean of an image; the decoder heeds them or not."""

    layers = (1,)

    def __init__(self, heeds):
        super().__init__()
        self.heeds = torch.nn.Parameter(torch.tensor(float(heeds)))
        self.likelihood = make_likelihood(HierarchySettings())

    def infer(self, x, *, sample=True):
        mean = 4 * x.flatten(1).mean(1, keepdim=True) - 2
        posterior = Normal(mean, torch.full_like(mean, 0.3))
        return Latents((posterior,), (standard_normal(posterior),), (posterior.rsample(),))

    def decode(self, z):
        logits = self.heeds * z[:, :, None, None].expand(-1, 1, 8, 8)
        return Bernoulli(logits=logits, validate_args=False)


def test_a_decoder_that_heeds_its_code_gains_more_than_the_code_costs(rng):
    bright = rng.uniform(size=(300, 1, 1, 1))
    images = (rng.uniform(size=(300, 1, 8, 8)) < bright).astype(np.uint8) * 255
    data = PictureData.from_images(images)
    heeding, deaf = (measure_code(Toy(heeds), data, seed=0) for heeds in (1.0, 0.0))
    assert heeding.rates == deaf.rates
    assert heeding.gain > 5 * heeding.rates[0]
    assert deaf.gain == 0
    assert find_shortfalls(Beta(), 1, {}, heeding) == ()
    assert "the code is not used" in find_shortfalls(Beta(), 1, {}, deaf)[0]


def test_measuring_the_code_leaves_random_numbers_alone_and_needs_two_events():
    before = torch.random.get_rng_state()
    found = [
        measure_code(Toy(1), PictureData.from_images(np.zeros((n, 1, 8, 8), np.uint8)), seed=0)
        for n in (2, 1)
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert [use is None for use in found] == [False, True]


def test_the_layers_of_a_hierarchy_are_told_apart(pictures, tmp_path):
    model = HierarchySettings(image_shape=(1, 32, 32), latent_sizes=(6, 3), likelihood_on="all")
    config = TrainingConfig(
        objective=Seatbelt(beta=500, free_bits=0),
        model=model,
        steps=80,
        batch_size=8,
        learning_rate=3e-3,
    )
    found = read_card(train(pictures, config, tmp_path / "run")).shortfalls
    assert any(text.startswith("collapsed") for text in found), found
