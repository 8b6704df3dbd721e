"""Hierarchies: one layer is no hierarchy; densities, draws and KL follow the equations."""

from math import log

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from glitchvae.errors import ConfigError
from glitchvae.models import (
    HIDDEN_WIDTHS,
    LATENT_SIZES,
    GlitchVAE,
    HierarchicalVAE,
    HierarchySettings,
    ImageVAE,
    ImageVAESettings,
    build,
    read_model,
    takes_views,
)
from glitchvae.models.networks import NETWORKS

SHAPE = (1, 16, 16)


@pytest.fixture
def x():
    return torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(1))


def layered(*sizes, **rest):
    """A hierarchy whose BatchNorm has seen some batches, in evaluation mode."""
    torch.manual_seed(0)
    widths = rest.pop("hidden_widths", (8,) * (len(sizes) - 1))
    settings = HierarchySettings(
        image_shape=SHAPE, latent_sizes=sizes, hidden_widths=widths, **rest
    )
    model = HierarchicalVAE(settings)
    for _ in range(3):
        model(torch.rand(16, *SHAPE))
    return model.eval()


@pytest.mark.parametrize("likelihood_on", ["first", "all"])
@pytest.mark.parametrize("network", NETWORKS)
def test_one_layer_is_the_single_layer_model_of_its_network(network, likelihood_on, x):
    single = ImageVAE(ImageVAESettings(network=network, image_shape=SHAPE, latent_size=4))
    hierarchy = HierarchicalVAE(
        HierarchySettings(
            network=network, image_shape=SHAPE, latent_sizes=(4,), likelihood_on=likelihood_on
        )
    )
    hierarchy.load_state_dict(single.state_dict())
    outcomes = []
    for model in (single, hierarchy):
        torch.manual_seed(7)
        latents = model.infer(x)
        images = model.decode(latents.z)
        outcomes.append((latents.posterior.mean, latents.prior.stddev, latents.z, images.mean))
    assert all(torch.equal(one, other) for one, other in zip(*outcomes, strict=True))


@pytest.mark.parametrize("layers", range(1, 6))
def test_of_l_layers_the_last_l_sizes_and_the_widths_from_512_on_are_taken(layers):
    """The paper's h_sizes[i] between z_i and z_{i+1}: they count from the bottom."""
    sizes = LATENT_SIZES[-layers:]
    model = HierarchicalVAE(HierarchySettings(image_shape=SHAPE, latent_sizes=sizes))
    assert model.layers == sizes
    assert len(model.upward) == len(model.downward) == layers - 1
    for step, width in enumerate((512, 256, 128, 64)[: layers - 1]):
        low, high = sizes[step : step + 2]
        assert dense_layers(model.upward[step]) == [(low, width), (width, width), (width, 2 * high)]
        assert dense_layers(model.downward[step])[::2] == [(high, width), (width, 2 * low)]
        kinds = [type(layer) for layer in model.upward[step]]
        assert kinds == [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU] * 2 + [nn.Linear]


def test_a_card_with_all_five_widths_is_read_as_it_was_written():
    """Models were once built with the last L - 1 of them, and their cards hold the whole list."""
    before = HierarchySettings(latent_sizes=(12, 6), hidden_widths=HIDDEN_WIDTHS)
    assert dense_layers(HierarchicalVAE(before).upward[0])[1] == (64, 64)
    now = HierarchySettings(latent_sizes=(12, 6))
    assert now.hidden_widths == (512,)
    again = read_model({"architecture": "hierarchy", **now.model_dump()})
    assert again == now


def dense_layers(network):
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    return [(layer.in_features, layer.out_features) for layer in layers]


def test_the_likelihood_is_on_the_first_layer_or_on_all():
    z = torch.zeros(1, 7)
    above = z.clone()
    above[:, 4:] = 1
    first, everything = (layered(4, 3, likelihood_on=choice) for choice in ("first", "all"))
    assert torch.equal(first.decode(z).mean, first.decode(above).mean)
    assert not torch.allclose(everything.decode(z).mean, everything.decode(above).mean)


def test_each_posterior_is_of_the_layer_below_and_each_prior_of_the_layer_above(x):
    model = layered(4, 3, 2)
    q, p, z = model.infer(x)
    for step in range(2):
        mean, _ = model.upward[step](z[step]).chunk(2, dim=-1)
        assert torch.equal(q[step + 1].mean, mean)
        mean, _ = model.downward[step](z[step + 1]).chunk(2, dim=-1)
        assert torch.equal(p[step].mean, mean)
    assert (p[2].mean == 0).all()
    assert (p[2].stddev == 1).all()


def test_without_draws_means_are_handed_up(x):
    latents = layered(4, 3, 2).infer(x, sample=False)
    for q, z in zip(latents.posteriors, latents.samples, strict=True):
        assert torch.equal(q.mean, z)


def test_kl_of_each_layer_agrees_with_draws_of_it(x):
    """Given its neighbours, a layer's closed-form KL is the mean log ratio of new draws."""
    latents = layered(4, 3, 2).infer(x)
    for q, p in zip(latents.posteriors, latents.priors, strict=True):
        z = q.sample((20_000,))
        ratios = (q.log_prob(z) - p.log_prob(z)).sum(dim=-1)
        error = 5 * ratios.std(dim=0) / 20_000**0.5
        assert ((ratios.mean(dim=0) - kl_divergence(q, p).sum(dim=-1)).abs() < error).all()


