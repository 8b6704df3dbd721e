"""Settings of members small enough for a test."""

import pytest

from glitchvae.models import ImageVAESettings
from glitchvae.objectives import Annealed
from glitchvae.training import TrainingConfig


@pytest.fixture
def config() -> TrainingConfig:
    return TrainingConfig(
        objective=Annealed(beta0=4, iteration_threshold=5),
        steps=6,
        batch_size=8,
        log_every=1,
        save_every=2,
        model=ImageVAESettings(image_shape=(1, 32, 32), latent_size=3),
    )
