"""Densities agree with scipy; each likelihood knows its data and refuses others."""

import numpy as np
import pytest
import scipy.stats
import torch

from glitchvae.errors import ConfigError, InputError
from glitchvae.models import (
    ImageVAE,
    ImageVAESettings,
    check_range,
    read_model,
    scale_to_range,
    scale_to_unit,
)
from glitchvae.models.likelihood import (
    BernoulliLikelihood,
    FixedGaussianLikelihood,
    GaussianLikelihood,
    LikelihoodSettings,
    make_likelihood,
)

SIGNED = (-1.0, 1.0)


@pytest.fixture
def outputs():
    return torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(0)).double()


@pytest.fixture
def x():
    return torch.rand(3, 1, 4, 5, generator=torch.Generator().manual_seed(1)).double()


def test_bernoulli_density(outputs, x):
    pixels = (x > 0.5).double()
    expected = scipy.stats.bernoulli.logpmf(pixels.numpy(), outputs.sigmoid().numpy())
    log_prob = BernoulliLikelihood()(outputs).log_prob(pixels)
    np.testing.assert_allclose(log_prob.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("data_range", "mean", "function"),
    [
        ((0.0, 1.0), "bounded", torch.sigmoid),
        (SIGNED, "bounded", torch.tanh),
        ((0.0, 1.0), "identity", torch.clone),
        (SIGNED, "identity", torch.clone),
    ],
)
def test_gaussian_densities(outputs, x, data_range, mean, function):
    expected = scipy.stats.norm.logpdf(x.numpy(), function(outputs).numpy(), 0.3)
    fixed = FixedGaussianLikelihood(0.3, data_range, mean)
    np.testing.assert_allclose(fixed(outputs).log_prob(x).numpy(), expected, rtol=1e-9)
    learned = GaussianLikelihood(data_range, mean).double()
    torch.nn.init.constant_(learned.log_scale, np.log(0.3))
    np.testing.assert_allclose(learned(outputs).log_prob(x).detach().numpy(), expected, rtol=1e-6)


def test_the_learned_width_tends_to_the_residual(outputs, x):
    likelihood = GaussianLikelihood().double()
    optimiser = torch.optim.LBFGS(likelihood.parameters(), max_iter=50)

    def loss():
        optimiser.zero_grad()
        value = -likelihood(outputs).log_prob(x).mean()
        value.backward()
        return value

    optimiser.step(loss)
    residual = (x - outputs.sigmoid()).square().mean().sqrt()
    torch.testing.assert_close(likelihood.log_scale.exp(), residual, rtol=1e-4, atol=0)


def test_only_the_learned_width_is_a_parameter():
    assert [name for name, _ in GaussianLikelihood().named_parameters()] == ["log_scale"]
    assert not list(FixedGaussianLikelihood(0.1).parameters())
    assert not list(BernoulliLikelihood().parameters())


@pytest.mark.parametrize(
    ("values", "kind", "data_range"),
    [
        ({}, BernoulliLikelihood, (0, 1)),
        ({"likelihood": "gaussian"}, GaussianLikelihood, (0, 1)),
        ({"likelihood": "gaussian", "data_range": [-1, 1]}, GaussianLikelihood, (-1, 1)),
        ({"likelihood": "gaussian-fixed", "width": 0.1}, FixedGaussianLikelihood, (0, 1)),
    ],
)
def test_likelihoods_are_chosen_by_settings(values, kind, data_range):
    likelihood = make_likelihood(LikelihoodSettings.model_validate(values))
    assert type(likelihood) is kind
    assert likelihood.data_range == data_range


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data_range": [-1, 1]}, r"Bernoulli likelihood is for data in \[0, 1\]"),
        ({"mean": "identity"}, "Bernoulli"),
        (
            {"likelihood": "gaussian", "data_range": [0, 255]},
            r"data_range is \[0, 1\] or \[-1, 1\]",
        ),
        ({"likelihood": "gaussian-fixed"}, "width belongs to .*, which needs it"),
        ({"likelihood": "gaussian", "width": 0.1}, "width belongs to"),
        ({"likelihood": "gaussian-fixed", "width": 0.0}, "width: .*greater than 0"),
        ({"likelihood": "laplace"}, "likelihood: .*'bernoulli', 'gaussian' or 'gaussian-fixed'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(values, message):
    with pytest.raises(ConfigError, match=rf"^run\.toml: .*{message}"):
        read_model({"architecture": "image", **values}, where="run.toml")


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(2, 3),
        np.array([0.0, 1.0]),
        np.array([True, False]),
        np.array([0, 1], dtype=np.uint8),
        torch.zeros(0),
    ],
)
def test_data_in_the_range_pass(images):
    check_range(images, BernoulliLikelihood())
    check_range(images, GaussianLikelihood(SIGNED))


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (torch.tensor([-0.5, 0.5]), "-0.5 to 0.5"),
        (np.array([0, 255], dtype=np.uint8), "0 to 255"),
        (torch.tensor([0.5, torch.nan]), "nan to nan"),
        (np.array([0.0, np.inf]), "0 to inf"),
    ],
)
def test_data_outside_the_range_are_refused(images, found):
    likelihood = ImageVAE(ImageVAESettings()).likelihood
    with pytest.raises(
        InputError, match=rf"^d\.npz: pixels outside.*0 to 1; found {found}\. Scale"
    ):
        check_range(images, likelihood, where="d.npz")


def test_scaling_to_the_range_is_inverted(x):
    likelihood = GaussianLikelihood(SIGNED)
    stretched = scale_to_range(x, likelihood)
    check_range(stretched, likelihood)
    assert (stretched < 0).any()
    torch.testing.assert_close(scale_to_unit(stretched, likelihood), x)
    assert torch.equal(scale_to_range(x, BernoulliLikelihood()), x)
