"""Mutual information between dimensions and factors: MIG and modularity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.statistics import Estimate, jackknife
from glitchvae.validation.disentanglement.protocol import Protocol, active

_ROUNDING = 1e-12
"""Nats below which a sum of logarithms is zero."""


def mutual_information(
    bins: NDArray[np.integer], factors: NDArray[np.integer]
) -> NDArray[np.float64]:
    """(D, K) mutual information in nats of binned dimensions (N, D) and factors (N, K).

    Counted from the joint histogram, without a correction of its bias.
    """
    return np.array([[_shared(z, v) for v in factors.T] for z in bins.T])


def _shared(z: NDArray[np.integer], v: NDArray[np.integer]) -> float:
    size = int(v.max()) + 1
    joint = np.bincount(z * size + v, minlength=(int(z.max()) + 1) * size).reshape(-1, size)
    p = joint / len(z)
    independent = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
    seen = p > 0
    nats = float((p[seen] * np.log(p[seen] / independent[seen])).sum())
    return nats if nats > _ROUNDING else 0.0


def entropy(factors: NDArray[np.integer]) -> NDArray[np.float64]:
    """(K,) entropy in nats of each factor (N, K), from its histogram."""
    shares = [np.bincount(v) / len(v) for v in factors.T]
    return np.array([-(p[p > 0] * np.log(p[p > 0])).sum() for p in shares])


def into_bins(codes: NDArray[np.floating], bins: int) -> NDArray[np.int64]:
    """(N, D) index of the bin of each number, in `bins` bins of equal width."""
    low, span = codes.min(axis=0), np.ptp(codes, axis=0)
    scaled = (codes - low) / np.where(span > 0, span, 1.0)
    return np.minimum((scaled * bins).astype(np.int64), bins - 1)


def mig(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """Mutual information gap with binned codes: mean over factors of (I1 - I2) / H.

    I1 and I2 are the information of the two dimensions that know most of a factor, H is
    the factor's entropy.

    Source: Chen et al. (2018), Isolating Sources of Disentanglement, eq. 6, with the
    estimator of Locatello et al. (2019): `mig_chen` has the original one.

    Example:
        >>> factors = np.stack(np.indices((5, 4, 30)), axis=-1).reshape(-1, 3)[:, :2]
        >>> protocol = Protocol().scaled_to(len(factors))
        >>> codes, rng = factors.astype(float), np.random.default_rng(0)
        >>> found = mig(codes, factors, rng, protocol)
        >>> round(found["mig"].value, 2)
        1.0
    """
    return {"mig": _of_information(codes, factors, rng, protocol, _gap)}


def _gap(bins: NDArray[np.int64], factors: NDArray[np.integer]) -> float:
    return float(gap(mutual_information(bins, factors), entropy(factors)))


def gap(information: NDArray[np.floating], entropies: NDArray[np.floating]) -> np.floating:
    """Mean over factors of (I1 - I2) / H, from information (D, K) and entropies (K,).

    Raises:
        InputError: there is no factor, or one never changes: its gap is 0 of 0.
    """
    constant = np.flatnonzero(entropies == 0)
    if len(entropies) == 0 or len(constant):
        raise InputError(
            "a factor is constant" if len(constant) else "no factor",
            where=f"column {constant[0]} of the factors" if len(constant) else None,
            expected="two values or more among the points",
            remedy="Leave it out, or take more points." if len(constant) else None,
        )
    padded = np.vstack([information, np.zeros(information.shape[1])])
    second, first = np.sort(padded, axis=0)[-2:]
    return ((first - second) / entropies).mean()


def modularity(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """Mean over dimensions of 1 - sum over other factors of I^2 / (largest I^2 (K - 1)).

    Given for all dimensions and for those that are used; a dimension without any
    information counts as 0. Pure noise scores far above 0: read it beside the baseline.

    Source: Ridgeway & Mozer (2018), Learning Deep Disentangled Embeddings, section 3.

    Example:
        >>> factors = np.stack(np.indices((5, 4, 30)), axis=-1).reshape(-1, 3)[:, :2]
        >>> protocol = Protocol().scaled_to(len(factors))
        >>> codes, rng = factors.astype(float), np.random.default_rng(0)
        >>> found = modularity(codes, factors, rng, protocol)
        >>> round(found["modularity"].value, 2)
        1.0
    """
    used = active(codes)
    of_used = (
        _of_information(codes[:, used], factors, rng, protocol, _mean_modularity)
        if used.any()
        else Estimate(0.0, 0.0, 0.0)
    )
    everything = _of_information(codes, factors, rng, protocol, _mean_modularity)
    return {"modularity": everything, "modularity_active": of_used}


def _mean_modularity(bins: NDArray[np.int64], factors: NDArray[np.integer]) -> float:
    squared = mutual_information(bins, factors) ** 2
    largest = squared.max(axis=1)
    rest = (squared.sum(axis=1) - largest) / (squared.shape[1] - 1)
    known = largest > 0
    return float(np.where(known, 1 - rest / np.where(known, largest, 1.0), 0.0).mean())


def _of_information(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
    statistic: Callable[[NDArray[np.int64], NDArray[np.integer]], float],
) -> Estimate:
    """A statistic of binned codes and factors, on as many points as the protocol fits to."""
    chosen = rng.permutation(len(codes))[: protocol.train]
    bins, known = into_bins(codes[chosen], protocol.bins), factors[chosen]
    return jackknife(
        lambda rows: statistic(bins[rows], known[rows]), len(chosen), protocol.groups, rng
    )
