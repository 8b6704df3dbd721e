"""Estimates of the aggregate posterior agree with sums over it and with correlated Gaussians."""

import math
from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm
from torch.distributions import Normal
from torch.utils._python_dispatch import TorchDispatchMode

from glitchvae.errors import ModelError
from glitchvae.objectives import rate, total_correlation
from glitchvae.objectives.total_correlation import decompose, log_aggregate, log_weights

ESTIMATORS = ("mws", "mss")


def components(count: int, size: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Samples, means and scales (count, size) in float64."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(count, size, generator=generator, dtype=torch.float64)
    scale = 0.3 + torch.rand(count, size, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, size, generator=generator, dtype=torch.float64)
    return mean + scale * noise, mean, scale


def mixture(z, mean, scale, log_weight) -> tuple[np.ndarray, np.ndarray]:
    """Joint (B,) and marginals (B, D) by the definition, a (B, B, D) array and scipy."""
    each = norm.logpdf(z[:, None], mean, scale)
    joint = logsumexp(each.sum(axis=2) + log_weight, axis=1)
    return joint, logsumexp(each + log_weight[..., None], axis=1)


def weight_matrix(estimator: str, batch: int, population: int) -> np.ndarray:
    own, other = log_weights(estimator, batch, population)
    return np.where(np.eye(batch, dtype=bool), own, other)


@pytest.mark.parametrize("elements", [1, 100, 2**20])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_blocks_of_any_size_give_the_mixture(monkeypatch, estimator, elements):
    monkeypatch.setattr(total_correlation, "_ELEMENTS", elements)
    parts = components(23, 3)
    joint, marginals = log_aggregate(*parts, *log_weights(estimator, 23, 1000))
    expected = mixture(*(p.numpy() for p in parts), weight_matrix(estimator, 23, 1000))
    np.testing.assert_allclose(joint.numpy(), expected[0], rtol=1e-12)
    np.testing.assert_allclose(marginals.numpy(), expected[1], rtol=1e-12)


@pytest.mark.parametrize("elements", [40, 2**20])
def test_gradients_of_the_mixture(monkeypatch, elements):
    monkeypatch.setattr(total_correlation, "_ELEMENTS", elements)
    parts = [p.requires_grad_() for p in components(7, 2)]
    weights = log_weights("mss", 7, 50)
    assert torch.autograd.gradcheck(lambda *parts: log_aggregate(*parts, *weights), parts)


def test_narrow_posteriors_keep_their_digits():
    """The summands of the matrix product are a million times its sum."""
    z, mean, scale = components(64, 4)
    parts = [3.0 + mean + 1e-3 * (z - mean), 3.0 + mean, 1e-3 * scale]
    narrow = [part.float() for part in parts]
    joint, _ = log_aggregate(*narrow, -1.0, -1.0)
    expected, _ = mixture(*(part.double().numpy() for part in narrow), np.full((64, 64), -1.0))
    np.testing.assert_allclose(joint.numpy(), expected, rtol=1e-6)


def test_stratified_weights_are_unbiased_for_the_joint_and_for_the_marginals():
    """The mean over all batches of three out of five that hold the event is the full sum.

    Weights in columns 0 and 1 instead of on the diagonal, as in public copies, miss it.
    """
    z, mean, scale = components(5, 2)
    full = mixture(z.numpy(), mean.numpy(), scale.numpy(), np.full((5, 5), -math.log(5)))
    weights = log_weights("mss", 3, 5)
    for event in range(5):
        others = [n for n in range(5) if n != event]
        joints, marginals = [], []
        for pair in combinations(others, 2):
            rows = [pair[0], event, pair[1]]
            joint, marginal = log_aggregate(z[rows], mean[rows], scale[rows], *weights)
            joints.append(joint[1].exp())
            marginals.append(marginal[1].exp())
        assert float(sum(joints) / 6) == pytest.approx(np.exp(full[0][event]), rel=1e-12)
        np.testing.assert_allclose(sum(marginals) / 6, np.exp(full[1][event]), rtol=1e-12)


def test_weighted_sampling_is_a_lower_bound_in_expectation():
    """The mean of log q over all draws of the two others, with repeats, is below log q."""
    z, mean, scale = components(5, 2)
    full = mixture(z.numpy(), mean.numpy(), scale.numpy(), np.full((5, 5), -math.log(5)))
    for event in range(5):
        found = [
            log_aggregate(
                z[[event, *pair]],
                mean[[event, *pair]],
                scale[[event, *pair]],
                *log_weights("mws", 3, 5),
            )[0][0]
            for pair in product(range(5), repeat=2)
        ]
        assert float(sum(found) / 25) < full[0][event]


def test_weights_of_weighted_sampling_add_up_to_one_over_the_population():
    own, other = log_weights("mws", 64, 1000)
    assert math.exp(own) + 63 * math.exp(other) == pytest.approx(1 / 1000)


@pytest.mark.parametrize(("batch", "population"), [(2, 2), (64, 64), (64, 737_280)])
def test_stratified_weights_add_up_to_one(batch, population):
    own, other = log_weights("mss", batch, population)
    assert math.exp(own) == pytest.approx(1 / population)
    assert math.exp(own) + (batch - 1) * math.exp(other) == pytest.approx(1)


@pytest.mark.parametrize(
    ("estimator", "batch", "population"), [("mws", 8, 7), ("mss", 8, 0), ("mss", 1, 9)]
)
def test_a_batch_that_cannot_be_is_refused(estimator, batch, population):
    with pytest.raises(ModelError, match=rf"{estimator}.*a batch of {batch} out of {population}"):
        log_weights(estimator, batch, population)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_three_parts_telescope_to_the_sampled_kl(estimator):
    z, mean, scale = components(40, 3)
    posterior, prior = Normal(mean, scale), Normal(torch.zeros_like(mean), 1.0)
    parts = decompose(z, posterior, prior, population=5000, estimator=estimator)
    sampled = (posterior.log_prob(z) - prior.log_prob(z)).sum(dim=1).mean()
    assert float(sum(parts.values())) == pytest.approx(float(sampled), rel=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_expectation_of_their_sum_is_the_closed_form(estimator):
    z, mean, scale = components(1500, 2)
    posterior, prior = Normal(mean, scale), Normal(torch.zeros_like(mean), 1.0)
    parts = decompose(z, posterior, prior, population=1500, estimator=estimator)
    spread = (posterior.log_prob(z) - prior.log_prob(z)).sum(dim=1).std() / 1500**0.5
    assert abs(float(sum(parts.values()) - rate(posterior, prior))) < 5 * float(spread)


def correlated(count: int, seed: int = 1) -> tuple[torch.Tensor, Normal, float, float]:
    """Samples and posteriors whose aggregate is a correlated normal, its TC and MI in nats."""
    covariance = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, -0.2], [0.2, -0.2, 1.0]])
    noise = 0.5
    rng = np.random.default_rng(seed)
    mean = rng.multivariate_normal(np.zeros(3), covariance - noise**2 * np.eye(3), count)
    z = mean + noise * rng.standard_normal(mean.shape)
    log_det = np.linalg.slogdet(covariance)[1]
    posterior = Normal(torch.from_numpy(mean), noise * torch.ones(count, 3, dtype=torch.float64))
    return torch.from_numpy(z), posterior, -0.5 * log_det, 0.5 * log_det - 3 * math.log(noise)


