"""Events grouped by class, without a search for groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glitchvae.archive.live import Live
from glitchvae.discovery.comparing import episodes_of, left_out
from glitchvae.discovery.describing import describe
from glitchvae.discovery.record import Discovery, KnownClass
from glitchvae.discovery.settings import DiscoverySettings
from glitchvae.embedding import Embeddings


def by_class(
    embeddings: Embeddings,
    *,
    why: str,
    live: Live | None = None,
    settings: DiscoverySettings | None = None,
) -> Discovery:
    """Group events by label, else by the nearest class of their codes.

    Args:
        embeddings: N events, with a code or without.
        why: Why no groups are looked for, a clause for readers.
        live: Stretches that were searched, by detector.
        settings: Options of a search that did not take place.

    Returns:
        A result without candidates. Its classes are names, not what explains an event.
    """
    episode, live = episodes_of(embeddings), live or {}
    coded = np.isfinite(embeddings.mean).all(axis=1)
    names = np.where(coded, embeddings.class_or_label, "")
    classes = []
    for name in sorted({str(name) for name in names} - {""}):
        own = from_medoid(embeddings.mean.astype(np.float64), np.flatnonzero(names == name))
        classes.append(
            KnownClass(name=name, members=own, **describe(embeddings, own, episode, live))
        )
    return Discovery(
        embeddings=embeddings,
        cluster=np.full(len(embeddings), -1),
        episode=episode,
        candidates=(),
        known=tuple(sorted(classes, key=lambda known: -len(known.members))),
        excluded=left_out(embeddings, np.flatnonzero(coded)),
        settings=settings or DiscoverySettings(),
        live=live,
        model=embeddings.model,
        unsearched=why,
    )


def from_medoid(points: NDArray[np.float64], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows in ascending distance from the row nearest to the median."""
    middle = np.median(points[own], axis=0)
    medoid = points[own[np.linalg.norm(points[own] - middle, axis=1).argmin()]]
    return own[np.argsort(np.linalg.norm(points[own] - medoid, axis=1), kind="stable")]
