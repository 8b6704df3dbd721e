"""The covariances of DIP-VAE agree with numpy's."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from glitchvae.models import Latents, standard_normal
from glitchvae.objectives import DIPI, DIPII
from glitchvae.objectives.dip import covariance_of_means


@pytest.fixture
def latents() -> Latents:
    generator = torch.Generator().manual_seed(2)
    mean = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    mean = 2 + mean @ torch.tensor([[1.0, 0.5, 0], [0, 1, 0.2], [0, 0, 1]], dtype=torch.float64)
    scale = 0.2 + torch.rand(50, 3, generator=generator, dtype=torch.float64)
    posterior = Normal(mean, scale)
    return Latents((posterior,), (standard_normal(posterior),), (posterior.rsample(),))


def test_the_covariance_of_the_means_is_numpys(latents):
    expected = np.cov(latents.posterior.mean.numpy(), rowvar=False)
    np.testing.assert_allclose(covariance_of_means(latents).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("kind", "noisy"), [(DIPI, 0), (DIPII, 1)])
def test_the_penalties_are_those_of_the_covariance(latents, batch, kind, noisy):
    mean, scale = latents.posterior.mean.numpy(), latents.posterior.stddev.numpy()
    covariance = np.cov(mean, rowvar=False) + noisy * np.diag((scale**2).mean(axis=0))
    terms = kind().latent_terms(latents, batch)
    off_diagonal = covariance[~np.eye(3, dtype=bool)]
    assert float(terms["penalty_od"]) == pytest.approx((off_diagonal**2).sum())
    assert float(terms["penalty_d"]) == pytest.approx(((np.diag(covariance) - 1) ** 2).sum())


def test_the_second_kind_has_the_covariance_of_the_samples(latents):
    """Law of total covariance: each event drawn again and again, within the error of the draws."""
    torch.manual_seed(0)
    draws = latents.posterior.sample((4000,)).flatten(0, 1).numpy()
    found = DIPII().covariance(latents).numpy()
    between = (50 / 49 - 1) * np.cov(latents.posterior.mean.numpy(), rowvar=False, bias=True)
    np.testing.assert_allclose(np.cov(draws, rowvar=False) + between, found, atol=0.02)


@pytest.mark.parametrize(("kind", "ratio"), [(DIPI, 10), (DIPII, 1)])
def test_the_diagonal_weighs_ten_times_more_in_the_first_kind(model, batch, kind, ratio):
    objective = kind(lambda_od=3)
    assert objective.weights(0) == {"lambda_od": 3.0, "lambda_d": 3.0 * ratio}
    terms = objective(model, batch, objective.weights(0))
    penalty = 3 * terms["penalty_od"] + 3 * ratio * terms["penalty_d"]
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + terms["rate"] + penalty)


def test_autocast_does_not_reach_the_covariance(latents):
    posterior = Normal(latents.posterior.mean.float(), latents.posterior.stddev.float())
    single = Latents((posterior,), latents.priors, latents.samples)
    with torch.autocast("cpu", torch.bfloat16):
        cast = covariance_of_means(single)
    assert cast.dtype == torch.float32
    assert torch.equal(cast, covariance_of_means(single))
