"""Addition of one class to a linear head: only its own score is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp

PENALTY = 1e-3
"""Penalty on half the squared slopes of standardised codes, in nats an event."""


def one_more_class(
    own: NDArray[np.float64], known: NDArray[np.float64], weights: NDArray[np.float64], head: Any
) -> tuple[NDArray[np.float64], float]:
    """Fit the score `code @ slope + offset` of a new class beside the classes of a head.

    Logistic regression of new events against known ones with the scores of the head held
    (an offset in the sense of McCullagh & Nelder 1989, section 6.2), so that the odds among
    the known classes stay what they were.

    Args:
        own: (M, Z) codes of the class.
        known: (R, Z) codes of events of the other classes.
        weights: (R,) of those; the events of the class have the weight of all others
            together over their number of classes.
        head: Slopes (Z, K), offsets (K,) and temperature of the other classes.

    Returns:
        Slope (Z,) and offset, before the temperature.
    """
    slopes, offsets, temperature = head
    codes = np.concatenate([own, known])
    new = np.arange(len(codes)) < len(own)
    share = np.concatenate(
        [np.full(len(own), 1 / len(own)), weights / weights.sum() * len(offsets)]
    )
    share /= share.sum()
    centre = np.average(codes, axis=0, weights=share)
    spread = np.sqrt(np.average((codes - centre) ** 2, axis=0, weights=share))
    x = (codes - centre) / np.where(spread > 1e-12, spread, 1.0)
    against = np.asarray(logsumexp((codes @ slopes + offsets) / temperature, axis=1))

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = x @ values[:-1] + values[-1] - against
        value = -(share * log_expit(np.where(new, margin, -margin))).sum()
        slope = share * (expit(margin) - new)
        penalty = PENALTY * values[:-1]
        gradient = np.append(x.T @ slope + penalty, slope.sum())
        return float(value + 0.5 * values[:-1] @ penalty), gradient

    start = np.append(np.zeros(codes.shape[1]), np.average(against, weights=share))
    fitted: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    slope = fitted.x[:-1] / np.where(spread > 1e-12, spread, 1.0)
    return temperature * slope, float(temperature * (fitted.x[-1] - centre @ slope))
