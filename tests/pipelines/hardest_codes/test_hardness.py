"""Attacks on images until the class changes, and objectives compared by them."""

import numpy as np
import pytest
import torch
from glitchvae_recipe_hardest_codes.comparing import ModelHardness, as_markdown, compare_hardness
from glitchvae_recipe_hardest_codes.hardness import (
    IMAGE_CORRUPTIONS,
    Hardness,
    add_noise,
    corrupt_images,
    encode_images,
    measure_hardness,
)

from glitchvae.checkpoint import Checkpoint
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import InputError
from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.validation.robustness.boundaries import ClassScores
from glitchvae.validation.robustness.corruption_test import compare_codes
from tests.cards import blank_card


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Twelve inputs: half of them brighter below, the last column not computed above a row."""
    values = torch.rand(12, 4, 16, 20, generator=torch.Generator().manual_seed(0))
    values[6:, :, :8] = (values[6:, :, :8] + 1) / 2
    computed = torch.ones(12, 1, 16, 20)
    computed[:, :, 14:] = 0
    return torch.cat([values * computed, computed], dim=1)


@pytest.fixture(scope="module")
def checkpoint(images, tmp_path_factory) -> Checkpoint:
    torch.manual_seed(3)
    settings = GlitchVAESettings(image_shape=(16, 20), widths=(4, 8), hidden=16, latent_size=4)
    model = GlitchVAE(settings).eval()
    codes = encode_images(model, images)
    labels = np.repeat(np.array(["dark", "light"], dtype=object), 6)
    prototypes = Prototypes.fit(codes, labels, held_out=(codes, labels))
    card = blank_card("glitch", latent_size=4)
    return Checkpoint(
        read=lambda: model,
        card=card,
        prototypes=prototypes,
        digest="x",
        path=tmp_path_factory.mktemp("model"),
    )


@pytest.fixture(scope="module")
def scores(checkpoint) -> ClassScores:
    return ClassScores.of_prototypes(checkpoint.prototypes)


def test_images_cross_by_less_than_the_way_to_another_one(checkpoint, scores, images):
    truth = np.repeat(np.array(["dark", "light"], dtype=object), 6)
    found = measure_hardness(checkpoint.model, scores, images, truth, steps=40, batch_size=5)
    assert found.right.mean() >= 0.75
    names = scores.classify(encode_images(checkpoint.model, images))
    np.testing.assert_array_equal(found.class_name, names)
    apart = torch.cdist(images.flatten(1), images.flatten(1)).numpy()
    apart[names[:, None] == names] = np.inf
    assert (found.distance > 0).all()
    assert (found.distance < apart.min(axis=1)).all()


def test_more_steps_find_no_larger_change(checkpoint, scores, images):
    truth = np.full(len(images), "dark", dtype=object)
    few, many = (
        measure_hardness(checkpoint.model, scores, images, truth, steps=steps).distance
        for steps in (30, 90)
    )
    np.testing.assert_array_less(many, few * 1.05)
    with pytest.raises(InputError, match="differ in number"):
        measure_hardness(checkpoint.model, scores, images, truth[1:])


def test_accuracy_falls_from_that_of_clean_images_to_none():
    found = Hardness(
        truth=["A", "A", "B", "B"],
        class_name=["A", "B", "B", "B"],
        distance=[1.0, 2.0, 3.0, np.inf],
    )
    np.testing.assert_array_equal(
        found.accuracy_under([0.0, 1.0, 2.5, 5.0]), [0.75, 0.5, 0.5, 0.25]
    )
    assert found.median == 3.0


def test_noise_is_as_strong_as_it_says_where_pixels_allow(images, rng):
    grey = images.clone()
    grey[:, :-1] = 0.5 * grey[:, -1:]
    noisy = add_noise(grey, 0.1, rng)
    corruption = (noisy - grey)[:, :-1, :14]
    assert float(corruption.std()) == pytest.approx(0.1, rel=0.03)
    assert not noisy[:, :-1, 14:].any()
    assert float(add_noise(grey, 5.0, rng).max()) == 1.0


def test_every_image_change_is_made(checkpoint, scores, images):
    found = corrupt_images(checkpoint, scores, images)
    assert found.corruptions == tuple(corruption.name for corruption in IMAGE_CORRUPTIONS)
    assert len(found) == len(images) * sum(
        len(corruption.strengths) for corruption in IMAGE_CORRUPTIONS
    )
    weak, strong = found.of("noise on pixels").kept()[0], found.of("noise on pixels").kept()[-1]
    assert weak.distance < strong.distance
    assert weak.cosine > strong.cosine


def measured(distance, right):
    """A model that names some of four events rightly, at given distances of the boundary."""
    truth = np.array(["A", "A", "B", "B"], dtype=object)
    names = np.where(right, truth, "C").astype(object)
    hit = Hardness(truth=truth, class_name=names, distance=np.asarray(distance, dtype=float))
    codes = np.zeros((4, 2))
    corruptions = compare_codes(
        codes,
        codes,
        (truth, names),
        np.eye(2),
        event=np.arange(4),
        corruption="x",
        unit="",
        strength=np.ones(4),
    )
    return ModelHardness(probe=hit, nearest=hit, corruptions=corruptions)


def test_objectives_are_compared_on_what_both_name_rightly(rng):
    found = {
        "VAE": [measured([1, 1, 1, 1], [True, True, True, False])],
        "other": [measured([2, 2, 9, 9], [True, True, False, False])],
    }
    (row,) = compare_hardness(found, "VAE", groups=np.arange(4))
    assert (row.name, row.events) == ("other", 2)
    assert row.accuracy.value == pytest.approx(-0.25)
    assert np.exp(row.probe.value) == pytest.approx(2.0)
    assert row.probe.interval == pytest.approx((np.log(2), np.log(2)))
    assert row.kept.value == 0.0
    assert "| other | -25.0 [" in as_markdown([row], "VAE")
    assert "2.00 [2.00, 2.00]" in as_markdown([row], "VAE")
    assert "Cannot be judged" not in as_markdown([row], "VAE", {"VAE": []})
    failed = as_markdown([row], "VAE", {"other": ["seed 0: collapsed"]})
    assert failed.endswith(
        "Cannot be judged, as these trainings fell short:\n\n- other: seed 0: collapsed\n"
    )
    found["other"] = [measured([2, 2, 9, 9], [False, False, False, True])]
    (none,) = compare_hardness(found, "VAE", groups=np.arange(4))
    assert none.events == 0
    assert np.isnan(none.probe.value)
    with pytest.raises(InputError, match="no such objective"):
        compare_hardness(found, "beta", groups=np.arange(4))
