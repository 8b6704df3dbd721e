"""Converged models lie on the rate-distortion curve where their objectives say.

A linear model of Gaussian data has a curve in closed form (reverse water-filling), so that
models trained to the end can be compared with the truth. It is the statement behind figure 1
(left) of the paper on annealing: at gamma = 1 no Bottleneck model is better than the ELBO's
optimum, which annealing ends at.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from glitchvae.models import Latents, standard_normal
from glitchvae.objectives import Annealed, Batch, Beta, Bottleneck

VARIANCES = np.array([9.0, 4.0, 2.0, 0.5])
NOISE = 1.0
OPTIMUM = 0.5 * np.log(VARIANCES[VARIANCES > NOISE]).sum()
"""Rate of the ELBO's optimum: components above the noise keep the noise's variance."""


class Linear(nn.Module):
    """z = a x + noise, x = b z + noise, component by component."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = (len(VARIANCES),)
        self.settings = SimpleNamespace()
        start = torch.full((len(VARIANCES),), 0.3, dtype=torch.float64)
        self.a, self.b = nn.Parameter(start.clone()), nn.Parameter(start.clone())
        self.log_scale = nn.Parameter(-0.5 * start)

    def infer(self, x: Tensor, *, sample: bool = True) -> Latents:
        posterior = Normal(self.a * x.flatten(1), self.log_scale.exp().expand(len(x), -1))
        z = posterior.rsample() if sample else posterior.mean
        return Latents((posterior,), (standard_normal(posterior),), (z,))

    def expected(self) -> tuple[Tensor, Tensor]:
        """Distortion, but for its constant, and rate over the whole population."""
        variance, scale = torch.from_numpy(VARIANCES), self.log_scale.exp()
        left = (1 - self.a * self.b).square() * variance + (self.b * scale).square()
        rate = 0.5 * (self.a.square() * variance + scale.square() - 1) - self.log_scale
        return left.sum() / (2 * NOISE), rate.sum()


def trained(objective, steps=4000):
    """(distortion, rate) in the end, of the objective's own total and schedule."""
    model = Linear()
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 0.02 * min(1.0, 2 * (1 - step / steps) + 1e-4)
        distortion, rate = model.expected()
        terms = {"reconstruction": distortion, "rate": rate}
        loss = objective.total(terms, objective.weights(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return tuple(float(value.detach()) for value in model.expected())


def curve(rate):
    """Distortion of the best codes of a rate: reverse water-filling (Cover & Thomas, 10.3.3)."""
    low, high = 1e-9, VARIANCES.max()
    for _ in range(200):
        level = (low + high) / 2
        found = 0.5 * np.log(np.maximum(VARIANCES / level, 1)).sum()
        low, high = (level, high) if found > rate else (low, level)
    return np.minimum(VARIANCES, level).sum() / (2 * NOISE)


@pytest.fixture(scope="module")
def annealed():
    return trained(Annealed(beta0=20, iteration_threshold=1500))


def test_annealing_ends_at_the_optimum_of_the_elbo(annealed):
    distortion, rate = annealed
    assert rate == pytest.approx(OPTIMUM, abs=0.02)
    assert distortion == pytest.approx(curve(OPTIMUM), abs=0.02)
    assert annealed == pytest.approx(trained(Beta(beta=1)), abs=0.02)


@pytest.mark.parametrize("capacity", [0.5, 1.5, 3.5, 5.0])
def test_no_bottleneck_of_gamma_one_is_better(annealed, capacity):
    """Below the optimum's rate it ends there, whatever C; above it pays the rate it is held at."""
    objective = Bottleneck(gamma=1.0, capacity=capacity, iteration_threshold=1500)
    distortion, rate = trained(objective)
    assert rate == pytest.approx(max(capacity, OPTIMUM), abs=0.05)
    assert distortion == pytest.approx(curve(rate), abs=0.03)
    assert distortion + rate >= sum(annealed) - 0.01
    if capacity > OPTIMUM:
        assert distortion + rate > sum(annealed) + 0.05


@pytest.mark.parametrize("capacity", [0.5, 1.5])
def test_a_larger_gamma_holds_a_rate_below_the_optimum_and_pays_for_it(annealed, capacity):
    objective = Bottleneck(gamma=30.0, capacity=capacity, iteration_threshold=1500)
    distortion, rate = trained(objective)
    assert rate == pytest.approx(capacity, abs=0.05)
    assert distortion == pytest.approx(curve(capacity), abs=0.06)
    assert distortion + rate > sum(annealed) + 0.1


def test_the_expected_terms_are_those_that_the_objectives_compute():
    torch.manual_seed(0)
    model, count = Linear(), 400_000
    x = torch.from_numpy(VARIANCES) ** 0.5 * torch.randn(count, 4, dtype=torch.float64)
    images = x.view(count, 1, 2, 2)
    model.decode = lambda z: Normal((model.b * z).view(-1, 1, 2, 2), NOISE**0.5)  # type: ignore
    batch = Batch(images, images, torch.ones(1, 1, 1, 1))
    terms = Beta().terms(model, batch)
    distortion, rate = model.expected()
    constant = 2 * np.log(2 * np.pi * NOISE)
    assert float(terms["reconstruction"].detach()) - constant == pytest.approx(
        float(distortion.detach()), rel=0.01
    )
    assert float(terms["rate"].detach()) == pytest.approx(float(rate.detach()), rel=0.01)
