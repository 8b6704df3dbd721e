"""Auxiliary channels as witnesses of a class of glitches.

A channel is a witness where its triggers stand at the times of the glitches more often than chance
puts them there, as in a round of hveto (Smith et al. 2011, "A hierarchical method for vetoing noise
transients in gravitational-wave detectors", CQG 28, 235005). hveto asks of all triggers of the
strain; here it is asked of those of one shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from glitchvae.errors import InputError
from glitchvae.triggers import Triggers

WINDOWS = (0.1, 0.2, 0.4, 0.8, 1.0)
"""Lengths (s) of the windows around auxiliary triggers, those of hveto's runs on LIGO data."""

THRESHOLDS = (7.75, 8.5, 9.0, 10.0, 11.0, 12.0, 15.0, 20.0, 40.0, 100.0, 300.0)
"""Least SNR of auxiliary triggers."""


@dataclass(frozen=True, kw_only=True)
class Witness:
    """One channel with its most significant window and threshold.

    Attributes:
        channel: Its name.
        significance: -log10 of the binomial chance that so many glitches lie in its windows. It
            is the best of all settings, so that random channels reach more than 0.
        p_value: Share of random turns in which any channel reaches this significance; of R turns
            it is at least 1 / (R + 1).
        window: Length (s) of the windows.
        threshold: Least SNR of its triggers.
        triggers: Of the channel at this threshold, in the live time.
        inside: Glitches in its windows.
        glitches: All glitches.
        dead_time: Share of the live time in its windows.
    """

    channel: str
    significance: float
    p_value: float
    window: float
    threshold: float
    triggers: int
    inside: int
    glitches: int
    dead_time: float

    @property
    def efficiency(self) -> float:
        """Fraction of the glitches within the channel's windows."""
        return self.inside / self.glitches


def rank_witnesses(
    gps: ArrayLike,
    channels: Mapping[str, Triggers],
    live: segmentlist,
    *,
    windows: Sequence[float] = WINDOWS,
    thresholds: Sequence[float] = THRESHOLDS,
    turns: int = 199,
    seed: int = 0,
) -> tuple[Witness, ...]:
    """Rank channels by the significance of coincidences of glitches with their triggers.

    hveto counts coincidences against a Poisson mean; here the windows are merged and a glitch is
    inside or not, because the windows of a busy channel overlap: the chance of one is the share of
    the live time that they cover. Triggers and glitches that come in bouts make this chance too
    small. The p-value does not ask it: all glitches are moved together, along a live time that is
    closed to a ring, so that their own bouts stay.

    Args:
        gps: (N,) times of the glitches of one class; those outside the live time are left out.
        channels: Triggers of each auxiliary channel.
        live: In which both were looked for; disjoint, in the order of time.
        windows: Lengths (s) that are tried.
        thresholds: Least SNR that are tried.
        turns: Random moves behind the p-value.
        seed: Of the moves.

    Returns:
        A witness for each channel with a trigger, the most significant first.

    Raises:
        InputError: no live time, no glitch in it, or no channel.
    """
    ring = _Ring(live)
    times = ring.inside(np.asarray(gps, dtype=np.float64))
    if not len(times) or not channels:
        raise InputError(
            "witnesses cannot be ranked",
            expected="glitches in the live time, and triggers of a channel",
            found=f"{len(times)} glitches in {ring.length:g} s, {len(channels)} channels",
        )
    rng = np.random.default_rng(seed)
    moved = np.stack([times, *(ring.turned(times, rng.uniform()) for _ in range(turns))])
    found, best = [], np.zeros(turns)
    for channel, triggers in channels.items():
        witness, by_chance = _best(channel, triggers, moved, live, ring, windows, thresholds)
        best = np.maximum(best, by_chance)
        if witness is not None:
            found.append(witness)
    return tuple(
        Witness(
            **{**vars(one), "p_value": float((best >= one.significance).sum() + 1) / (turns + 1)}
        )
        for one in sorted(found, key=lambda one: -one.significance)
    )


def _best(
    channel: str,
    triggers: Triggers,
    moved: NDArray[np.float64],
    live: segmentlist,
    ring: _Ring,
    windows: Sequence[float],
    thresholds: Sequence[float],
) -> tuple[Witness | None, NDArray[np.float64]]:
    """One channel at its most significant, and its best significance for each time shift."""
    at = ring.inside(triggers.gps)
    snr = triggers.snr[ring.holds(triggers.gps)]
    witness, by_chance = None, np.zeros(len(moved) - 1)
    for threshold in thresholds:
        loud = at[snr >= threshold]
        if not len(loud):
            continue
        for window in windows:
            covered = segmentlist(segment(t - window / 2, t + window / 2) for t in loud.tolist())
            near = _Ring(covered.coalesce() & live)
            share = min(near.length / ring.length, 1.0)
            inside = near.holds(moved).sum(axis=1)
            chance = -binom.logsf(inside - 1, moved.shape[1], share) / np.log(10)
            by_chance = np.maximum(by_chance, chance[1:])
            if witness is None or chance[0] > witness.significance:
                witness = Witness(
                    channel=channel,
                    significance=float(max(chance[0], 0.0)),
                    p_value=1.0,
                    window=window,
                    threshold=threshold,
                    triggers=len(loud),
                    inside=int(inside[0]),
                    glitches=moved.shape[1],
                    dead_time=share,
                )
    return witness, by_chance


class _Ring:
    """Live time as a ring: stretches joined end to end."""

    def __init__(self, live: segmentlist) -> None:
        edges = np.array([tuple(map(float, each)) for each in live]).reshape(-1, 2)
        self.starts, self.ends = edges.T
        self._passed = np.concatenate([[0.0], np.cumsum(self.ends - self.starts)])
        self.length = float(self._passed[-1])

    def holds(self, gps: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each time lies in the live time."""
        if not len(self.starts):
            return np.zeros(gps.shape, dtype=bool)
        place = self._place(gps)
        return (gps >= self.starts[place]) & (gps < self.ends[place])

    def inside(self, gps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The times that lie in the live time."""
        return gps[self.holds(gps)]

    def turned(self, gps: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        """Times shifted along the ring by a share of its length."""
        place = self._place(gps)
        along = self._passed[place] + gps - self.starts[place] + share * self.length
        along %= self.length
        stretch = np.searchsorted(self._passed, along, side="right") - 1
        stretch = np.minimum(stretch, len(self.starts) - 1)
        return self.starts[stretch] + along - self._passed[stretch]

    def _place(self, gps: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.maximum(np.searchsorted(self.starts, gps, side="right") - 1, 0)
