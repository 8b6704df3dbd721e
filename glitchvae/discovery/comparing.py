"""Known classes and an archive's events in one space, ready to be compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.discovery.excess import Background, Sample
from glitchvae.embedding import Embeddings
from glitchvae.errors import InputError
from glitchvae.novelty import KnownDensity, Tail, cross_fitted, reference_of
from glitchvae.prototypes import Prototypes
from glitchvae.status import Status

FEWEST_EVENTS = 20
"""Events with a code below which an archive says nothing about groups."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Known classes.

    Attributes:
        names: Of the classes.
        whitener: (Z, Z) of the prototypes.
        density: Of each class.
        background: Known events.
        tail: Of the novelty scores of known events.
    """

    names: tuple[str, ...]
    whitener: NDArray[np.float64]
    density: KnownDensity
    background: Background
    tail: Tail

    @classmethod
    def of(cls, prototypes: Prototypes, *, seed: int = 0) -> Known:
        """Densities, known events and the tail of their novelty."""
        rng = np.random.default_rng(seed)
        reference, classes = reference_of(prototypes, rng), len(prototypes.names)
        log_known = cross_fitted(reference, classes, rng)
        sample = Sample(reference.points, log_known)
        return cls(
            names=prototypes.names,
            whitener=prototypes.whitener,
            density=KnownDensity.fit(reference, classes, seed=seed),
            background=Background(sample=sample, owners=reference.owners),
            tail=Tail.fit(-log_known.max(axis=1)),
        )

    def sample(self, codes: NDArray[np.floating]) -> Sample:
        """Codes (N, Z) whitened, with their densities."""
        points = np.asarray(codes, dtype=np.float64) @ self.whitener
        return Sample(points, self.density.log_density(points))

    def novelty(self, sample: Sample) -> NDArray[np.float64]:
        """(N,) one less the chance that a known event lies as far out."""
        return 1.0 - self.tail.exceedance(-sample.log_known.max(axis=1))


def comparable_rows(embeddings: Embeddings, prototypes: Prototypes) -> NDArray[np.int64]:
    """Rows with a code, which can be compared with the prototypes.

    Raises:
        InputError: too few, all the same, or of another size.
    """
    size = len(prototypes.whitener)
    if embeddings.size != size:
        raise InputError(
            "codes and known classes are of different models", expected=f"{size} dimensions",
            found=f"{embeddings.size} dimensions of model {embeddings.model.get('name', '')!r}",
            remedy="Name the model that made the codes.",
        )  # fmt: skip
    rows = np.flatnonzero(np.isfinite(embeddings.mean).all(axis=1))
    if len(rows) < FEWEST_EVENTS:
        raise InputError(
            "too few events to find groups in",
            expected=f"at least {FEWEST_EVENTS} events with a code",
            found=f"{len(rows)} of {len(embeddings)} events", remedy="Embed more strain first.",
        )  # fmt: skip
    if np.ptp(embeddings.mean[rows], axis=0).max() == 0:
        raise InputError(
            "all codes are the same", expected="codes that differ",
            found=f"{len(rows)} events with one code",
            remedy="The model or the images are at fault; look at some of the images.",
        )  # fmt: skip
    return rows


def left_out(embeddings: Embeddings, rows: NDArray[np.int64]) -> dict[str, int]:
    """Events that are not in `rows`, by reason: their status, or a code with NaN."""
    others = np.delete(embeddings.status, rows)
    reasons = Counter("nan_in_code" if Status(s).usable else str(s) for s in others)
    return dict(sorted(reasons.items()))
