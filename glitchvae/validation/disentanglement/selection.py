"""Selection of disentangled trainings without factors: by agreement between seeds (UDR)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from glitchvae.errors import InputError

INFORMATIVE = 0.01
"""Nats of KL above which a latent dimension counts."""


def udr(
    codes: Sequence[NDArray[np.floating]], kl: Sequence[NDArray[np.floating]]
) -> NDArray[np.float64]:
    """Unsupervised disentanglement ranking of models that differ in their seed alone.

    Where two trainings disentangle, each dimension of the one is one dimension of the other, up to
    order and sign. With R(a, b) the absolute rank correlation of dimension a of one model and b of
    the other, over those with more than `INFORMATIVE` nats, and d their number,

        UDR_ij = 1 / (d_i + d_j) (sum_b max_a R^2 / sum_a R + sum_a max_b R^2 / sum_b R),

    and a model has the median over all others.

    Args:
        codes: For each of M models the posterior means (N, D_i) of the same images.
        kl: For each the mean KL (D_i,) of its dimensions in nats.

    Returns:
        (M,) from 0 to 1, higher is better; NaN of a single model.

    Raises:
        InputError: codes of other numbers of images, or KL that do not fit them.

    Source: Duan et al. (2020), "Unsupervised model selection for variational disentangled
        representation learning", equation 3, arXiv:1905.12614, with Spearman's correlation.
    """
    shapes = [np.shape(each) for each in codes]
    if len({shape[0] for shape in shapes}) > 1 or [s[1:] for s in shapes] != [
        np.shape(k) for k in kl
    ]:
        raise InputError(
            "the codes cannot be compared",
            expected="codes (N, D) of the same images, and KL (D,) of each model",
            found=[*shapes, *map(np.shape, kl)],
        )
    ranks = [
        rankdata(np.asarray(each)[:, np.asarray(k) > INFORMATIVE], axis=0)
        for each, k in zip(codes, kl, strict=True)
    ]
    agreement = np.full((len(ranks), len(ranks)), np.nan)
    for i in range(len(ranks)):
        for j in range(i):
            agreement[i, j] = agreement[j, i] = _agreement(ranks[i], ranks[j])
    if len(ranks) < 2:
        return np.full(len(ranks), np.nan)
    return np.nanmedian(agreement, axis=1)


def _agreement(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """UDR of a pair from the ranks (N, d_i) and (N, d_j) of their codes."""
    if 0 in (one.shape[1], other.shape[1]):
        return 0.0
    both = (_standardised(one), _standardised(other))
    matrix = np.abs(both[0].T @ both[1]) / len(one)
    found = sum(
        float((matrix.max(axis=axis) ** 2 / np.maximum(matrix.sum(axis=axis), 1e-12)).sum())
        for axis in (0, 1)
    )
    return found / sum(matrix.shape)


def _standardised(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns with mean 0 and variance 1; constant columns are 0."""
    spread = ranks.std(axis=0)
    return (ranks - ranks.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
