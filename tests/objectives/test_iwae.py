"""The bound of importance weighted autoencoders, beside likelihoods in closed form."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal

from glitchvae.models import Latents, standard_normal
from glitchvae.objectives import IWAE, Batch, Beta
from glitchvae.objectives.iwae import log_mean

NOISE = 0.7


class LinearGaussian(nn.Module):
    """p(x|z) = N(Wz, NOISE^2), whose evidence and posterior are known; q is beside the posterior.

    Args:
        error: How far q is from the posterior, in its mean and in the log of its width.
    """

    def __init__(self, error: float) -> None:
        super().__init__()
        self.layers = (1,)
        self.settings = SimpleNamespace()
        self.error = error
        self.w = nn.Parameter(torch.tensor([[1.2, -0.4, 0.9, 0.3]], dtype=torch.float64))

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        precision = 1 + self.w.square().sum() / NOISE**2
        mean = x.flatten(1) @ self.w.T / NOISE**2 / precision
        scale = precision.rsqrt() * torch.tensor(self.error).exp()
        posterior = Normal(mean + self.error * scale, scale.expand_as(mean))
        z = posterior.rsample() if sample else posterior.mean
        return Latents((posterior,), (standard_normal(posterior),), (z,))

    def decode(self, z: Tensor) -> Normal:
        return Normal((z @ self.w).view(-1, 1, 2, 2), NOISE)

    def log_evidence(self, batch: Batch) -> float:
        w = self.w.detach()
        covariance = w.T @ w + NOISE**2 * torch.eye(4, dtype=torch.float64)
        whole = MultivariateNormal(torch.zeros(4, dtype=torch.float64), covariance)
        return float(whole.log_prob(batch.x.flatten(1)).mean())


@pytest.fixture
def pictures() -> Batch:
    x = torch.randn(400, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Batch(x, x, torch.ones(1, 1, 1, 1, dtype=torch.bool))


def bound(model, batch, samples, rounds=20):
    torch.manual_seed(1)
    values = [IWAE(samples=samples)(model, batch, {})["loss"] for _ in range(rounds)]
    return -float(torch.stack(values).mean().detach())


@pytest.mark.parametrize("samples", [1, 3])
def test_with_the_true_posterior_every_weight_is_the_evidence(pictures, samples):
    """Not on average but at each draw: w = p(x)."""
    model = LinearGaussian(error=0.0)
    assert bound(model, pictures, samples, 1) == pytest.approx(model.log_evidence(pictures))


def test_the_bound_rises_with_the_samples_to_the_evidence(pictures):
    model = LinearGaussian(error=0.5)
    truth = model.log_evidence(pictures)
    found = [bound(model, pictures, samples) for samples in (1, 2, 8, 64)]
    assert found == sorted(found)
    assert found[1] - found[0] > 0.05
    assert found[-1] < truth
    assert found[-1] == pytest.approx(truth, abs=0.02)


def test_one_sample_is_the_elbo(pictures):
    """Of the same draw with its log-ratio; over many draws, with the rate in closed form."""
    model = LinearGaussian(error=0.5)
    torch.manual_seed(0)
    terms = IWAE(samples=1)(model, pictures, {})
    torch.manual_seed(0)
    latents = model.infer(pictures.x)
    torch.manual_seed(0)
    expected = Beta().terms(model, pictures)["reconstruction"] + latents.log_ratios[0].mean()
    torch.testing.assert_close(terms["loss"], expected)
    torch.manual_seed(1)
    elbos = [Beta()(model, pictures, {"beta": 1.0})["loss"] for _ in range(50)]
    closed = -float(torch.stack(elbos).mean().detach())
    assert bound(model, pictures, 1, rounds=50) == pytest.approx(closed, abs=0.03)


def test_the_logged_terms_are_means_over_the_draws(model, batch):
    terms = IWAE(samples=4)(model, batch, {})
    assert terms["bound"] < terms["reconstruction"] + terms["rate"] + 5
    torch.testing.assert_close(terms["rate"], Beta().terms(model, batch)["rate"])


def test_the_mean_of_weights_that_overflow():
    log_weights = torch.tensor([[-1e4], [-1e4 + 1.0]])
    assert float(log_mean(log_weights)) == pytest.approx(-1e4 + 0.6201, abs=1e-3)


def test_pixels_that_do_not_exist_do_not_count(model, batch):
    """The first event of the batch has rows without a value: what stands there is no matter."""
    objective, found = IWAE(samples=3), []
    for filler in (0.0, 0.9):
        target = torch.where(batch.valid, batch.target, torch.full_like(batch.target, filler))
        torch.manual_seed(0)
        found.append(objective(model, batch._replace(target=target), {})["loss"])
    assert torch.equal(*found)