def test_log_ratios_estimate_the_kl_of_the_whole_hierarchy():
    """With linear networks q(z1, z2 | x) and p(z1, z2) are Gaussians, whose KL is known."""
    model = layered(1, 1)
    model.upward[0], model.downward[0] = line(0.9, 0.3), line(0.8, 0.5)
    with torch.inference_mode():
        latents = model.infer(torch.rand(1, *SHAPE).expand(40_000, *SHAPE))
    (m,), (s,) = latents.posteriors[0].mean[0], latents.posteriors[0].stddev[0]
    t, r = latents.posteriors[1].stddev[0, 0], latents.priors[0].stddev[0, 0]
    q = joint([m, 0.9 * m], [[s**2, 0.9 * s**2], [0.9 * s**2, 0.81 * s**2 + t**2]])
    p = joint([0.0, 0.0], [[0.64 + r**2, 0.8], [0.8, 1.0]])
    ratios = torch.stack(latents.log_ratios).sum(dim=0)
    error = 5 * ratios.std() / 40_000**0.5
    assert abs(ratios.mean() - kl_divergence(q, p)) < error
    apart = kl_divergence(latents.posterior, latents.prior).sum(dim=-1).mean()
    assert abs(apart - kl_divergence(q, p)) > 10 * error


def line(slope, std):
    """A network between layers of one variable: mean `slope * z`, about this width."""
    network = nn.Linear(1, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[slope], [0.0]]))
        network.bias.copy_(torch.tensor([0.0, 2 * log(std)]))
    return network


def joint(mean, covariance):
    return MultivariateNormal(torch.tensor(mean), torch.tensor(covariance))


def test_ancestral_draws_follow_the_priors():
    model = layered(4, 3, 2)
    top = torch.randn(1, 2).expand(20_000, 2)
    with torch.inference_mode():
        z = model.descend(top, sample=True, generator=torch.Generator().manual_seed(2))
        prior = between_layers(model, top[:1])
    assert torch.equal(z[:, -2:], top)
    middle = z[:, 4:7]
    assert ((middle.mean(0) - prior.mean[0]) / prior.stddev[0]).abs().max() < 5 / 20_000**0.5
    torch.testing.assert_close(middle.std(0), prior.stddev[0], rtol=0.03, atol=0)


def between_layers(model, top):
    mean, log_var = model.downward[1](top).chunk(2, dim=-1)
    return Normal(mean, (4 * (log_var / 8).tanh()).exp())


def test_generated_images_go_through_the_means_of_the_priors():
    model = layered(4, 3, 2, likelihood_on="all")
    top = torch.randn(5, 2)
    middle = model.downward[1](top)[:, :3]
    low = model.downward[0](middle)[:, :4]
    expected = model.decode(torch.cat([low, middle, top], dim=1)).mean
    assert torch.equal(model.generate(top).mean, expected)


def test_log_variances_between_layers_stay_bounded(x):
    model = layered(4, 3)
    with torch.no_grad():
        for network in (model.upward[0], model.downward[0]):
            network[-1].bias.copy_(torch.linspace(-1e4, 1e4, len(network[-1].bias)))
    latents = model.infer(x)
    for layer in (latents.posteriors[1], latents.priors[0]):
        assert layer.stddev.log().abs().max() <= 4 + 1e-6
    assert all(ratio.isfinite().all() for ratio in latents.log_ratios)


def test_the_glitch_network_brings_its_own_shape():
    glitch = {"image_shape": (20, 24), "widths": (4, 8), "hidden": 16}
    settings = HierarchySettings(network="glitch", glitch=glitch, latent_sizes=(3,))
    assert settings.image_shape == (4, 20, 24)
    model = HierarchicalVAE(settings)
    single = build("glitch", {**glitch, "latent_size": 3})
    model.load_state_dict(single.state_dict())
    x = torch.rand(2, 5, 20, 24)
    assert torch.equal(model.encode(x).mean, single.encode(x).mean)
    assert takes_views(model)
    assert takes_views(GlitchVAE())
    assert not takes_views(HierarchicalVAE(HierarchySettings(latent_sizes=(2,))))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latent_sizes": []}, "latent_sizes: .*at least 1"),
        ({"latent_sizes": [4, 0]}, r"latent_sizes\.1: .*greater than 0"),
        ({"latent_sizes": [4, 3, 2], "hidden_widths": [8]}, "hidden_widths needs an entry between"),
        ({"glitch": {}}, "table 'glitch' belongs to the network 'glitch'"),
        ({"network": "glitch", "image_shape": [1, 64, 64]}, r"table 'glitch', \(4, 140, 170\)"),
        ({"network": "glitch", "glitch": {"hiden": 3}}, "unknown key 'glitch.hiden'"),
        ({"network": "burges"}, "network: .*'burgess'"),
        ({"image_shape": [1, 8, 8]}, "at least 16 x 16"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        read_model({"architecture": "hierarchy", **values}, where="run.toml")
