"""Proportions of classes."""

from __future__ import annotations

from functools import cache

import numpy as np

from glitchvae import config, resources
from glitchvae.errors import InputError
from glitchvae.simulate.families import FAMILIES

BALANCES: tuple[str, ...] = ("official", "o3", "uniform")
"""Counts of the training set v1.1; of one observing run (O3a, L1); every class alike."""


@cache
def weights(balance: str) -> dict[str, float]:
    """Share of each class, adding up to one; classes without events are left out.

    Raises:
        InputError: no such balance.
    """
    if balance not in BALANCES:
        raise InputError("the balance is unknown", where=balance, expected=", ".join(BALANCES))
    if balance == "uniform":
        counts = dict.fromkeys(FAMILIES, 1)
    else:
        counts = config.read_toml(resources.data("simulate/balance.toml"))[balance]
    total = sum(counts.values())
    return {label: count / total for label, count in counts.items()}


def draw_labels(balance: str, count: int, rng: np.random.Generator) -> list[str]:
    """`count` classes in random order, in numbers as close to `balance` as possible.

    Every class gets the whole part of its share, and chance decides about the rest.
    """
    shares = weights(balance)
    exact = count * np.array(list(shares.values()))
    whole = np.floor(exact).astype(int)
    rest = exact - whole
    missing = count - whole.sum()
    if missing:
        extra = rng.choice(len(rest), missing, replace=False, p=rest / rest.sum())
        whole[extra] += 1
    labels = np.repeat(list(shares), whole)
    return [str(label) for label in rng.permutation(labels)]
