"""Class scores with a gradient, and the smallest perturbation across a boundary."""

import numpy as np
import pytest
import torch

from glitchvae.classes.prototypes import Prototypes
from glitchvae.probes import fit_linear_probe
from glitchvae.validation.robustness.boundaries import ClassScores, cross, lead


@pytest.fixture
def prototypes(rng):
    labels = np.repeat(np.array(["A", "B", "C"], dtype=object), (90, 60, 5))
    codes = rng.normal(size=(155, 4)) + 2.0 * np.arange(3).repeat((90, 60, 5))[:, None]
    return Prototypes.fit(codes, labels)


def test_classes_are_those_of_the_prototypes(prototypes, rng):
    codes = rng.normal(2.0, 3.0, (200, 4))
    scores = ClassScores.of_prototypes(prototypes)
    found = prototypes.classify(codes)
    np.testing.assert_array_equal(scores.classify(codes), found.class_name)
    probability = (
        (scores(torch.from_numpy(codes)) / prototypes.temperature).softmax(dim=1).amax(dim=1)
    )
    np.testing.assert_allclose(probability.numpy(), found.class_probability, rtol=1e-5)


def test_classes_are_those_of_a_linear_probe(rng):
    labels = np.repeat(np.array(["A", "B", "C"], dtype=object), 40)
    codes = rng.normal(size=(120, 4)) * (1.0, 5.0, 0.2, 1.0) + np.arange(3).repeat(40)[:, None]
    probe = fit_linear_probe(codes, labels)
    scores = ClassScores.of_probe(probe)
    np.testing.assert_array_equal(scores.classify(codes), probe.predict(codes))
    probability = scores(torch.from_numpy(codes)).softmax(dim=1).numpy()
    np.testing.assert_allclose(probability, probe.predict_proba(codes), rtol=1e-6)


def test_a_lead_is_over_the_best_other_class():
    scores = torch.tensor([[1.0, 4.0, 2.0], [1.0, 4.0, 2.0]])
    np.testing.assert_array_equal(lead(scores, torch.tensor([1, 0])).numpy(), [2.0, -3.0])


def test_a_plane_is_crossed_at_its_foot(rng):
    """Behind a plane the nearest point is known: its distance is the margin over the slope."""
    normals = torch.from_numpy(rng.normal(size=(5, 6))).float()
    heights = torch.tensor([0.1, 0.5, 1.0, 2.0, 4.0])
    found = cross(
        lambda d: heights - (normals * d.flatten(1)).sum(dim=1),
        torch.zeros(5, 2, 3),
        steps=60,
        first_step=0.5,
    )
    expected = heights / normals.norm(dim=1)
    torch.testing.assert_close(found.distance, expected, rtol=0.02, atol=0.0)
    assert (found.distance >= expected * (1 - 1e-5)).all()
    torch.testing.assert_close(found.perturbation.flatten(1).norm(dim=1), found.distance)


def test_a_sphere_is_left_along_the_shortest_way():
    """From inside a sphere the way out is its radius less the distance from its centre."""
    start = torch.tensor([[0.5, 0.0, 0.0], [0.0, -0.8, 0.0]])
    found = cross(
        lambda d: 1.0 - (start + d).norm(dim=1), torch.zeros(2, 3), steps=60, first_step=0.2
    )
    torch.testing.assert_close(found.distance, torch.tensor([0.5, 0.2]), rtol=0.02, atol=0.0)


def test_what_is_allowed_is_kept_to_and_failure_is_said():
    def margin(perturbation):
        return torch.tensor([1.0, 1.0, torch.nan]) - perturbation.sum(dim=1)

    found = cross(
        margin,
        torch.zeros(3, 2),
        steps=40,
        first_step=0.5,
        allowed=lambda d: d.clamp(max=torch.tensor([[0.9, 0.9], [0.3, 0.3], [0.9, 0.9]])),
    )
    assert found.distance[0] == pytest.approx(2**-0.5, rel=0.02)
    assert found.distance[1:].isinf().all()
