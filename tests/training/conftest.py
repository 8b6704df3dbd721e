"""A small set of glitch images, and settings of a run that takes a second."""

import os
import signal

import numpy as np
import pytest

from glitchvae.models import GlitchVAESettings
from glitchvae.objectives import Annealed
from glitchvae.training import PictureData, TrainingConfig, TrainingData


@pytest.fixture
def make_images(rng):
    """Two kinds of glitch in noise: a line across (even rows) and a line upwards (odd)."""

    def make(count=30):
        images = rng.exponential(1.0, (count, 4, 20, 24)).astype(np.float16)
        images[::2, :, 6] += 15
        images[1::2, :, :, 12] += 15
        return images

    return make


@pytest.fixture
def data(make_images) -> TrainingData:
    labels = np.array(["Line", "Blip"] * 15, dtype=object)
    split = np.array((["train"] * 7 + ["validation"] * 2 + ["test"]) * 3, dtype=object)
    return TrainingData.from_images(
        make_images(), labels=labels, split=split, description="made up"
    )


@pytest.fixture
def pictures(rng) -> PictureData:
    """Forty black and white pictures with a square each."""
    images = np.zeros((40, 1, 32, 32), dtype=bool)
    for image, (row, column) in zip(images, rng.integers(0, 24, (40, 2)), strict=True):
        image[:, row : row + 8, column : column + 8] = True
    return PictureData.from_images(images, description="squares")


@pytest.fixture
def config() -> TrainingConfig:
    model = GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=16, latent_size=3)
    return TrainingConfig(
        objective=Annealed(beta0=4, iteration_threshold=50),
        steps=100,
        batch_size=8,
        log_every=10,
        save_every=20,
        model=model,
    )


class KilledError(Exception):
    """Stands for a process that ends without a chance to write."""


@pytest.fixture
def stop_after():
    """Makes a progress callback that ends a run after some steps: by a signal, or a kill."""

    def make(steps, number=signal.SIGINT):
        left = [steps]

        def count(done):
            left[0] -= done
            if left[0] == 0 and number is None:
                raise KilledError
            if left[0] == 0:
                os.kill(os.getpid(), number)

        return count

    make.killed = KilledError
    return make
