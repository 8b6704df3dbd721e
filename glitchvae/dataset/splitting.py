"""Splits into training, validation and test sets without leakage.

Glitches of one hour resemble each other more than glitches of one class do: an event
drawn at random for the test set mostly has neighbours in the training set. Blocks of
time keep neighbours together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.dataset.assembling import SPLITS
from glitchvae.errors import ConfigError, InputError
from glitchvae.spectrogram import SpectrogramSet

Fractions = tuple[float, float, float]

DAY = 86400.0
"""Seconds: the default length of a block of time."""


def split_by_time_blocks(
    gps: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    fractions: Fractions = (0.7, 0.15, 0.15),
    block: float = DAY,
) -> NDArray[Any]:
    """Train, validation or test for each event, whole blocks of time together.

    Args:
        gps: (N,) times (s).
        rng: Decides which blocks go where.
        fractions: Shares of events wanted; met as nearly as whole blocks allow.
        block: Length of a block (s).

    Returns:
        (N,) names of splits.

    Raises:
        InputError: an event without a time.
        ConfigError: fractions that do not add up to one.
    """
    if not np.isfinite(gps).all():
        raise InputError(
            "splitting by time needs the time of every event",
            where="column gps",
            found=f"{int((~np.isfinite(gps)).sum())} of {len(gps)} not finite",
            remedy="Add the metadata table, or split at random, which gives too high scores.",
        )
    blocks, member, counts = np.unique(
        np.floor(gps / block), return_inverse=True, return_counts=True
    )
    order = rng.permutation(len(blocks))
    before = np.concatenate([[0], np.cumsum(counts[order])[:-1]])
    split_of_block = np.empty(len(blocks), dtype=object)
    split_of_block[order] = _by_share((before + counts[order] / 2) / max(len(gps), 1), fractions)
    return split_of_block[member]


def fold_by_time_blocks(
    gps: NDArray[np.float64], rng: np.random.Generator, *, folds: int = 5, block: float = DAY
) -> NDArray[np.int64]:
    """Fold of each event: whole blocks of time together, folds of similar size.

    Blocks are dealt from the largest to the smallest, each to the fold with the fewest events,
    after a shuffle that decides among blocks of one size. Events without a time are one block.

    Args:
        gps: (N,) times (s); NaN where not known.
        rng: Decides which blocks go where.
        folds: How many, at least two.
        block: Length of a block (s).

    Returns:
        (N,) from 0 to folds - 1.

    Raises:
        ConfigError: fewer than two folds.
        InputError: fewer blocks than folds.
    """
    if folds < 2:
        raise ConfigError("too few folds", expected="at least 2", found=folds)
    blocks, member, counts = np.unique(
        np.floor(gps / block), return_inverse=True, return_counts=True
    )
    if len(blocks) < folds:
        raise InputError(
            "fewer blocks of time than folds",
            where="column gps",
            expected=f"at least {folds}",
            found=len(blocks),
            remedy="Ask for fewer folds, or for shorter blocks.",
        )
    shuffled = rng.permutation(len(blocks))
    order = shuffled[np.argsort(-counts[shuffled], kind="stable")]
    sizes, fold_of_block = np.zeros(folds, dtype=np.int64), np.empty(len(blocks), dtype=np.int64)
    for each in order:
        fold_of_block[each] = sizes.argmin()
        sizes[fold_of_block[each]] += counts[each]
    return fold_of_block[member]


def split_at_random(
    count: int, rng: np.random.Generator, *, fractions: Fractions = (0.7, 0.15, 0.15)
) -> NDArray[Any]:
    """Train, validation or test for each of `count` events, without regard to time.

    Scores on such a split are too good: neighbours in time fall on both sides.

    Raises:
        ConfigError: fractions that do not add up to one.
    """
    share = (rng.permutation(count) + 0.5) / max(count, 1)
    return _by_share(share, fractions)


def shared_blocks(
    gps: NDArray[np.float64], split: Sequence[str] | NDArray[Any], *, block: float = DAY
) -> int:
    """Number of blocks of time with events in more than one split; 0 is free of leakage."""
    names, timed = np.asarray(split, dtype=str), np.isfinite(gps)
    pairs = set(zip(np.floor(gps[timed] / block), names[timed], strict=True))
    return sum(count > 1 for count in Counter(when for when, _ in pairs).values())


def empty_splits(split: Sequence[str] | NDArray[Any], fractions: Fractions) -> tuple[str, ...]:
    """Splits that should have events and have none."""
    found = set(np.asarray(split, dtype=str))
    return tuple(n for n, share in zip(SPLITS, fractions, strict=True) if share and n not in found)


def published_split(spectrograms: SpectrogramSet) -> NDArray[Any]:
    """The split that the source published.

    Raises:
        InputError: there is none, or it does not say it of every event.
    """
    split = np.full(len(spectrograms), "") if spectrograms.split is None else spectrograms.split
    if missing := int((~np.isin(split.astype(str), SPLITS)).sum()):
        raise InputError(
            "no published split",
            where="column split",
            expected=" or ".join(SPLITS),
            found=f"{missing} of {len(split)} events without",
            remedy="Split by blocks of time instead.",
        )
    return split


def _by_share(share: NDArray[np.float64], fractions: Fractions) -> NDArray[Any]:
    if min(fractions) < 0 or not np.isclose(sum(fractions), 1.0):
        raise ConfigError(
            "fractions do not add up to one", expected="three numbers from 0 to 1", found=fractions
        )
    limits = np.cumsum(fractions)[:-1]
    return np.array(SPLITS, dtype=object)[np.searchsorted(limits, share, side="right")]
