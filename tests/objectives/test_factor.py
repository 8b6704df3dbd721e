"""The critic estimates the total correlation and leaves the encoder alone."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from glitchvae.errors import ModelError
from glitchvae.objectives import CriticOptimizer, Factor, permute_dimensions
from glitchvae.objectives.factor import log_ratio

SMALL = Factor(critic_width=16, critic_depth=2)


def critic_of(objective=SMALL, size=2):
    torch.manual_seed(1)
    return objective.critic(size).double()


def test_the_critic_is_that_of_the_paper():
    layers = list(Factor().critic(10))
    sizes = [tuple(layer.weight.shape) for layer in layers[::2]]
    assert sizes == [(1000, 10), *[(1000, 1000)] * 5, (2, 1000)]
    assert {layer.negative_slope for layer in layers[1::2]} == {0.2}
    assert Factor().critic_optimizer() == CriticOptimizer(1e-4, (0.5, 0.9), steps=0)
    assert Factor(critic_steps=150_000).critic_optimizer().steps == 150_000
    assert Factor.second_batch


def test_the_step_of_the_critic_does_not_reach_the_encoder(model, batch):
    critic = critic_of()
    codes, other = model.infer(batch.x).z, model.infer(batch.other).z
    SMALL.critic_loss(critic, codes, other).backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in critic.parameters())


def test_the_step_of_the_model_does_not_reach_the_critic(model, batch):
    critic = critic_of()
    SMALL(model, batch, SMALL.weights(0), critic)["loss"].backward()
    assert all(parameter.grad is None for parameter in critic.parameters())
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_total_correlation_pulls_at_the_encoder(model, batch):
    SMALL.terms(model, batch, critic_of())["total_correlation"].backward()
    assert all(p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_the_total_correlation_is_the_mean_difference_of_the_logits(model, batch):
    critic = critic_of()
    torch.manual_seed(0)
    logits = critic(model.infer(batch.x).z)
    torch.manual_seed(0)
    found = SMALL.terms(model, batch, critic)["total_correlation"]
    torch.testing.assert_close(found, (logits[:, 0] - logits[:, 1]).mean())


def test_the_loss_of_the_critic_is_the_cross_entropy_of_codes_and_permuted_codes():
    critic, codes, other = critic_of(), *torch.randn(2, 9, 2, dtype=torch.float64)
    torch.manual_seed(3)
    found = SMALL.critic_loss(critic, codes, other)
    torch.manual_seed(3)
    logits = torch.cat([critic(codes), critic(permute_dimensions(other))])
    labels = torch.tensor([0] * 9 + [1] * 9)
    torch.testing.assert_close(found, cross_entropy(logits, labels))


def test_each_dimension_is_permuted_across_the_batch_by_itself():
    """Within a sample nothing moves: a code keeps what belongs to its dimension."""
    codes = torch.arange(64.0)[:, None] + 1000 * torch.arange(3.0)
    torch.manual_seed(0)
    permuted = permute_dimensions(codes)
    assert torch.equal(permuted.sort(dim=0).values, codes)
    places = permuted % 1000
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (places[:, one] == places[:, other]).sum() < 10
    assert (places == torch.arange(64.0)[:, None]).sum() < 20


def test_a_trained_critic_knows_the_total_correlation_of_a_normal():
    objective = Factor(critic_width=32, critic_depth=2)
    critic = critic_of(objective).float()
    optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.9))
    torch.manual_seed(0)

    def draw() -> torch.Tensor:
        return torch.randn(512, 2) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]])

    for _ in range(400):
        optimizer.zero_grad()
        objective.critic_loss(critic, draw(), draw()).backward()
        optimizer.step()
    with torch.no_grad():
        found = float(log_ratio(critic, torch.cat([draw() for _ in range(40)])).mean())
    assert found == pytest.approx(-0.5 * math.log(1 - 0.8**2), abs=0.08)


def test_autocast_does_not_reach_the_logits():
    critic = critic_of().float()
    codes = torch.randn(9, 2)
    with torch.autocast("cpu", torch.bfloat16):
        cast = log_ratio(critic, codes)
    assert torch.equal(cast, log_ratio(critic, codes))


def test_a_missing_critic_is_named(model, batch):
    with pytest.raises(ModelError, match="'factor' needs a critic"):
        SMALL(model, batch, SMALL.weights(0))
