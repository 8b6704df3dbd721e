"""Common parts of the metrics: sample sizes, checks of inputs, draws, intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glitchvae.config import Settings
from glitchvae.errors import InputError
from glitchvae.statistics import Estimate, jackknife
from glitchvae.validation.images.factors import check_lengths

ACTIVE = 0.05
"""Standard deviation below which a dimension of the codes is unused."""


class Protocol(Settings):
    """Sample sizes of the metrics.

    The defaults are those of the study with 12,600 models (Locatello et al. 2019,
    Challenging Common Assumptions in the Unsupervised Learning of Disentangled
    Representations).

    Attributes:
        train: Points, or batches of points, that classifiers are fitted to.
        test: Points, or batches of points, that they are scored on.
        batch: Points behind one vote of the BetaVAE and FactorVAE scores.
        bins: Equal-width bins of a code's dimension where information is counted.
        rounds: Of boosting (DCI).
        depth: Of its trees.
        groups: Of the jackknife behind the intervals.
        refits: The same for DCI, which is fitted anew for each; 0 for no interval.
        mixture: Points in the mixture of posteriors, and at most as many draws from it as
            `draws` (Chen's MIG).
        draws: See `mixture`.

    Example:
        >>> Protocol().scaled_to(3000).train < Protocol().train
        True
    """

    train: int = Field(default=10_000, ge=2)
    test: int = Field(default=5_000, ge=1)
    batch: int = Field(default=64, ge=2)
    bins: int = Field(default=20, ge=2)
    rounds: int = Field(default=100, ge=1)
    depth: int = Field(default=3, ge=1)
    groups: int = Field(default=20, ge=2)
    refits: int = Field(default=5, ge=0)
    mixture: int = Field(default=20_000, ge=2)
    draws: int = Field(default=1_000, ge=1)

    @property
    def points(self) -> int:
        """Points that the protocol needs: to fit and to score on."""
        return self.train + self.test

    def scaled_to(self, points: int) -> Protocol:
        """Scale the sample sizes down to a number of points."""
        if points >= self.points:
            return self
        train = points * self.train // self.points
        return self.model_copy(update={"train": train, "test": points - train})


def check(
    codes: NDArray[np.floating], factors: NDArray[np.integer], names: Sequence[str], points: int
) -> None:
    """Refuse codes and factors on which the metrics are meaningless.

    Args:
        codes: (N, D).
        factors: (N, K).
        names: (K,) of the factors, for the message.
        points: How many the protocol needs.

    Raises:
        InputError: tables of another kind, lengths that differ, fewer than two factors, too
            few points, codes that are not finite, a factor with one value only.
    """
    _check_kind("codes", codes, "fiu")
    _check_kind("factors", factors, "iu")
    check_lengths("codes and factors", codes=len(codes), factors=len(factors))
    check_lengths("factors", names=len(names), columns=factors.shape[1])
    if factors.shape[1] < 2:
        raise InputError(
            "there are fewer than two factors", expected="two factors or more", found=names
        )
    if len(codes) < points:
        raise InputError(
            "too few points for the protocol",
            expected=f"{points:,} or more",
            found=f"{len(codes):,}",
            remedy="Encode more images, or scale the protocol (Protocol.scaled_to).",
        )
    broken = np.flatnonzero(~np.isfinite(codes).all(axis=1))
    if len(broken):
        raise InputError(
            "codes are not finite",
            where=f"row {broken[0]}",
            expected="numbers",
            found=f"{len(broken):,} such rows of {len(codes):,}",
            remedy="Leave those rows out.",
        )
    for name, column in zip(names, factors.T, strict=True):
        if column.min() == column.max():
            raise InputError(
                "a factor is constant",
                where=name,
                expected="two values or more",
                found=f"{column[0]} in all {len(column):,} points",
                remedy="Leave it out.",
            )


def _check_kind(name: str, table: NDArray[np.generic], kinds: str) -> None:
    """Refuse arrays other than tables of numbers, or of whole numbers from 0."""
    whole = kinds == "iu"
    if table.ndim != 2 or table.shape[1] == 0 or table.dtype.kind not in kinds:
        raise InputError(
            f"{name} have the wrong shape or type",
            where=name,
            expected=f"a table (points, columns) of {'whole numbers' if whole else 'numbers'}",
            found=f"shape {table.shape} of {table.dtype}",
        )
    if whole and table.size and table.min() < 0:
        raise InputError(
            "a factor has negative values",
            where=name,
            expected="the index of its value, from 0",
            found=int(table.min()),
        )


def active(codes: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(D,) whether the codes use a dimension at all."""
    return codes.std(axis=0) >= ACTIVE


@dataclass(frozen=True)
class Groups:
    """Rows that have the same value of one factor.

    Attributes:
        order: (N,) rows, those of one value after those of the one before.
        starts: (V + 1,) where in `order` each value's rows begin, and where they all end.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, factor: NDArray[np.integer]) -> Groups:
        """Group the rows of one factor (N,)."""
        order = np.argsort(factor, kind="stable")
        starts = np.searchsorted(factor[order], np.arange(factor.max() + 2))
        return cls(order, starts)

    def draw(self, values: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int64]:
        """A random row for each of `values`, among the rows with that value; any shape."""
        counts = self.starts[values + 1] - self.starts[values]
        return self.order[self.starts[values] + (rng.random(values.shape) * counts).astype(int)]


def two_samples(
    count: int, protocol: Protocol, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to fit to and rows to score on, without common rows."""
    rows = rng.permutation(count)[: protocol.points]
    return rows[: protocol.train], rows[protocol.train :]


def accuracy(right: NDArray[np.bool_], groups: int, rng: np.random.Generator) -> Estimate:
    """Share of correct predictions."""
    return jackknife(lambda rows: float(right[rows].mean()), len(right), groups, rng)
