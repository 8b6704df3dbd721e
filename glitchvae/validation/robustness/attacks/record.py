"""Results of attacks: one row for each pair and penalty weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from glitchvae.store import Record, attribute, column

OK, NOT_FINITE = "ok", "not_finite"


@dataclass(frozen=True, kw_only=True)
class Attacks(Record):
    """Attacks on one model.

    Attributes:
        pair: Number of the pair.
        strength: The penalty weight lambda of a unit of perturbation.
        distance: Euclidean norm of the perturbation, in units of a pixel's range.
        divergence: What the goal measures between the perturbed input and the target.
        clean_divergence: The same without perturbation.
        objective: `divergence + lambda distance`.
        target_distortion: -log p(x_t | z), z the code of the perturbed input, in nats; NaN, as
            the two below, of an encoder without a decoder.
        target_error: Euclidean distance of the target from the perturbed input's reconstruction.
        clean_error: The same of the input without perturbation.
        evaluations: Times the goal and its gradient were computed.
        converged: The optimiser found nothing better to do.
        status: `ok` or `not_finite`: the goal or its gradient was no number; the row is what
            was best until then.
        perturbation: (N, C, F, T) pixels that were added.
        goal: `latent`, `mean` or `output`.
        layers: Attacked latent layers, from 1 at the bottom.
        method: `batch` or `l-bfgs-b`.
    """

    schema: ClassVar[str] = "attacks"

    pair: NDArray[Any] = column("i8")
    strength: NDArray[Any] = column("f8")
    distance: NDArray[Any] = column("f8")
    divergence: NDArray[Any] = column("f8")
    clean_divergence: NDArray[Any] = column("f8")
    objective: NDArray[Any] = column("f8")
    target_distortion: NDArray[Any] = column("f8")
    target_error: NDArray[Any] = column("f8")
    clean_error: NDArray[Any] = column("f8")
    evaluations: NDArray[Any] = column("i8")
    converged: NDArray[Any] = column("bool")
    status: NDArray[Any] = column(str)
    perturbation: NDArray[Any] | None = column("f4", optional=True, compress=True)
    goal: str = attribute("")
    layers: list[int] = attribute(None)
    method: str = attribute("")

    @property
    def relative_divergence(self) -> NDArray[Any]:
        """(N,) divergence over that without perturbation: 1 is no effect, 0 full success.

        Comparable between models, as `divergence` is not: it grows with the scale of codes.
        """
        return self.divergence / self.clean_divergence

    def by_pair(self, values: NDArray[Any]) -> NDArray[Any]:
        """A column reshaped to (pairs, strengths)."""
        return values.reshape(int(self.pair.max()) + 1, -1)

    @property
    def mean_relative_divergence(self) -> NDArray[Any]:
        """(pairs,) mean of the relative divergence over penalty weights: 1 is no effect."""
        return self.by_pair(self.relative_divergence).mean(axis=1)

    @property
    def half_divergence_norm(self) -> NDArray[Any]:
        """(pairs,) norm that halves the divergence (in units of the pixels' range).

        Between two strengths along the straight line; where none of them takes half it is the
        norm at the lowest, and half takes more than that. Unlike `mean_relative_divergence` it
        does not depend on the scale of the codes, which says what a strength can buy.
        """
        left, norm = map(self.by_pair, (self.relative_divergence, self.distance))
        return np.array([np.interp(0.5, *each) for each in zip(left, norm, strict=True)])
