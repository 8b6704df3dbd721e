"""The discriminator estimates the total correlation and leaves the encoder alone."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from glitchvae.errors import ModelError
from glitchvae.objectives import DiscriminatorOptimizer, Factor, permute_dimensions
from glitchvae.objectives.factor import log_ratio

SMALL = Factor(discriminator_width=16, discriminator_depth=2)


def discriminator_of(objective=SMALL, size=2):
    torch.manual_seed(1)
    return objective.discriminator(size).double()


def test_the_discriminator_is_that_of_the_paper():
    layers = list(Factor().discriminator(10))
    sizes = [tuple(layer.weight.shape) for layer in layers[::2]]
    assert sizes == [(1000, 10), *[(1000, 1000)] * 5, (2, 1000)]
    assert {layer.negative_slope for layer in layers[1::2]} == {0.2}
    assert Factor().discriminator_optimizer() == DiscriminatorOptimizer(1e-4, (0.5, 0.9), steps=0)
    assert Factor(discriminator_steps=150_000).discriminator_optimizer().steps == 150_000
    assert Factor.second_batch


def test_the_step_of_the_discriminator_does_not_reach_the_encoder(model, batch):
    discriminator = discriminator_of()
    codes, other = model.infer(batch.x).z, model.infer(batch.other).z
    SMALL.discriminator_loss(discriminator, codes, other).backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in discriminator.parameters())


def test_the_step_of_the_model_does_not_reach_the_discriminator(model, batch):
    discriminator = discriminator_of()
    SMALL(model, batch, SMALL.weights(0), discriminator)["loss"].backward()
    assert all(parameter.grad is None for parameter in discriminator.parameters())
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_total_correlation_pulls_at_the_encoder(model, batch):
    SMALL.terms(model, batch, discriminator_of())["total_correlation"].backward()
    assert all(p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_the_total_correlation_is_the_mean_difference_of_the_logits(model, batch):
    discriminator = discriminator_of()
    torch.manual_seed(0)
    logits = discriminator(model.infer(batch.x).z)
    torch.manual_seed(0)
    found = SMALL.terms(model, batch, discriminator)["total_correlation"]
    torch.testing.assert_close(found, (logits[:, 0] - logits[:, 1]).mean())


def test_the_loss_of_the_discriminator_is_the_cross_entropy_of_codes_and_permuted_codes():
    discriminator, codes, other = discriminator_of(), *torch.randn(2, 9, 2, dtype=torch.float64)
    torch.manual_seed(3)
    found = SMALL.discriminator_loss(discriminator, codes, other)
    torch.manual_seed(3)
    logits = torch.cat([discriminator(codes), discriminator(permute_dimensions(other))])
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


def test_a_trained_discriminator_knows_the_total_correlation_of_a_normal():
    objective = Factor(discriminator_width=32, discriminator_depth=2)
    discriminator = discriminator_of(objective).float()
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.9))
    torch.manual_seed(0)

    def draw() -> torch.Tensor:
        return torch.randn(512, 2) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]])

    for _ in range(400):
        optimizer.zero_grad()
        objective.discriminator_loss(discriminator, draw(), draw()).backward()
        optimizer.step()
    with torch.no_grad():
        found = float(log_ratio(discriminator, torch.cat([draw() for _ in range(40)])).mean())
    assert found == pytest.approx(-0.5 * math.log(1 - 0.8**2), abs=0.08)


def test_autocast_does_not_reach_the_logits():
    discriminator = discriminator_of().float()
    codes = torch.randn(9, 2)
    with torch.autocast("cpu", torch.bfloat16):
        cast = log_ratio(discriminator, codes)
    assert torch.equal(cast, log_ratio(discriminator, codes))


def test_a_missing_discriminator_is_named(model, batch):
    with pytest.raises(ModelError, match="'factor' needs a discriminator"):
        SMALL(model, batch, SMALL.weights(0))
