"""Codes around one centre per class, and events made of them."""

import numpy as np
import pytest

from glitchvae.probes import ProbeSet

NAMES = np.array(["Blip", "Tomte", "Whistle", "Koi_Fish"], dtype=object)
HOUR = 3600.0


@pytest.fixture
def clusters(rng):
    """Codes around one centre per class, on scales that differ by class of number."""
    labels = np.repeat(NAMES, 30)
    centres = rng.normal(size=(4, 6)) * 20
    return np.repeat(centres, 30, axis=0) + rng.normal(size=(120, 6)), labels


@pytest.fixture
def events(clusters, rng):
    """120 events, ten in each of twelve hours, of which two are test."""
    codes, labels = clusters
    order = rng.permutation(len(labels))
    hour = np.arange(120) // 10
    return ProbeSet(
        event_id=np.array([f"e{i}" for i in range(120)], dtype=object),
        gps=1e9 - 1e9 % HOUR + HOUR * (hour + rng.uniform(0.1, 0.9, 120)),
        ifo=np.resize(np.array(["H1", "L1"], dtype=object), 120),
        label=labels[order],
        split=np.where(hour < 10, "train", "test").astype(object),
        codes=codes[order].astype(np.float32),
        triggers=rng.normal(size=(120, 5)),
        pixels=np.repeat(codes[order], 3, axis=1).astype(np.float32),
        place=np.arange(120),
        usable=120,
    )
