"""Networks learn to name events; pixels are reduced by means."""

import numpy as np
import torch

from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.probes import (
    Classifier,
    SupervisedNetwork,
    by_network,
    predict_classes,
    reduced_pixels,
    train_classifier,
)
from glitchvae.probes.protocol import ProbeTask
from glitchvae.training import Augmentation, TrainingData
from tests.cards import blank_card


def test_the_network_learns_where_in_frequency_a_glitch_lies():
    rng = np.random.default_rng(3)
    images = rng.exponential(size=(32, 4, 70, 85)).astype(np.float32)
    images[::2, :, 10:20, 40:45] = 25
    images[1::2, :, 45:55, 40:45] = 25
    labels = np.resize(np.array(["low", "high"], dtype=object), 32)
    data = TrainingData.from_images(images, labels=labels)
    still = Augmentation(band_limit=0)
    model, names = train_classifier(data, epochs=15, seed=0, batch_size=8, augmentation=still)
    assert names == ("high", "low")
    np.testing.assert_array_equal(predict_classes(model, names, data), labels)


def test_class_scores_have_a_row_for_every_event():
    with torch.inference_mode():
        assert Classifier(24).eval()(torch.zeros(2, 5, 140, 170)).shape == (2, 24)


def test_reduced_pixels_are_means_of_squares_of_four(rng):
    data = TrainingData.from_images(rng.uniform(0, 25, (3, 4, 140, 170)))
    pixels = reduced_pixels(data, batch_size=2).reshape(3, 4, 70, 85)
    x = data.batch(slice(None)).x.numpy()
    np.testing.assert_allclose(pixels[2, 1, 3, 5], x[2, 1, 6:8, 10:12].mean(), rtol=1e-5)


def test_a_network_is_the_encoder_and_one_layer():
    model = GlitchVAE(GlitchVAESettings(widths=(4, 8, 8, 8), hidden=16, latent_size=6))
    network = SupervisedNetwork(model, 6, 3).eval()
    x = torch.rand(2, 5, 140, 170)
    with torch.inference_mode():
        expected = network.scores(model.encode(x).mean)
    torch.testing.assert_close(network(x), expected)


def test_a_network_learns_from_the_training_rows_alone(events, rng):
    """The images are those of the events; what is not labelled takes no part."""
    events = events.take(np.arange(40))
    images = rng.uniform(0, 25, (41, 4, 140, 170)).astype(np.float32)
    shifted = events.take(np.arange(40))
    object.__setattr__(shifted, "place", np.arange(1, 41))
    size = GlitchVAESettings(widths=(4, 8, 8, 8), hidden=8, latent_size=4)
    card = blank_card("glitch", latent_size=4).model_copy(
        update={"model": size.model_dump(mode="json")}
    )
    passes = []
    method = by_network(TrainingData.from_images(images), card, epochs=1, progress=passes.append)
    task = ProbeTask(shifted, np.arange(30), np.arange(30, 40), np.arange(40), 0)
    guess = method(task)
    assert guess.classes.shape == (1, 10)
    assert set(guess.classes[0]) <= set(shifted.label[:30])
    assert ((guess.confidence > 0) & (guess.confidence <= 1)).all()
    assert passes == [1]
