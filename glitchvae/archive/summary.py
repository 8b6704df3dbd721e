"""Summary of an archive in a few numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from glitchvae.archive.journal import is_running
from glitchvae.archive.layout import journals, part_files
from glitchvae.archive.ledger import Ledger
from glitchvae.archive.live import spell
from glitchvae.triggers.episodes import episodes


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
        """Names and values of the lines to print."""
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
            lines.append(("not embedded", ", ".join(told)))
        if self.unread:
            lines.append(("ledger", f"{self.unread:,} files unread: what they tell is unknown"))
        if self.left:
            lines.append(("interrupted", f"{self.left:,}; see `glitchvae archive verify`"))
        return lines

    def _searched(self) -> list[str]:
        """Live time by detector and threshold."""
        return [
            f"{ifo} {spell(searched)} at SNR {snr:g} or less ({spell(covered)} covered)"
            for (ifo, snr), (covered, searched) in self.live.items()
        ]


def _spell(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def summarise(connection: duckdb.DuckDBPyConnection, root: Path) -> Summary:
    """Summary of an archive from its index, its ledger and its journals."""

    def counts(column: str, where: str = "TRUE", table: str = "embeddings") -> dict[str, int]:
        query = (
            f"SELECT {column}, count(*) FROM {table} WHERE {where}"  # noqa: S608
            f" GROUP BY ALL ORDER BY 2 DESC, 1"
        )
        return dict(connection.execute(query).fetchall())

    names = dict(
        connection.execute(
            "SELECT model_digest, model FROM files WHERE model_digest IS NOT NULL"
        ).fetchall()
    )
    models = {
        f"{json.loads(names[digest])['name']} ({digest[:12]})": rows
        for digest, rows in counts("model_digest").items()
    }
    times = connection.execute(
        "SELECT min(gps), max(gps) FROM embeddings WHERE NOT isnan(gps)"
    ).fetchone()
    ledger = Ledger(root)
    live = {
        (ifo, snr): seconds
        for snr in ledger.thresholds()
        for ifo, seconds in ledger.seconds(snr).items()
        if snr in ledger.thresholds(ifo)
    }
    ifos = counts("ifo")
    running = [is_running(folder) for folder in journals(root)]
    return Summary(
        path=root,
        parts=len(part_files(root)),
        episodes=sum(_episodes(connection, ifo) for ifo in ifos),
        rows=sum(models.values()),
        models=models,
        ifos=ifos,
        classes=counts("class_name", "class_name <> ''", "classes"),
        statuses=counts("status"),
        live=dict(sorted(live.items())),
        open=_open(ledger, names),
        unread=len(ledger.problems),
        gps=None if times is None or times[0] is None else times,
        unfinished=sum(running),
        left=len(running) - sum(running),
        size=sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
    )


def _episodes(connection: duckdb.DuckDBPyConnection, ifo: str) -> int:
    """Number of episodes of a detector, whichever model encoded the events."""
    query = "SELECT gps, duration FROM embeddings WHERE ifo = ?"
    origins = connection.execute(
        "SELECT count(*) FROM (SELECT DISTINCT model_digest, imaging_digest FROM embeddings)"
    ).fetchall()
    if origins != [(1,)]:
        query = (
            "SELECT any_value(gps) AS gps, any_value(duration) AS duration FROM embeddings"
            " WHERE ifo = ? GROUP BY event_id"
        )
    found = connection.execute(query, [ifo]).fetchnumpy()
    gps, duration = (np.ma.filled(found[n].astype(np.float64), np.nan) for n in ("gps", "duration"))
    numbers = episodes(gps, duration, np.full(len(gps), ifo))
    return int(numbers.max(initial=-1)) + 1


def _open(ledger: Ledger, names: dict[str, str]) -> dict[str, float]:
    """Searched seconds without a code, by the names of models."""
    return {
        json.loads(names[model])["name"]: float(
            sum(abs(own) for own in ledger.open((model, imaging)).values())
        )
        for model, imaging in ledger.origins
        if model in names
    }
