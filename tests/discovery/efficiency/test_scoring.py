"""Efficiency: exact intervals, and archives thinned out by loudness and number."""

import numpy as np
import pytest

from glitchvae.discovery import DiscoverySettings
from glitchvae.discovery.efficiency import efficiency_of, sweep


def test_few_events_are_missed_and_many_are_found(archive, prototypes):
    settings = DiscoverySettings(bootstraps=0)
    rows = list(
        sweep(
            archive,
            archive.label,
            prototypes,
            ["New"],
            settings,
            np.random.default_rng(0),
            bands=((0.0, 100.0), (100.0, 200.0)),
            populations=(3, 50),
        )
    )
    assert [(band, count, trial.detected) for band, count, trial in rows] == [
        ((0.0, 100.0), 3, False),
        ((0.0, 100.0), 50, True),
    ]
    found = efficiency_of((0.0, 100.0), 50, [rows[1][2]])
    assert (found.detected, found.trials, found.share) == (1, 1, 1.0)
    assert found.interval == pytest.approx((0.05, 1.0))
