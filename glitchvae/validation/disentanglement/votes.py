"""BetaVAE and FactorVAE scores: identification of the fixed factor from codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from glitchvae.statistics import Estimate
from glitchvae.validation.disentanglement.protocol import Groups, Protocol, accuracy, active


def beta_vae_score(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """Accuracy of a linear classifier for the factor that pairs of points share.

    One point of the classifier is the mean over a batch of pairs of |z - z'|, where both
    have the same value of one factor.

    Source: Higgins et al. (2017), beta-VAE, algorithm 1, with the protocol's sizes.

    Example:
        >>> factors = np.stack(np.indices((5, 4, 30)), axis=-1).reshape(-1, 3)[:, :2]
        >>> protocol = Protocol().scaled_to(len(factors))
        >>> codes, rng = factors.astype(float), np.random.default_rng(0)
        >>> found = beta_vae_score(codes, factors, rng, protocol)
        >>> found["beta_vae"].value
        1.0
    """
    differences = _PairSampler(codes, factors, protocol.batch)
    x, y = differences.draw(protocol.train, rng)
    fitted = LogisticRegression(max_iter=1000).fit(x, y)
    x, y = differences.draw(protocol.test, rng)
    return {"beta_vae": accuracy(fitted.predict(x) == y, protocol.groups, rng)}


class _PairSampler:
    """Draws mean absolute differences of pairs that share a factor."""

    def __init__(
        self, codes: NDArray[np.floating], factors: NDArray[np.integer], batch: int
    ) -> None:
        self._codes, self._factors, self._batch = codes, factors, batch
        self._groups = [Groups.of(column) for column in factors.T]

    def draw(
        self, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """Draw (count, D) differences, and the factor that was shared in each."""
        shared = np.sort(rng.integers(self._factors.shape[1], size=count))
        first = rng.integers(len(self._codes), size=(count, self._batch))
        second = np.concatenate(
            [
                groups.draw(self._factors[first[shared == k], k], rng)
                for k, groups in enumerate(self._groups)
            ]
        )
        parts = zip(first, second, strict=True)
        means = [np.abs(self._codes[a] - self._codes[b]).mean(axis=0) for a, b in parts]
        return np.array(means), shared


def factor_vae_score(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """Accuracy of a majority vote: the dimension of least variance identifies the fixed factor.

    Variances of batches with one factor fixed are divided by those of all points; unused
    dimensions have no vote. Zero where every dimension is unused.

    Source: Kim & Mnih (2018), Disentangling by Factorising, section 4.

    Example:
        >>> factors = np.stack(np.indices((5, 4, 30)), axis=-1).reshape(-1, 3)[:, :2]
        >>> protocol = Protocol().scaled_to(len(factors))
        >>> codes, rng = factors.astype(float), np.random.default_rng(0)
        >>> found = factor_vae_score(codes, factors, rng, protocol)
        >>> found["factor_vae"].value
        1.0
    """
    used = active(codes[rng.permutation(len(codes))[: protocol.train]])
    if not used.any():
        return {"factor_vae": Estimate(0.0, 0.0, 0.0)}
    sampler = _VoteSampler(codes[:, used], factors, protocol.batch)
    dimension, fixed = sampler.draw(protocol.train, rng)
    ballots = np.zeros((int(used.sum()), factors.shape[1]), dtype=np.int64)
    np.add.at(ballots, (dimension, fixed), 1)
    dimension, fixed = sampler.draw(protocol.test, rng)
    right = ballots.argmax(axis=1)[dimension] == fixed
    return {"factor_vae": accuracy(right, protocol.groups, rng)}


class _VoteSampler:
    """Draws the dimension that varies least among points that share a factor."""

    def __init__(
        self, codes: NDArray[np.floating], factors: NDArray[np.integer], batch: int
    ) -> None:
        self._codes = codes / codes.std(axis=0)
        self._factors, self._batch = factors, batch
        self._groups = [Groups.of(column) for column in factors.T]

    def draw(
        self, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw (count,) dimensions, and the factor that was fixed for each."""
        fixed = np.sort(rng.integers(self._factors.shape[1], size=count))
        chosen = rng.integers(len(self._codes), size=count)
        value = self._factors[chosen, fixed]
        rows = np.concatenate(
            [
                groups.draw(np.repeat(value[fixed == k, None], self._batch, axis=1), rng)
                for k, groups in enumerate(self._groups)
            ]
        )
        return np.array([self._codes[r].var(axis=0).argmin() for r in rows]), fixed
