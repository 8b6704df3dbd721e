"""One model under attack and noise, on pairs that are the same for every model."""

import dataclasses

import numpy as np
import pytest
import torch

from glitchvae.errors import InputError
from glitchvae.models import build
from glitchvae.validation.robustness.attacks import attack
from glitchvae.validation.robustness.measuring import COLUMNS, measure_robustness, random_pairs


@pytest.fixture(scope="module")
def images():
    return torch.rand(12, 1, 16, 16, generator=torch.Generator().manual_seed(2))


def measured(images, seed, **options):
    torch.manual_seed(seed)
    sizes = {"latent_sizes": (4, 2), "hidden_widths": (8,), "likelihood_on": "all"}
    model = build("hierarchy", {"network": "reference", "image_shape": (1, 16, 16), **sizes})
    return measure_robustness(
        model.eval(),
        images,
        pairs=3,
        strengths=[1e-3, 1.0, 1e6],
        scales=(0.0, 0.2),
        evaluations=6,
        **options,
    )


def test_everything_is_measured_on_the_same_pairs(images):
    factors = np.random.default_rng(0).integers(0, 3, (12, 2))
    found = measured(images, 0, factors=factors)
    assert len(found.attacks) == 9
    assert found.mean_relative_divergence.shape == (3,)
    assert (
        (found.mean_relative_divergence > 0) & (found.mean_relative_divergence <= 1 + 1e-6)
    ).all()
    assert np.isfinite(found.mig_top)
    assert len(found.row()) == len(COLUMNS)
    again = measured(images, 0, factors=factors)
    np.testing.assert_array_equal(again.attacks.objective, found.attacks.objective)


def test_the_example_is_the_first_pair_as_it_was_attacked(images):
    found = measured(images, 0)
    clean, target, perturbation, drawn = found.example
    inputs, targets = random_pairs(images, 3, torch.Generator().manual_seed(0))
    np.testing.assert_array_equal((clean, target), (inputs[0], targets[0]))
    sizes = np.linalg.norm(perturbation.reshape(3, -1), axis=1)
    np.testing.assert_allclose(sizes, found.attacks.distance[found.attacks.pair == 0], atol=1e-6)
    error = np.linalg.norm((drawn - target).reshape(3, -1), axis=1)
    np.testing.assert_allclose(
        error, found.attacks.target_error[found.attacks.pair == 0], rtol=1e-5
    )
    assert found.attacks.perturbation is None


def test_the_output_and_single_layers_are_attacked_on_the_same_pairs(images):
    plain, found = measured(images, 0), measured(images, 0, output=True, each_layer=True)
    assert (plain.output, dict(plain.by_layer)) == (None, {})
    assert np.isnan(plain.delta_output)
    np.testing.assert_array_equal(plain.attacks.objective, found.attacks.objective)
    inputs, targets = random_pairs(images, 3, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    sizes = {"latent_sizes": (4, 2), "hidden_widths": (8,), "likelihood_on": "all"}
    model = build("hierarchy", {"network": "reference", "image_shape": (1, 16, 16), **sizes})
    for given, each in (
        ({"goal": "output"}, found.output),
        ({"layers": (1,)}, found.by_layer[1]),
        ({"layers": (2,)}, found.by_layer[2]),
    ):
        alone = attack(model.eval(), inputs, targets, [1e-3, 1.0, 1e6], evaluations=6, **given)
        np.testing.assert_allclose(each.objective, alone.objective, rtol=1e-5)
    assert found.delta_output == pytest.approx(found.output.objective.mean())
    row = dict(zip(COLUMNS, found.row(), strict=True))
    assert [part.split(":")[0] for part in row["by_layer"].split()] == ["1", "2"]
    assert [len(part.split()) for part in row["units"].split(" | ")] == [4, 2]


def test_an_example_in_another_range_is_shown_as_in_zero_to_one(images):
    torch.manual_seed(0)
    likelihood = {"likelihood": "gaussian-fixed", "width": 1.0, "data_range": (-1.0, 1.0)}
    settings = {"network": "reference", "image_shape": (1, 16, 16), "latent_size": 3}
    model = build("image", {**settings, **likelihood}).eval()
    signed = 2 * images - 1
    found = measure_robustness(
        model, signed, pairs=3, strengths=[1e-3], scales=(0.0, 0.2), evaluations=6
    )
    inputs, _ = random_pairs(images, 3, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(found.example.clean, inputs[0], atol=1e-6)
    assert found.example.drawn.min() >= 0
    size = np.linalg.norm(found.example.perturbation)
    assert size == pytest.approx(found.attacks.distance[0] / 2, rel=1e-4)


def test_half_of_the_divergence_is_taken_between_two_lambdas(images):
    found = measured(images, 0)
    left = np.array([[0.0, 0.2, 1.0], [0.4, 0.5, 1.0], [0.9, 1.0, 1.0]]).ravel()
    changed = dataclasses.replace(
        found.attacks,
        divergence=left,
        clean_divergence=np.ones(9),
        distance=np.tile([5.0, 4.0, 0.0], 3),
    )
    sizes = dataclasses.replace(found, attacks=changed).half_divergence_norm
    np.testing.assert_allclose(sizes, [2.5, 4.0, 5.0])


def test_without_factors_there_is_no_gap(images):
    assert np.isnan(measured(images, 0).mig_top)


def test_pairs_are_different_images(images):
    inputs, targets = random_pairs(images, 6, torch.Generator().manual_seed(0))
    both = torch.cat([inputs, targets]).flatten(1)
    assert len(torch.unique(both, dim=0)) == 12
    with pytest.raises(InputError, match="too few images"):
        random_pairs(images, 7, torch.Generator())
