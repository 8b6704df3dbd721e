"""Known classes and an archive's events in one space, ready to be compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.classes.novelty import (
    KnownDensity,
    Reference,
    cross_fitted,
    halves,
    metric_axes,
    reference_of,
)
from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery.excess import Background, Sample
from glitchvae.embedding import Embeddings
from glitchvae.errors import InputError
from glitchvae.status import Status
from glitchvae.triggers.episodes import episodes

FEWEST_EVENTS = 20
"""Events with a code below which an archive says nothing about groups."""

MOST_AXES = 24
"""Axes of the search. A density of a few hundred events is the worse the more axes it has, and
beyond two dozen of those that tell classes apart there is little that new ones differ in."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Known classes.

    Attributes:
        names: Of the classes.
        whitener: (Z, Z) of the prototypes.
        axes: (Z, D) from whitened codes to the space of the search.
        density: Of each class, there.
        half: The same from the half of the known events that the search looks at.
        background: Known events.
    """

    names: tuple[str, ...]
    whitener: NDArray[np.float64]
    axes: NDArray[np.float64]
    density: KnownDensity
    half: KnownDensity
    background: Background

    @classmethod
    def of(cls, prototypes: Prototypes, *, seed: int = 0) -> Known:
        """Densities and known events."""
        rng, classes = np.random.default_rng(seed), len(prototypes.names)
        codes, owners = reference_of(prototypes, rng)
        axes = _search_axes(codes, metric_axes(prototypes))
        reference = Reference(codes @ axes, owners)
        first = halves(owners, rng)
        log_known, half = cross_fitted(reference, classes, first)
        return cls(
            names=prototypes.names,
            whitener=prototypes.whitener,
            axes=axes,
            density=KnownDensity.fit(reference, classes, seed=seed),
            half=half,
            background=Background(
                sample=Sample(codes, reference.points, log_known, log_known, np.arange(len(codes))),
                owners=owners,
                first=first,
            ),
        )

    def sample(
        self, codes: NDArray[np.floating], episode: NDArray[np.int64] | None = None
    ) -> Sample:
        """Codes as points of the search, with their densities there.

        Args:
            codes: (N, Z) not whitened.
            episode: (N,) number of each one's episode; else each is one of its own.
        """
        whitened = np.asarray(codes, dtype=np.float64) @ self.whitener
        points = whitened @ self.axes
        log_known, log_half = (density.log_density(points) for density in (self.density, self.half))
        numbers = np.arange(len(points)) if episode is None else episode
        return Sample(whitened, points, log_known, log_half, numbers)


def _search_axes(codes: NDArray[np.float64], metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """(Z, D) principal axes of known codes under the metric, the widest D."""
    spread = np.atleast_2d(np.cov(codes @ metric, rowvar=False))
    return metric @ np.linalg.eigh(spread)[1][:, ::-1][:, :MOST_AXES]


def comparable_rows(embeddings: Embeddings, prototypes: Prototypes) -> NDArray[np.int64]:
    """Rows with a code, which can be compared with the prototypes.

    Raises:
        InputError: enough of them to look for groups and all the same, or of another size.
    """
    size = len(prototypes.whitener)
    if embeddings.size != size:
        raise InputError(
            "codes and known classes are of different models",
            expected=f"{size} dimensions",
            found=f"{embeddings.size} dimensions of model {embeddings.model.get('name', '')!r}",
            remedy="Name the model that made the codes.",
        )
    rows = np.flatnonzero(np.isfinite(embeddings.mean).all(axis=1))
    if len(rows) >= FEWEST_EVENTS and np.ptp(embeddings.mean[rows], axis=0).max() == 0:
        raise InputError(
            "all codes are the same",
            expected="codes that differ",
            found=f"{len(rows)} events with one code",
            remedy="The model or the images are at fault; look at some of the images.",
        )
    return rows


def episodes_of(embeddings: Embeddings) -> NDArray[np.int64]:
    """(N,) number of the episode of each event, among all events that are there."""
    return episodes(embeddings.gps, embeddings.duration, embeddings.ifo)


def left_out(embeddings: Embeddings, rows: NDArray[np.int64]) -> dict[str, int]:
    """Events that are not in `rows`, by reason: their status, or a code with NaN."""
    others = np.delete(embeddings.status, rows)
    reasons = Counter("nan_in_code" if Status(s).usable else str(s) for s in others)
    return dict(sorted(reasons.items()))
