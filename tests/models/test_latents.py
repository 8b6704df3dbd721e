"""Draws and joined layers."""

import torch
from torch.distributions import Normal

from glitchvae.models.latents import Latents, draw, normal, standard_normal


def some_normal(rows=4, size=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return normal(torch.randn(rows, 2 * size, generator=generator))


def test_parameters_are_means_and_log_variances():
    parameters = torch.tensor([[1.0, 2.0, 0.0, torch.tensor(9.0).log()]]).bfloat16()
    layer = normal(parameters)
    assert layer.mean.tolist() == [[1, 2]]
    torch.testing.assert_close(layer.stddev, torch.tensor([[1.0, 3.0]]), rtol=5e-3, atol=0)
    assert layer.stddev.dtype == torch.float32


def test_a_draw_is_that_of_rsample():
    layer = some_normal()
    torch.manual_seed(5)
    expected = layer.rsample()
    torch.manual_seed(5)
    assert torch.equal(draw(layer), expected)
    assert torch.equal(draw(layer, torch.Generator().manual_seed(5)), expected)


def test_a_draw_passes_gradients_on():
    mean, std = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    draw(Normal(mean, std)).sum().backward()
    assert mean.grad.tolist() == [1, 1]
    assert (std.grad != 0).all()


def test_layers_are_joined_bottom_up():
    low, high = some_normal(size=3), some_normal(size=2, seed=1)
    latents = Latents((low, high), (high, standard_normal(low)), (low.mean, high.mean))
    assert torch.equal(latents.posterior.mean, torch.cat([low.mean, high.mean], dim=1))
    assert torch.equal(latents.posterior.stddev, torch.cat([low.stddev, high.stddev], dim=1))
    assert torch.equal(latents.prior.mean[:, :2], high.mean)
    assert torch.equal(latents.z, latents.posterior.mean)


def test_the_standard_normal_has_the_shape_of_its_layer():
    prior = standard_normal(some_normal())
    assert prior.batch_shape == (4, 3)
    assert (prior.mean == 0).all()
    assert (prior.stddev == 1).all()
