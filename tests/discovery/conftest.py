"""A little universe: three known classes, and archives with and without a fourth one."""

import numpy as np
import pytest

from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery.excess import Background, Sample
from glitchvae.embedding import Embeddings

MIDDLES = {"Blip": (0, 0, 0, 0), "Tomte": (8, 0, 0, 0), "Whistle": (0, 8, 0, 0)}
START = 1_238_166_018.0


def draw(rng, counts):
    """Codes and labels of events around the middles; "New" lies apart from all of them."""
    middles = {**MIDDLES, "New": (6, 6, 6, 0), "Other": (-7, -7, 0, 5)}
    codes = [rng.normal(middles[name], 1.0, (n, 4)) for name, n in counts.items()]
    return np.concatenate(codes), np.repeat(list(counts), list(counts.values())).astype(object)


def sample_of(points, log_known):
    """Events whose codes are the points of the search."""
    single = np.arange(len(points))
    return Sample(points, points, log_known, log_known, single, single)


def background_of(sample, owners):
    """Known events, every other one in the first half."""
    return Background(sample=sample, owners=owners, first=np.arange(len(owners)) % 2 == 0)


def embeddings_of(codes, labels, rng, **changes):
    """Rows of two detectors over ten hours."""
    count = len(codes)
    numbers = rng.uniform(8.0, 30.0, (5, count))
    columns = {
        "event_id": np.array([f"e{i}" for i in range(count)], dtype=object),
        "gps": START + rng.uniform(0.0, 36000.0, count),
        "ifo": rng.choice(["H1", "L1"], count).astype(object),
        "snr": numbers[0],
        "peak_frequency": numbers[1],
        "q": numbers[2],
        "duration": numbers[3] / 100,
        "bandwidth": numbers[4],
        "mean": codes,
        "log_var": np.zeros_like(codes),
        "class_name": np.full(count, "Blip", object),
        "class_probability": np.full(count, 0.4),
        "novelty_p": np.zeros(count),
        "f_max": np.full(count, 2048.0),
        "block_duration": np.full(count, 64.0),
        "status": np.full(count, "ok", object),
        "label": labels,
        "model": {"name": "toy", "digest": "d" * 64},
    }
    return Embeddings(**{**columns, **changes})


@pytest.fixture(scope="session")
def prototypes():
    rng = np.random.default_rng(5)
    codes, labels = draw(rng, dict.fromkeys(MIDDLES, 300))
    return Prototypes.fit(codes, labels)


@pytest.fixture(scope="session")
def with_new(prototypes):
    """600 known events in other proportions than the prototypes', and 60 of a new class."""
    rng = np.random.default_rng(6)
    codes, labels = draw(rng, {"Blip": 400, "Tomte": 150, "Whistle": 50, "New": 60})
    novelty_p = prototypes.classify(codes).novelty_p
    return embeddings_of(codes, labels, rng, novelty_p=novelty_p)


@pytest.fixture(scope="session")
def without_new():
    rng = np.random.default_rng(7)
    return embeddings_of(*draw(rng, {"Blip": 400, "Tomte": 150, "Whistle": 50}), rng)
