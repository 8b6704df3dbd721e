"""SAP: gap between the accuracies of the two dimensions that predict a factor best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from glitchvae.statistics import Estimate, jackknife
from glitchvae.validation.disentanglement.protocol import Protocol, two_samples


def sap(
    codes: NDArray[np.floating],
    factors: NDArray[np.integer],
    rng: np.random.Generator,
    protocol: Protocol,
) -> dict[str, Estimate]:
    """Separated attribute predictability: mean over factors of the gap of the two best.

    What is compared is the accuracy of a linear support vector machine on one dimension.

    Source: Kumar, Sattigeri & Balakrishnan (2018), Variational Inference of Disentangled
    Latent Concepts, section 3; C = 0.01 and balanced classes of Locatello et al. (2019).

    Example:
        >>> factors = np.stack(np.indices((5, 4, 30)), axis=-1).reshape(-1, 3)[:, :2]
        >>> protocol = Protocol().scaled_to(len(factors))
        >>> codes, rng = factors.astype(float), np.random.default_rng(0)
        >>> found = sap(codes, factors, rng, protocol)
        >>> 0 < found["sap"].value < 1
        True
    """
    train, test = two_samples(len(codes), protocol, rng)
    right = np.array(
        [
            [_predicts(codes[:, [d]], factor, train, test) for factor in factors.T]
            for d in range(codes.shape[1])
        ]
    )
    return {
        "sap": jackknife(
            lambda rows: _gap(right[:, :, rows].mean(axis=2)), len(test), protocol.groups, rng
        )
    }


def _predicts(
    code: NDArray[np.floating], factor: NDArray[np.integer], train: NDArray, test: NDArray
) -> NDArray[np.bool_]:
    machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
    guess = machine.fit(code[train], factor[train]).predict(code[test])
    return np.equal(guess, factor[test])


def _gap(accuracies: NDArray[np.floating]) -> float:
    """Mean gap of the two best accuracies (D, K) of each factor."""
    padded = np.vstack([accuracies, np.zeros(accuracies.shape[1])])
    second, first = np.sort(padded, axis=0)[-2:]
    return float((first - second).mean())
