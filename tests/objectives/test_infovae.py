"""The discrepancy of InfoVAE agrees with its definition, and its limits are known objectives."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from glitchvae.errors import ModelError
from glitchvae.objectives import InfoVAE
from glitchvae.objectives.infovae import squared_mmd


def draws(count, size, seed, mean=0.0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return mean + scale * torch.randn(count, size, generator=generator, dtype=torch.float64)


def mean_of_pairs(kernel):
    """Mean over pairs of different draws."""
    return (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1))


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_it_is_the_unbiased_estimate_with_the_prior_integrated(width):
    """Equation 3 of Gretton et al. with very many draws of the prior in place of the integrals."""
    z, prior = draws(7, 3, seed=0, mean=0.4, scale=0.7).numpy(), draws(3000, 3, seed=1).numpy()

    def kernel(a, b):
        return np.exp(-cdist(a, b, "sqeuclidean") / (2 * 3 * width**2))

    expected = mean_of_pairs(kernel(z, z)) - 2 * kernel(z, prior).mean()
    expected += mean_of_pairs(kernel(prior, prior))
    assert float(squared_mmd(torch.from_numpy(z), width)) == pytest.approx(expected, abs=0.01)


def test_draws_of_the_prior_are_at_no_distance_on_average():
    found = [float(squared_mmd(draws(16, 4, seed))) for seed in range(400)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))
    assert min(found) < 0  # unbiased: half of them


def test_its_mean_over_batches_is_the_distance_of_two_normals():
    """In closed form: the convolution of kernel, N(m, s^2) and N(m, s^2), at distance 0, and so on.

    Small batches as well, which a biased estimate would get wrong.
    """
    mean, scale, size, width = 0.8, 0.5, 2, 1.0
    s = size * width**2

    def overlap(variance, distance):
        return (s / (s + variance)) ** (size / 2) * np.exp(
            -size * distance**2 / (2 * (s + variance))
        )

    expected = overlap(2 * scale**2, 0) + overlap(2, 0) - 2 * overlap(1 + scale**2, mean)
    found = [float(squared_mmd(draws(4, size, seed, mean, scale))) for seed in range(4000)]
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(expected, abs=4 * error)
    assert error < 0.05 * expected


def test_it_grows_with_the_shift_and_pulls_codes_back():
    assert squared_mmd(draws(64, 3, 0, mean=2)) > squared_mmd(draws(64, 3, 0, mean=1)) > 0
    z = draws(64, 3, 0, mean=1).requires_grad_()
    squared_mmd(z).backward()
    assert (z.grad.mean(dim=0) > 0).all()


def test_far_codes_are_finite():
    z = torch.tensor([[1e4, 0.0], [0.0, -1e4], [0.0, 0.0]], requires_grad=True)
    squared_mmd(z).backward()
    assert z.grad.isfinite().all()


def test_a_single_event_is_refused():
    with pytest.raises(ModelError, match="a batch of at least 2; found 1"):
        squared_mmd(torch.zeros(1, 3))


def test_half_precision_does_not_reach_it():
    z = draws(16, 3, 0).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(squared_mmd(z), squared_mmd(z.clone()))
        assert squared_mmd(z).dtype == torch.float32


@pytest.mark.parametrize(("alpha", "weight"), [(0.0, 9.0), (1.0, 10.0), (-2.0, 7.0)])
def test_the_loss_has_the_weights_of_the_paper(model, batch, alpha, weight):
    objective = InfoVAE(alpha=alpha, lambda_mmd=10)
    torch.manual_seed(0)
    terms = objective(model, batch, objective.weights(5))
    expected = terms["reconstruction"] + (1 - alpha) * terms["rate"] + weight * terms["mmd"]
    torch.testing.assert_close(terms["loss"], expected)
