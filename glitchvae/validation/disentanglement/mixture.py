"""MIG in its first definition: from the mixture of posteriors instead of binned means."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.statistics import Estimate, jackknife
from glitchvae.validation.disentanglement.information import entropy, gap
from glitchvae.validation.disentanglement.protocol import Protocol

_BLOCK = 200


def mig_chen(
    mean: NDArray[np.floating],
    log_var: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """Mutual information gap of sampled codes; q(z) is the mixture over the data.

    I(z_j; v) = H(z_j) - H(z_j | v); both entropies are means of -log q over draws z ~
    q(z|x), and q(z_j) and q(z_j|v) average the posteriors of all points and of those with
    the same v. The authors leave dSprites' shape out: give the columns that are meant.

    Args:
        mean: (N, D) posterior means.
        log_var: (N, D) logarithms of posterior variances.
        factors: (N, K) which of its values each factor has.
        rng: Draws points and codes.
        protocol: `mixture` points stand for the data, `draws` codes for q(z).

    Source: Chen et al. (2018), Isolating Sources of Disentanglement, section 4 and app. C.
    """
    chosen = rng.permutation(len(mean))[: protocol.mixture]
    mu, spread = (_tensor(a[chosen]) for a in (mean, log_var))
    known = factors[chosen]
    drawn = rng.permutation(len(chosen))[: protocol.draws]
    noise = _tensor(rng.standard_normal((len(drawn), mean.shape[1])))
    z = mu[drawn] + (0.5 * spread[drawn]).exp() * noise
    gained = _gained(z, drawn, mu, spread, known)  # (draws, D, K): log q(z|v) - log q(z)
    entropies = entropy(known)
    return {
        "mig_chen": jackknife(
            lambda rows: float(gap(gained[rows].mean(axis=0), entropies)),
            len(drawn),
            protocol.groups,
            rng,
        )
    }


def _gained(
    z: Tensor, drawn: NDArray[np.int64], mu: Tensor, log_var: Tensor, factors: NDArray[np.integer]
) -> NDArray[np.float64]:
    everything = log_mixture(z, mu, log_var).numpy()
    gained = np.empty((*everything.shape, factors.shape[1]))
    for k, factor in enumerate(factors.T):
        for value in np.unique(factor[drawn]):
            asked, alike = np.flatnonzero(factor[drawn] == value), np.flatnonzero(factor == value)
            gained[asked, :, k] = log_mixture(z[asked], mu[alike], log_var[alike]).numpy()
    return gained - everything[:, :, None]


def log_mixture(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """(B, D) log of the mean over N Gaussians (N, D) of their densities at z."""
    scale, shift = (-0.5 * log_var).exp(), -0.5 * log_var - 0.5 * np.log(2 * np.pi)
    parts = [
        torch.logsumexp(shift - 0.5 * ((part[:, None] - mean) * scale) ** 2, dim=1)
        for part in z.split(max(_BLOCK * 1000 // len(mean), 1))
    ]
    return torch.cat(parts) - np.log(len(mean))


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
