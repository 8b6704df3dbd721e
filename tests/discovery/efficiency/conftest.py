"""The little universe of discovery's tests, with prototypes that have seen all of it."""

import numpy as np
import pytest

from glitchvae.classes.prototypes import Prototypes
from tests.discovery.conftest import MIDDLES, draw, embeddings_of


@pytest.fixture(scope="session")
def prototypes():
    codes, labels = draw(np.random.default_rng(1), dict.fromkeys((*MIDDLES, "New"), 300))
    return Prototypes.fit(codes, labels)


@pytest.fixture(scope="session")
def archive():
    rng = np.random.default_rng(2)
    codes, labels = draw(rng, {"Blip": 300, "Tomte": 150, "Whistle": 60, "New": 60})
    return embeddings_of(codes, labels, rng, snr=rng.uniform(5.0, 40.0, len(codes)))
