"""What an archive holds, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glitchvae.archive.live import spell


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts over a whole archive.

    Attributes:
        path: The archive.
        parts: Finished parts.
        episodes: Disturbances that the events of all models together are of.
        rows: Events, counted once per model and imaging settings.
        models: Rows of each model, by "name (digest)".
        ifos: Rows of each detector.
        classes: Rows of each nearest class, unusable rows left out.
        statuses: Rows of each status.
        live: Seconds covered and searched, by detector and threshold.
        open: Seconds that were searched and have a trigger without a code, by model.
        unread: Files of the ledger that cannot be read: what they tell is unknown.
        gps: First and last time, None where no time is known.
        unfinished: Jobs that are writing at this moment.
        left: Interrupted jobs of which something could not be read, and was kept.
        size: Bytes on disk.
    """

    path: Path
    parts: int
    episodes: int
    rows: int
    models: dict[str, int]
    ifos: dict[str, int]
    classes: dict[str, int]
    statuses: dict[str, int]
    live: dict[tuple[str, float], tuple[float, float]]
    open: dict[str, float]
    unread: int
    gps: tuple[float, float] | None
    unfinished: int
    left: int
    size: int

    def lines(self) -> list[tuple[str, str]]:
        """What to print, name by name."""
        times = "unknown" if self.gps is None else f"{self.gps[0]:.3f} to {self.gps[1]:.3f}"
        lines = [
            ("archive", str(self.path)),
            ("glitches", f"{self.rows:,} in {self.parts:,} part{'' if self.parts == 1 else 's'}"),
            ("episodes", f"{self.episodes:,}"),
            ("searched", "; ".join(self._searched()) or "unknown"),
            ("GPS", times),
            ("detectors", _spell(self.ifos)),
            ("models", _spell(self.models)),
            ("nearest class", _spell(self.classes)),
            ("status", _spell(self.statuses)),
            ("on disk", f"{self.size / 2**20:.1f} MiB"),
            ("jobs writing", str(self.unfinished)),
        ]
        if any(self.open.values()):
            told = [f"{name} {spell(seconds)}" for name, seconds in self.open.items() if seconds]
            lines.append(("without codes", ", ".join(told)))
        if self.unread:
            lines.append(("ledger", f"{self.unread:,} files unread: what they tell is unknown"))
        if self.left:
            lines.append(("interrupted", f"{self.left:,}; see `glitchvae archive verify`"))
        return lines

    def _searched(self) -> list[str]:
        """Live time, detector by detector and threshold by threshold."""
        return [
            f"{ifo} {spell(searched)} at SNR {snr:g} or less ({spell(covered)} covered)"
            for (ifo, snr), (covered, searched) in self.live.items()
        ]


def _spell(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
