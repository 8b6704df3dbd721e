"""Progress of a census: number of shards in each state, and seconds, for each detector."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from glitchvae.census.census import Census
from glitchvae.census.shards import Shard
from glitchvae.census.state import KILLED, Kind, kind_now, read_state


@dataclass(kw_only=True)
class Detector:
    """Progress for one detector.

    Attributes:
        seconds: Strain to be searched.
        dealt: Of it, in shards that are finished in one way or another.
        covered: Good samples in finished parts (s).
        searched: Of them where triggers were looked for (s).
        rows: Glitches in finished parts.
        shards: How many of each kind.
    """

    seconds: float = 0.0
    dealt: float = 0.0
    covered: float = 0.0
    searched: float = 0.0
    rows: int = 0
    shards: Counter[Kind] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class Status:
    """Progress of a census.

    Attributes:
        detectors: By name.
        troubled: Shards that wait for another attempt, are incomplete or set aside, and why.
    """

    detectors: dict[str, Detector]
    troubled: list[tuple[Shard, Kind, str]]

    def count(self, *kinds: Kind) -> int:
        """Number of shards in some states."""
        return sum(own.shards[kind] for own in self.detectors.values() for kind in kinds)

    @property
    def seconds(self) -> float:
        """Seconds of strain to be searched."""
        return sum(own.seconds for own in self.detectors.values())

    @property
    def dealt(self) -> float:
        """Seconds of strain in finished shards."""
        return sum(own.dealt for own in self.detectors.values())

    @property
    def finished(self) -> bool:
        """Whether no work is left."""
        return all(kind.finished for own in self.detectors.values() for kind in own.shards)


def status_of(census: Census) -> Status:
    """Current progress of a census."""
    detectors: dict[str, Detector] = {}
    troubled: list[tuple[Shard, Kind, str]] = []
    for shard in census.shards:
        state = read_state(census, shard)
        kind = kind_now(census, shard, state)
        own = detectors.setdefault(shard.ifo, Detector())
        own.shards[kind] += 1
        own.seconds += shard.seconds
        own.dealt += shard.seconds if kind.finished else 0.0
        if state.done is not None:
            own.covered += state.done.covered
            own.searched += state.done.searched
            own.rows += state.done.rows
        if kind in (Kind.WAITING, Kind.INCOMPLETE, Kind.ASIDE):
            troubled.append((shard, kind, state.reason or KILLED))
    return Status(detectors=detectors, troubled=troubled)
