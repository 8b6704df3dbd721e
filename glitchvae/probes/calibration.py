"""Calibration of probabilities: of events at 90 % probability, 90 % should be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError

BINS = 15
"""Equally wide bins of the confidence, as in Guo et al. (2017)."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Stated probability and observed accuracy by bin; empty bins are left out.

    Attributes:
        confidence: (M,) mean probability that was stated.
        accuracy: (M,) share of events that were right.
        count: (M,) events.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean over events of the difference of the two (eq. 3)."""
        gap = np.abs(self.accuracy - self.confidence)
        return float((self.count * gap).sum() / self.count.sum())


def calibrate(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], *, bins: int = BINS
) -> Calibration:
    """Compare stated probability with observed accuracy, bin by bin.

    Args:
        confidence: (N,) probability of the class that was named.
        right: (N,) whether it was the true one.
        bins: Equally wide bins between 0 and 1.

    Returns:
        One entry per bin with events (Guo et al. 2017, "On calibration of modern neural
        networks", equations 1 to 3).

    Raises:
        InputError: no event, lengths differ, or a probability outside 0..1.
    """
    confidence, right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    if len(confidence) == 0 or len(confidence) != len(right):
        raise InputError(
            "probabilities and outcomes differ in length, or are empty",
            found=(len(confidence), len(right)),
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise InputError(
            "a probability is outside 0 to 1",
            where="confidence",
            found=(float(np.min(confidence)), float(np.max(confidence))),
        )
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    full = count > 0
    return Calibration(
        confidence=np.bincount(place, confidence, bins)[full] / count[full],
        accuracy=np.bincount(place, right, bins)[full] / count[full],
        count=count[full],
    )
