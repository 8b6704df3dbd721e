"""The contrast of positive pairs against its definition, and what the objective asks for."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from glitchvae.errors import ModelError
from glitchvae.objectives import Annealed, Consistent
from glitchvae.objectives.consistent import contrast


def test_the_contrast_is_its_definition():
    rng = np.random.default_rng(5)
    codes = rng.normal(size=(8, 3))
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    cosines = unit @ unit.T / 0.3
    losses = [logsumexp(np.delete(cosines[i], i)) - cosines[i, (i + 4) % 8] for i in range(8)]
    assert float(contrast(torch.from_numpy(codes), 0.3)) == pytest.approx(np.mean(losses))


def test_codes_that_are_all_alike_cannot_be_told_apart():
    assert float(contrast(torch.ones(10, 4), 0.2)) == pytest.approx(math.log(9))


def test_equal_twins_at_right_angles_to_the_others_are_found():
    assert float(contrast(torch.eye(5).repeat(2, 1), 0.05)) < 1e-6


def test_the_length_of_a_code_does_not_matter():
    codes = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(contrast(3 * codes, 0.2), contrast(codes, 0.2))


def test_its_weight_rises_and_joins_the_loss(model, batch):
    objective = Consistent(consistency=50, ramp=10)
    assert [objective.weights(step)["consistency"] for step in (0, 5, 20)] == [0, 25, 50]
    torch.manual_seed(0)
    found = objective(model, batch, objective.weights(20))
    expected = found["reconstruction"] + found["rate"] + 50 * found["contrast"]
    torch.testing.assert_close(found["loss"], expected)


def test_steps_towards_it_bring_twins_together(model, batch):
    objective = Consistent(consistency=1, ramp=1)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    values = []
    for _ in range(30):
        torch.manual_seed(0)
        terms = objective(model, batch, {"beta": 0.0, "consistency": 1e3})
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()
        values.append(float(terms["contrast"].detach()))
    assert values[-1] < 0.7 * values[0]


def test_a_batch_without_twins_is_refused(model, batch):
    with pytest.raises(ModelError, match=r"positive_pairs = true in \[augmentation\]"):
        Consistent()(model, batch._replace(positive=None), {"beta": 1.0, "consistency": 1.0})
    assert "contrast" not in Annealed()(model, batch._replace(positive=None), {"beta": 1.0})
