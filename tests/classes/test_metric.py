"""The learnt metric tells classes apart; its loss is the cross-entropy written out."""

import numpy as np
import pytest
import torch

from glitchvae.classes.metric import centres_of, learn_metric, surprise


def test_a_learnt_metric_looks_away_from_what_tells_nothing(rng):
    classes = np.repeat([0, 1], 3000)
    codes = np.stack([classes + rng.normal(0, 0.2, 6000), rng.normal(0, 5, 6000)], axis=1)
    centres = np.array([[0.0, 0.0], [1.0, 0.0]])
    metric = learn_metric(codes, classes, centres, np.array([0, 1]), np.eye(2), 0)
    assert metric.dtype == np.float64
    told, untold = np.linalg.norm(metric, axis=1)
    assert told > 1.2
    assert untold < 1


def test_the_loss_is_the_weighted_cross_entropy_of_mixtures(rng):
    codes, centres, metric = (rng.normal(size=shape) for shape in ((7, 3), (5, 3), (3, 3)))
    classes, weight = np.array([0, 1, 2, 0, 1, 2, 0]), rng.uniform(1, 2, 7)
    owners = np.array([0, 0, 1, 2, 2])
    squared = (((codes[:, None] - centres) @ metric) ** 2).sum(axis=2)
    density = np.stack([np.exp(-0.5 * squared[:, owners == k]).mean(axis=1) for k in range(3)], 1)
    likely = density[np.arange(7), classes] / density.sum(axis=1)
    expected = -(weight * np.log(likely)).sum() / weight.sum()
    arrays = map(torch.from_numpy, (codes, classes, weight, centres))
    found = surprise(*arrays, centres_of(owners, 3), torch.from_numpy(metric))
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_a_code_far_from_everything_has_a_finite_loss_and_slope():
    metric = torch.eye(2, dtype=torch.float64, requires_grad=True)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [99.0, 0.0]], dtype=torch.float64)
    far = torch.tensor([[1e3, 0.0]], dtype=torch.float64)
    table = centres_of(np.array([0, 0, 1]), 2)
    loss = surprise(
        far, torch.tensor([0]), torch.ones(1, dtype=torch.float64), centres, table, metric
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(metric.grad).all()
