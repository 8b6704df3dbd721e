"""Made-up glitches."""

import numpy as np
import pytest

from glitchvae.shapes import ENERGY_CEILING, IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.status import Status


@pytest.fixture
def glitches(rng):
    """Makes a set of as many glitches as asked for."""

    def make(count, status=Status.OK):
        images = rng.uniform(0, ENERGY_CEILING, (count, len(VIEWS), *IMAGE_SHAPE))
        numbers = np.arange(count, dtype=float)
        return SpectrogramSet(
            images=images,
            event_id=numbers,
            gps=1.2e9 + numbers,
            ifo=["H1"] * count,
            snr=8 + numbers,
            peak_frequency=100 + numbers,
            q=numbers,
            duration=numbers,
            bandwidth=numbers,
            f_max=np.full(count, 2048.0),
            block_duration=np.full(count, 8.0),
            status=[status] * count,
        )

    return make
