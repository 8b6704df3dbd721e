"""Known classes and an archive's events in one space, for comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
from glitchvae.triggers.episodes import bouts, episodes

FEWEST_EVENTS = 20
"""Least number of events with a code for a search for groups."""

MOST_AXES = 24
"""Number of axes of the search. The density of a few hundred events is worse with more axes, and
new classes differ little beyond the two dozen axes that separate classes best."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Known classes in the space of the search.

    Attributes:
        names: Of the classes; those of rendered events come last, under the names of theirs.
        whitener: (Z, Z) of the prototypes.
        axes: (Z, D) from whitened codes to the space of the search.
        density: Of each class, there.
        half: The same from the half of the known events that the search looks at.
        background: Known events.
        seed: Of the densities.
    """

    names: tuple[str, ...]
    whitener: NDArray[np.float64]
    axes: NDArray[np.float64]
    density: KnownDensity
    half: KnownDensity
    background: Background
    seed: int = 0

    @classmethod
    def of(cls, prototypes: Prototypes, *, seed: int = 0) -> Known:
        """Densities of known classes and their events from prototypes."""
        rng = np.random.default_rng(seed)
        codes, owners = reference_of(prototypes, rng)
        return cls._of_events(
            prototypes.names,
            prototypes.whitener,
            _search_axes(codes, metric_axes(prototypes)),
            (codes, np.arange(len(codes))),
            owners,
            halves(owners, rng),
            seed,
        )

    @classmethod
    def _of_events(
        cls,
        names: tuple[str, ...],
        whitener: NDArray[np.float64],
        axes: NDArray[np.float64],
        events: tuple[NDArray[np.float64], NDArray[np.int64]],
        owners: NDArray[np.int64],
        first: NDArray[np.bool_],
        seed: int,
    ) -> Known:
        """Build from known events: whitened codes with episodes, class, and half of each."""
        codes, episode = events
        reference = Reference(codes @ axes, owners)
        log_known, half = cross_fitted(reference, len(names), first)
        return cls(
            names=names,
            whitener=whitener,
            axes=axes,
            density=KnownDensity.fit(reference, len(names), seed=seed),
            half=half,
            background=Background(
                sample=Sample(codes, reference.points, log_known, log_known, episode, episode),
                owners=owners,
                first=first,
            ),
            seed=seed,
        )

    def joined(
        self,
        names: Sequence[str],
        codes: NDArray[np.float64],
        owners: NDArray[np.int64],
        episode: NDArray[np.int64],
    ) -> Known:
        """Add classes, such as rendered versions of known ones.

        Space, known events and their halves stay.

        Args:
            names: Of J classes.
            codes: (M, Z) whitened, of their events.
            owners: (M,) index of each one's class among the J.
            episode: (M,) number of each one's episode, all of which is in one half.
        """
        own = self.background
        unit = np.unique(episode, return_inverse=True)[1]
        of_unit = owners[np.unique(unit, return_index=True)[1]]
        first = halves(of_unit, np.random.default_rng(self.seed))[unit]
        return self._of_events(
            (*self.names, *names),
            self.whitener,
            self.axes,
            (
                np.concatenate([own.sample.codes, codes]),
                np.concatenate([own.sample.episode, own.sample.episode.max() + 1 + unit]),
            ),
            np.concatenate([own.owners, len(self.names) + owners]),
            np.concatenate([own.first, first]),
            self.seed,
        )

    def sample(
        self,
        codes: NDArray[np.floating],
        episode: NDArray[np.int64] | None = None,
        bout: NDArray[np.int64] | None = None,
    ) -> Sample:
        """Convert codes to points of the search, with their densities.

        Args:
            codes: (N, Z) not whitened.
            episode: (N,) number of each one's episode; else each is one of its own.
            bout: (N,) number of each one's bout; else each episode is one of its own.
        """
        whitened = np.asarray(codes, dtype=np.float64) @ self.whitener
        return self.sample_whitened(whitened, episode, bout)

    def sample_whitened(
        self,
        whitened: NDArray[np.float64],
        episode: NDArray[np.int64] | None = None,
        bout: NDArray[np.int64] | None = None,
    ) -> Sample:
        """Convert codes (N, Z) that are whitened already."""
        points = whitened @ self.axes
        log_known, log_half = (density.log_density(points) for density in (self.density, self.half))
        numbers = np.arange(len(points)) if episode is None else episode
        return Sample(
            whitened, points, log_known, log_half, numbers, numbers if bout is None else bout
        )


def _search_axes(codes: NDArray[np.float64], metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """(Z, D) principal axes of known codes under the metric, the D of largest variance."""
    spread = np.atleast_2d(np.cov(codes @ metric, rowvar=False))
    return metric @ np.linalg.eigh(spread)[1][:, ::-1][:, :MOST_AXES]


def comparable_rows(embeddings: Embeddings, prototypes: Prototypes) -> NDArray[np.int64]:
    """Rows with a code, which can be compared with the prototypes.

    Raises:
        InputError: enough of them to look for groups and all the same, or of another size.
    """
    size = len(prototypes.whitener)
    if len(embeddings) and embeddings.size != size:
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
    """(N,) number of the episode of each event."""
    return episodes(embeddings.gps, embeddings.duration, embeddings.ifo)


def bouts_of(embeddings: Embeddings, episode: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) number of the bout of each event."""
    return bouts(embeddings.gps, episode, embeddings.ifo)


def leave_out_faint(
    embeddings: Embeddings, min_snr: float, why: str = ""
) -> tuple[Embeddings, dict[str, int]]:
    """Rows of events above an SNR or of unknown SNR, and the number of fainter events.

    Args:
        embeddings: N events.
        min_snr: Least SNR.
        why: Clause after it in the reason, such as ", from which all strain was searched".
    """
    faint = embeddings.snr < np.float32(min_snr)
    if not faint.any():
        return embeddings, {}
    return embeddings.take(~faint), {f"below SNR {min_snr:g}{why}": int(faint.sum())}


def left_out(embeddings: Embeddings, rows: NDArray[np.int64]) -> dict[str, int]:
    """Events that are not in `rows`, by reason: their status, or a code with NaN."""
    others = np.delete(embeddings.status, rows)
    reasons = Counter("nan_in_code" if Status(s).usable else str(s) for s in others)
    return dict(sorted(reasons.items()))
