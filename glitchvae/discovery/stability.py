"""Stability of groups when the archive is resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glitchvae.discovery.clustering import jaccard
from glitchvae.discovery.excess import Background, Sample, fit_excess
from glitchvae.discovery.membership import MEMBER, without_disturbances
from glitchvae.discovery.searching import MOSTLY, SearchResult
from glitchvae.discovery.seeds import first_guess
from glitchvae.discovery.settings import DiscoverySettings, fewest_bouts
from glitchvae.progress import Progress

_ROUNDS = 4  # of the fit to a resample: enough to take on what lies around the first guess


def stabilities(
    archive: Sample,
    background: Background,
    found: SearchResult,
    settings: DiscoverySettings,
    rng: np.random.Generator,
    progress: Progress,
) -> NDArray[np.float64]:
    """(G,) mean Jaccard index of each group over bootstrap resamples (Hennig 2007).

    A resample's components that lie mostly in a group count as that group together: where
    it is cut in two, nothing is lost. Episodes are drawn, each with all its events: a group
    of one disturbance does not come back without it. NaN where no resample is asked for.
    """
    members = found.membership > MEMBER
    names, episode = np.unique(archive.episode, return_inverse=True)
    scores = []
    for _ in range(settings.bootstraps if members.any() else 0):
        chosen = rng.integers(len(names), size=len(names))
        drawn = np.flatnonzero(np.isin(episode, chosen))
        again = _groups_again(archive.take(drawn), background, found, drawn, settings)
        scores.append([_recovered(members[drawn, g], again) for g in range(members.shape[1])])
        progress(1)
    return np.mean(scores, axis=0) if scores else np.full(members.shape[1], np.nan)


def _groups_again(
    archive: Sample,
    background: Background,
    found: SearchResult,
    drawn: NDArray[np.int64],
    settings: DiscoverySettings,
) -> NDArray[np.bool_]:
    """(n, J) membership of the events of a resample in the components found in it."""
    rows = np.flatnonzero(np.isin(drawn, found.seeds))
    fewest = fewest_bouts(settings)
    guess = first_guess(
        archive, rows, method=settings.method, min_events=fewest, seed=settings.seed
    )
    excess, left = fit_excess(archive, background, guess, min_events=fewest, rounds=_ROUNDS)
    claims = excess.claims(archive)[:, : len(left)]
    return without_disturbances(archive.codes, archive.episode, claims) > MOSTLY


def _recovered(group: NDArray[np.bool_], again: NDArray[np.bool_]) -> float:
    sizes = np.maximum(again.sum(axis=0), 1)
    mostly = again[group].sum(axis=0) > MOSTLY * sizes
    return jaccard(np.flatnonzero(group), np.flatnonzero(again[:, mostly].any(axis=1)))
