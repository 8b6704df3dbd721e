"""The contrast of positive pairs and classes against its definition, and its limits."""

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch.autograd import gradcheck

from glitchvae.errors import ModelError
from glitchvae.objectives import Consistent, Labelled
from glitchvae.objectives.consistent import contrast
from glitchvae.objectives.labelled import contrast_of_classes

LABELS = torch.tensor([0, 1, -1, 1, 0]).repeat(2)
"""Of five events and their positives: two classes of two, and one event that is not known."""


@pytest.fixture
def codes() -> torch.Tensor:
    return torch.randn(10, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_contrast_is_its_definition(codes):
    unit = codes.numpy() / np.linalg.norm(codes.numpy(), axis=1, keepdims=True)
    labels, losses = LABELS.numpy(), []
    for i in range(10):
        others = np.delete(np.arange(10), i)
        log_found = log_softmax(unit[others] @ unit[i] / 0.3)
        mine = (others == (i + 5) % 10) | ((labels[others] == labels[i]) & (labels[i] >= 0))
        losses.append(-log_found[mine].mean())
    found = contrast_of_classes(codes, LABELS, 0.3)
    assert float(found) == pytest.approx(np.mean(losses))


def test_two_classes_at_right_angles_in_closed_form():
    """Each code has three of its class at cosine 1 and four others at cosine 0."""
    codes = torch.eye(2, dtype=torch.float64).repeat(4, 1)
    labels = torch.tensor([0, 1]).repeat(4)
    expected = math.log(3 * math.exp(2) + 4) - 2
    assert float(contrast_of_classes(codes, labels, 0.5)) == pytest.approx(expected)


def test_without_a_label_it_is_the_contrast_of_twins(codes):
    nothing = torch.full((10,), -1)
    torch.testing.assert_close(contrast_of_classes(codes, nothing, 0.2), contrast(codes, 0.2))


def test_an_event_alone_in_its_class_has_its_twin(codes):
    alone = torch.arange(5).repeat(2)
    torch.testing.assert_close(contrast_of_classes(codes, alone, 0.2), contrast(codes, 0.2))


def test_the_order_of_the_events_and_the_numbers_of_the_classes_do_not_matter(codes):
    order = torch.tensor([3, 0, 4, 1, 2])
    both = torch.cat([order, order + 5])
    renamed = torch.where(LABELS >= 0, 7 - LABELS, -1)[both]
    found = contrast_of_classes(codes[both], renamed, 0.2)
    torch.testing.assert_close(found, contrast_of_classes(codes, LABELS, 0.2))


def test_its_gradient_is_that_of_finite_differences(codes):
    codes.requires_grad_()
    assert gradcheck(lambda x: contrast_of_classes(x, LABELS, 0.2), codes)


@pytest.mark.parametrize("label", [torch.full((5,), -1), torch.arange(5)])
def test_the_objective_without_shared_labels_is_the_consistent_one(model, batch, label):
    found = []
    for objective in (Consistent(ramp=10), Labelled(ramp=10)):
        torch.manual_seed(0)
        found.append(objective(model, batch._replace(label=label), objective.weights(20)))
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value)


def test_steps_towards_it_bring_a_class_together_and_leave_the_unknown_apart(model, batch):
    objective = Labelled(consistency=1, ramp=1)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    cosines = []
    for _ in range(60):
        torch.manual_seed(0)
        terms = objective(model, batch, {"beta": 0.0, "consistency": 1e3})
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()
        unit = torch.nn.functional.normalize(model.encode(batch.x).mean.detach(), dim=1)
        cosines.append((unit @ unit.T).numpy())
    assert cosines[-1][1, 3] > max(0.9, cosines[0][1, 3])
    assert cosines[-1][2, [0, 1, 3, 4]].max() < cosines[-1][1, 3]


def test_data_without_labels_are_refused(model, batch):
    with pytest.raises(ModelError, match="learns from labels") as error:
        Labelled()(model, batch._replace(label=None), {"beta": 1.0, "consistency": 1.0})
    assert "objective consistent" in str(error.value)


def test_a_batch_without_twins_is_refused(model, batch):
    with pytest.raises(ModelError, match=r"positive_pairs = true in \[augmentation\]"):
        Labelled()(model, batch._replace(positive=None), {"beta": 1.0, "consistency": 1.0})
