"""The law of clipped energies agrees with scipy's, and with noise that is drawn."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from glitchvae.models.energy import HIGHEST, LOWEST, NOISE_ENERGY, ClippedWeibull
from glitchvae.models.likelihood import ClippedEnergyLikelihood
from glitchvae.shapes import ENERGY_CEILING

SHAPES = (0.6, 2.0, 5.0)
SCALES = (0.02, 0.3, 3.0)


def law(shape, scale):
    """One of this package, and scipy's."""
    logs = (torch.tensor(float(v), dtype=torch.float64).log() for v in (scale, shape))
    return ClippedWeibull(*logs), scipy.stats.weibull_min(shape, scale=scale)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES)
def test_the_density_is_scipys_between_the_ends(shape, scale):
    ours, theirs = law(shape, scale)
    x = torch.linspace(LOWEST + 1e-6, HIGHEST - 1e-6, 50, dtype=torch.float64)
    log_prob = ClippedWeibull(ours.log_scale.expand(50), ours.log_shape).log_prob(x)
    np.testing.assert_allclose(log_prob.numpy(), theirs.logpdf(x.numpy()), rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES)
def test_the_ends_have_the_probability_of_what_lies_beyond(shape, scale):
    ours, theirs = law(shape, scale)
    at_zero, at_ceiling = (float(ours.log_prob(torch.tensor(x).double())) for x in (0.0, 1.0))
    assert at_ceiling == pytest.approx(theirs.logsf(HIGHEST), rel=1e-9)
    assert at_zero == pytest.approx(theirs.logcdf(LOWEST), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES)
def test_the_whole_is_one(shape, scale):
    ours, _ = law(shape, scale)

    def density(x):
        return float(ours.log_prob(torch.tensor(x).double()).exp())

    middle = scipy.integrate.quad(density, LOWEST, HIGHEST, limit=400, points=[scale])[0]
    assert density(0.0) + middle + density(1.0) == pytest.approx(1, abs=1e-7)


def test_the_ends_of_the_scale_are_half_a_byte_away():
    energies = torch.arange(256) * 0.1
    roots = (energies / ENERGY_CEILING).sqrt()
    assert ((roots < LOWEST) == (energies == 0)).all()
    assert ((roots > HIGHEST) == (torch.arange(256) == 255)).all()


def test_energies_of_gaussian_noise_have_its_law():
    """The squared modulus of complex Gaussian amplitudes over its median; no fit."""
    rng = np.random.default_rng(0)
    energy = (rng.normal(size=(2, 40_000)) ** 2).sum(axis=0)
    energy /= np.median(energy)
    assert energy.mean() == pytest.approx(NOISE_ENERGY, rel=0.02)
    noise = ClippedEnergyLikelihood(1, 1)(torch.zeros(1, 1, 1, 1))
    scale, shape = (float(v.exp()) for v in (noise.log_scale, noise.log_shape.detach()))
    assert shape == pytest.approx(2.0)  # Rayleigh
    found = scipy.stats.kstest(
        np.sqrt(energy / ENERGY_CEILING), scipy.stats.weibull_min(shape, scale=scale).cdf
    )
    assert found.pvalue > 1e-3


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES)
def test_mean_and_draws_are_those_of_the_cut_root(shape, scale):
    ours, theirs = law(shape, scale)
    expected = theirs.expect(lambda x: np.minimum(x, 1.0))
    assert float(ours.mean) == pytest.approx(expected, abs=0.01)
    torch.manual_seed(0)
    drawn = ours.sample((20_000,))
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert float(drawn.mean()) == pytest.approx(expected, abs=5 * float(drawn.std()) / 20_000**0.5)


@pytest.mark.parametrize("output", [-1e4, -20.0, 0.0, 20.0, 1e4])
@pytest.mark.parametrize("narrowing", [-50.0, 0.0, 50.0])
@pytest.mark.parametrize("x", [0.0, LOWEST, 0.063, 0.5, HIGHEST, 1.0])
def test_values_and_gradients_are_finite_in_single_precision(output, narrowing, x):
    likelihood = ClippedEnergyLikelihood(1, 1)
    torch.nn.init.constant_(likelihood.narrowing, narrowing)
    outputs = torch.full((1, 1, 1, 1), output, requires_grad=True)
    found = likelihood(outputs).log_prob(torch.full((1, 1, 1, 1), x))
    found.sum().backward()
    assert found.isfinite().all()
    assert outputs.grad.isfinite().all()
    assert likelihood.narrowing.grad.isfinite().all()


def test_a_fit_finds_energy_and_shape_although_the_scale_ends():
    """A third of the pixels at the ceiling and some at zero do not pull it away."""
    torch.manual_seed(0)
    truth = ClippedWeibull(torch.full((1, 1, 1, 20_000), 0.9).log(), torch.tensor(1.5).log())
    x = truth.sample()
    assert 0.2 < (x > HIGHEST).float().mean() < 0.5
    likelihood = ClippedEnergyLikelihood(1, 1)
    energy = torch.nn.Parameter(torch.zeros(1, 1, 1, 1))
    optimizer = torch.optim.Adam([energy, likelihood.narrowing], 0.1)
    for _ in range(500):
        loss = -likelihood(energy.expand_as(x)).log_prob(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = likelihood(energy)
    assert float(found.log_scale.exp().detach()) == pytest.approx(0.9, rel=0.05)
    assert float(found.log_shape.exp().detach()) == pytest.approx(1.5, rel=0.05)
