"""Folds by blocks of time: nothing is parted, nothing is lost, sizes are alike."""

import numpy as np
import pytest

from glitchvae.dataset import fold_by_time_blocks, shared_blocks
from glitchvae.errors import ConfigError, InputError

DAY = 86400.0


def days(rng, count=400):
    return 1.24e9 + DAY * rng.integers(0, 60, count) + rng.uniform(0, 3600, count)


def test_no_day_is_parted_and_every_fold_has_its_share(rng):
    gps = days(rng)
    fold = fold_by_time_blocks(gps, rng)
    assert set(fold) == set(range(5))
    assert shared_blocks(gps, fold.astype(str)) == 0
    assert np.ptp(np.bincount(fold)) <= np.bincount(np.floor(gps / DAY).astype(int)).max()


def test_events_without_a_time_are_one_fold(rng):
    gps = np.append(days(rng), [np.nan] * 9)
    assert len(set(fold_by_time_blocks(gps, rng)[-9:])) == 1


def test_the_generator_alone_decides(rng):
    gps = days(rng)
    folds = [fold_by_time_blocks(gps, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)]
    assert folds[0] == folds[1] != folds[2]


def test_too_few_folds_or_blocks_are_named(rng):
    with pytest.raises(ConfigError, match="at least 2"):
        fold_by_time_blocks(days(rng), rng, folds=1)
    with pytest.raises(InputError, match=r"fewer blocks of time than folds.*at least 5; found 1"):
        fold_by_time_blocks(np.full(9, np.nan), rng)