def test_a_whole_population_gives_total_correlation_and_information_of_a_normal():
    z, posterior, correlation, information = correlated(2000)
    prior = Normal(torch.zeros_like(z), 1.0)
    parts = decompose(z, posterior, prior, population=2000, estimator="mss")
    assert float(parts["total_correlation"]) == pytest.approx(correlation, abs=0.06)
    assert float(parts["mutual_information"]) == pytest.approx(information, abs=0.06)
    assert float(parts["dimension_wise_kl"]) == pytest.approx(0.0, abs=0.06)


def test_the_bias_of_weighted_sampling_is_the_constants():
    """log N enters once in the joint and D times in the product: TC + (D - 1) log N."""
    z, posterior, correlation, information = correlated(2000)
    prior = Normal(torch.zeros_like(z), 1.0)
    parts = decompose(z, posterior, prior, population=2000, estimator="mws")
    constant = math.log(2000)
    assert float(parts["total_correlation"]) == pytest.approx(correlation + 2 * constant, abs=0.06)
    assert float(parts["mutual_information"]) == pytest.approx(information + constant, abs=0.06)


def test_stratified_sampling_of_small_batches_is_near_the_truth():
    """Independent dimensions, 64 of 737,280 events: misplaced weights would say about 10 nats."""
    rng = np.random.default_rng(0)
    found = {estimator: [] for estimator in ESTIMATORS}
    for _ in range(40):
        mean = torch.from_numpy(math.sqrt(1 - 0.25**2) * rng.standard_normal((64, 10)))
        z = mean + 0.25 * torch.from_numpy(rng.standard_normal((64, 10)))
        posterior = Normal(mean, 0.25 * torch.ones_like(mean))
        prior = Normal(torch.zeros_like(z), 1.0)
        for estimator, values in found.items():
            parts = decompose(z, posterior, prior, population=737_280, estimator=estimator)
            values.append(float(parts["total_correlation"]))
    assert abs(np.mean(found["mss"])) < 4
    assert 120 < np.mean(found["mws"]) < 145


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation returns."""

    numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.untyped_storage().nbytes() // 4)
        return result


def test_no_tensor_has_all_pairs_of_events_and_dimensions(monkeypatch):
    monkeypatch.setattr(total_correlation, "_ELEMENTS", 2**14)
    parts = [p.float().requires_grad_() for p in components(256, 10)]
    kept = []
    with (
        Largest() as largest,
        torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
        ),
    ):
        joint, marginals = log_aggregate(*parts, *log_weights("mss", 256, 1000))
        (joint.sum() - marginals.sum()).backward()
    assert largest.numel <= 2**14 * 2
    assert sum(kept) <= 256 * 10 * 6


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_autocast_does_not_reach_the_estimates(estimator):
    z, mean, scale = (p.float() for p in components(50, 4))
    posterior, prior = Normal(mean, scale), Normal(torch.zeros_like(mean), 1.0)
    plain = decompose(z, posterior, prior, population=100, estimator=estimator)
    with torch.autocast("cpu", torch.bfloat16):
        cast = decompose(z, posterior, prior, population=100, estimator=estimator)
    assert all(cast[name].dtype == torch.float32 for name in plain)
    assert all(torch.equal(cast[name], plain[name]) for name in plain)
