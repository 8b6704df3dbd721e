"""Results of discovery: candidates for new classes, known classes, doubtful labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from igwn_segments import segmentlist
from numpy.typing import NDArray

from glitchvae.discovery.displacement import Cause
from glitchvae.discovery.guards import Guards
from glitchvae.discovery.settings import DiscoverySettings, fewest_bouts
from glitchvae.embedding import Embeddings
from glitchvae.triggers.episodes import BOUT, GAP, LONGEST, bouts

PROPERTIES: tuple[str, ...] = ("snr", "peak_frequency", "q", "duration", "bandwidth")
"""Columns of the trigger that describe a group."""

RELATIVE = (
    "p-values are relative to simulated glitches as the model knows them (in other noise, a known"
    " class can come out as unexplained)"
)
"""Assumption stated with every p-value: an archive does not tell whether strain is real."""

PropertyRanges = dict[str, tuple[float, float, float]]
"""5 % quantile, median and 95 % quantile of each of `PROPERTIES`, NaN where unknown."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Episodes of one detector over its live time.

    Attributes:
        ifo: Detector.
        count: Events.
        episodes: Episodes that hold any of them.
        live_hours: Hours that were searched, NaN where unknown.
        per_hour: Episodes in live time per hour, NaN where it is unknown.
        low: Lower end of the exact central 90 % Poisson interval (per hour).
        high: Upper end (per hour).
    """

    ifo: str
    count: int
    episodes: int
    live_hours: float
    per_hour: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class EventGroup:
    """Events of one group and their properties; rows are those of the embeddings.

    Attributes:
        name: Of the group.
        members: Rows, the nearest to its middle first.
        episodes: Episodes that hold any of them.
        rates: Of each detector.
        daily_profile: (24,) episodes by hour of the day (UTC).
        properties: What its triggers are like.
        first_gps: Time of the first event (s), NaN where times are unknown.
        last_gps: Time of the last one (s).
        drift: p-value of a rate that stays the same over live time, NaN where unknown.
    """

    name: str
    members: NDArray[np.int64]
    episodes: int
    rates: tuple[Rate, ...]
    daily_profile: NDArray[np.int64]
    properties: PropertyRanges
    first_gps: float
    last_gps: float
    drift: float


@dataclass(frozen=True, kw_only=True)
class KnownClass(EventGroup):
    """Events that a known class explains."""


@dataclass(frozen=True, kw_only=True)
class Candidate(EventGroup):
    """A group of events that no known class explains.

    Attributes:
        name: "candidate-1" is the one that chance explains worst.
        members: Rows, the nearest to the medoid first.
        medoid: Row of the most typical event.
        edges: Rows of the least typical members.
        stability: Mean Jaccard index of the group over bootstrap reclusterings.
        p_value: Chance that a run without a new class holds a group this significant; never
            below `significance.FINEST`, which stands for itself and less.
        expected_per_month: Such groups that chance makes in 30 days of live time, NaN where
            that is unknown.
        nearest: Known classes and their distances, the nearest first.
        advice: "new class", "sub-class of X", "merge with candidate-2" or "split"; "doubtful: …"
            where a guard speaks against a new class; "known class, displaced here: X".
        reason: Why, in a sentence.
        verdict: The advice in a word or two; that of the guard where one speaks against it.
        guards: What a person would look at before naming a class; see `guards`.
        causes: Known classes that were tested as the cause, where rendered events of them leave
            nothing unexplained; of a displaced class the first one holds.
        remark: What most members are named, "perhaps known: …"; no reason for anything.
    """

    medoid: int
    edges: NDArray[np.int64]
    stability: float
    p_value: float
    expected_per_month: float
    nearest: tuple[tuple[str, float], ...]
    advice: str
    reason: str
    verdict: str
    guards: Guards
    causes: tuple[Cause, ...] = ()
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """A labelled event whose neighbours contradict its label.

    Attributes:
        row: Of the embeddings.
        label: What it is called.
        suggested: What most of its neighbours are called.
        agreement: Share of the neighbours that are called `suggested`.
    """

    row: int
    label: str
    suggested: str
    agreement: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Discovery:
    """The result of one run.

    Attributes:
        embeddings: The N events, as they were given.
        cluster: (N,) index into `groups`, -1 for events of none.
        episode: (N,) number of each event's episode.
        candidates: In the order of significance.
        known: Known classes that explain any event, the most frequent first.
        audit: Doubtful labels, the most doubtful first.
        excluded: Events that took no part, by reason.
        settings: The options of the run.
        live: Stretches that were searched, by detector; empty where unknown.
        model: Name and digest of the model.
        displaced: Groups that are a known class, displaced where the archive is: no candidates.
        rendered: Glitches of known classes that were rendered there, by class.
        unsearched: Why no groups were looked for, a clause; "" where they were.
    """

    embeddings: Embeddings
    cluster: NDArray[np.int64]
    episode: NDArray[np.int64]
    candidates: tuple[Candidate, ...]
    known: tuple[KnownClass, ...]
    audit: tuple[AuditRow, ...] = ()
    excluded: Mapping[str, int] = field(default_factory=dict)
    settings: DiscoverySettings = field(default_factory=DiscoverySettings)
    live: Mapping[str, segmentlist] = field(default_factory=dict)
    model: Mapping[str, str] = field(default_factory=dict)
    unsearched: str = ""
    displaced: tuple[Candidate, ...] = ()
    rendered: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Discovery: {self.summary}"

    @property
    def summary(self) -> str:
        """Candidates with their events, and the number of known classes, as one line."""
        found = ", ".join(f"{c.name} ({len(c.members):,} events)" for c in self.candidates)
        classes = f"{len(self.known):,} known class{'' if len(self.known) == 1 else 'es'}"
        events = len(self.embeddings)
        plural = "" if events == 1 else "s"
        return f"{events:,} event{plural}, {classes}, {found or 'no candidate'}"

    @property
    def groups(self) -> tuple[Candidate, ...]:
        """Candidates, and known classes that are displaced."""
        return self.candidates + self.displaced

    @property
    def model_digest(self) -> str:
        """Digest of the model, "" if the embeddings do not give it."""
        return self.model.get("digest", "")

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on the numbers for readers, a clause each."""
        told = self.unsearched or self._relative
        unknown = sorted({str(ifo) for ifo in self.embeddings.ifo} - set(self.live))
        if not unknown:
            return told, *self._counted
        whose = f" for {', '.join(name or 'no detector' for name in unknown)}" if self.live else ""
        missing = f"live time unknown{whose} (--live names the segments that were searched)"
        return told, missing, *self._counted

    @property
    def _relative(self) -> str:
        """The known events to which p-values are relative, as a clause."""
        if not self.rendered:
            return RELATIVE
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.rendered.items()))
        return (
            "p-values are relative to simulated glitches, those of the model and those rendered in"
            f" this archive's noise ({counts})"
        )

    @property
    def _counted(self) -> tuple[str, ...]:
        """The unit of the counts and the use of labels, a clause each."""
        labels = self.embeddings.label
        labelled = 0 if labels is None else int((labels != "").sum())
        by_label = (f"{labelled:,} labelled events count for their label, not their class",)
        episodes = (self._episodes,) * (len(self.embeddings) > 0)
        return *episodes, *by_label * bool(labelled)

    @property
    def _bouts(self) -> str:
        count = len(np.unique(bouts(self.embeddings.gps, self.episode, self.embeddings.ifo)))
        takes = 2 * fewest_bouts(self.settings)
        few = f" (a group takes about {takes})" if count < takes else ""
        return f"; p-values count bouts of {BOUT:g} s, of which there are {count:,}{few}"

    @property
    def _episodes(self) -> str:
        if not np.isfinite(self.embeddings.gps).any():
            return "no times are known, and each event counts by itself"
        snr = self.embeddings.snr[np.isfinite(self.embeddings.snr)]
        least = f" at SNR >= {np.floor(10 * snr.min()) / 10:g}" if len(snr) else ""
        counted = "rates" if self.unsearched else "rates and expected counts"
        told = "" if self.unsearched else self._bouts
        return (
            f"{counted} count episodes:"
            f" {len(np.unique(self.episode)):,} of {len(self.episode):,} events{least}"
            f" (less than {GAP:g} s apart in one detector, {LONGEST:g} s at most){told}"
        )
