"""Detection efficiency versus SNR and event count, at a fixed false-alarm rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery.comparing import Known, bouts_of, comparable_rows, episodes_of
from glitchvae.discovery.efficiency.holding_out import Trial, look_for, without
from glitchvae.discovery.settings import DiscoverySettings
from glitchvae.embedding import Embeddings
from glitchvae.statistics import binomial_interval

SNR_BANDS: tuple[tuple[float, float], ...] = ((0.0, 8.0), (8.0, 15.0), (15.0, 30.0), (30.0, np.inf))
"""Ranges of SNR of the events added to an archive."""

POPULATIONS: tuple[int, ...] = (10, 20, 30, 50, 100)
"""Numbers of events added to an archive."""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Detection efficiency for classes of one SNR and event count.

    Attributes:
        snr: Band of the events' SNR.
        population: Events of the class in the archive.
        trials: Runs.
        detected: Runs with a candidate that is mostly of the class.
        interval: Exact 90 % interval of the share.
    """

    snr: tuple[float, float]
    population: int
    trials: int
    detected: int
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        """Detected runs over all runs."""
        return self.detected / self.trials


def efficiency_of(snr: tuple[float, float], population: int, trials: Sequence[Trial]) -> Efficiency:
    """Count the trials of one SNR and event count."""
    detected = sum(trial.detected for trial in trials)
    return Efficiency(
        snr=snr,
        population=population,
        trials=len(trials),
        detected=detected,
        interval=binomial_interval(detected, len(trials)),
    )


def sweep(
    embeddings: Embeddings,
    truth: NDArray[np.object_],
    prototypes: Prototypes,
    names: Sequence[str],
    settings: DiscoverySettings,
    rng: np.random.Generator,
    *,
    bands: Sequence[tuple[float, float]] = SNR_BANDS,
    populations: Sequence[int] = POPULATIONS,
) -> Iterator[tuple[tuple[float, float], int, Trial]]:
    """Hold each class out and search for some of its events, by SNR and event count.

    A band with fewer events of a class than asked for is left out.

    Yields:
        Band, population and what came back.
    """
    for name in names:
        rest = without(prototypes, [name], seed=settings.seed)
        known = Known.of(rest, seed=settings.seed)
        rows = comparable_rows(embeddings, rest)
        episode = episodes_of(embeddings)
        bout = bouts_of(embeddings, episode)
        archive = known.sample(embeddings.mean[rows], episode[rows], bout[rows])
        classes, snr = truth[rows], embeddings.snr[rows]
        others = np.flatnonzero(classes != name)
        for band in bands:
            inside = np.flatnonzero((classes == name) & (snr >= band[0]) & (snr < band[1]))
            for population in (n for n in populations if n <= len(inside)):
                drawn = np.concatenate([others, rng.choice(inside, population, replace=False)])
                part = archive.take(drawn)
                yield band, population, look_for(part, classes[drawn], known, [name], settings)[0]
