"""The capacity of a bottleneck concerns the mean rate of a batch."""

import pytest
import torch

from glitchvae.objectives import Bottleneck
from glitchvae.objectives.beta import WeightedBeta


def test_the_loss_of_a_bottleneck_is_the_distance_of_the_mean_rate(model, batch):
    objective = Bottleneck(gamma=7, capacity=50, iteration_threshold=10)
    torch.manual_seed(0)
    terms = objective(model, batch, objective.weights(5))
    expected = (terms["rate"] - 25).abs()
    torch.testing.assert_close(terms["penalty"], expected)
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + 7 * expected)


def test_events_may_differ_in_rate_where_their_mean_is_right(model, batch):
    """The mean of |KL_i - C| would be positive: an objective of another kind."""
    objective = Bottleneck()
    torch.manual_seed(0)
    terms = objective.terms(model, batch)
    weights = {"gamma": 1000.0, "capacity": terms["rate"].item()}
    each = torch.distributions.kl_divergence(
        model.encode(batch.x), torch.distributions.Normal(0.0, 1.0)
    ).sum(dim=1)
    assert (each - terms["rate"]).abs().mean() > 1e-3
    assert torch.equal(objective.total(terms, weights), terms["reconstruction"])


def test_no_weight_on_a_bottleneck_leaves_the_distortion(model, batch):
    objective = Bottleneck(gamma=0)
    terms = objective(model, batch, objective.weights(5))
    assert torch.equal(terms["loss"], terms["reconstruction"])


def test_the_capacity_rises_and_stays():
    capacities = [Bottleneck(capacity=25).weights(step)["capacity"] for step in (0, 50_000, 10**6)]
    assert capacities == [0.0, 12.5, 25.0]


@pytest.mark.parametrize(
    ("shape", "first", "last"), [("constant", 4, 4), ("linear", 9, 4), ("cosine", 9, 4)]
)
def test_a_weight_is_annealed_only_where_told(shape, first, last):
    objective = WeightedBeta(beta=4, beta0=9, iteration_threshold=5, shape=shape)
    assert (objective.weights(0)["beta"], objective.weights(5)["beta"]) == (first, last)
