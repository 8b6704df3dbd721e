"""Writing of the folder of a discovery run: tables, segments and drafts beside the page.

```
report.html                    the page, which needs nothing else
candidates.csv                 a line for each candidate, and for each known class that is displaced
events.csv                     a line for each event: its class, its candidate, its novelty_p
labels.csv                     doubtful labels
candidates/<name>.*            the events of each candidate: .h5, .csv, .ecsv, .xml.gz
vetoes/<name>.*                segments: .xml.gz, .h5, and text for each detector
catalog/candidates/<key>.toml  a draft for the catalogue
run.json                       settings, digests, versions, counts, and every file's digest
```
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from glitchvae import __version__
from glitchvae.classes.catalog import Evidence, write_card
from glitchvae.classes.user import DRAFTS
from glitchvae.discovery import PROPERTIES, Candidate, Discovery
from glitchvae.discovery.decisions import draft_card
from glitchvae.discovery.displacement import VERDICT
from glitchvae.discovery.guards import NAMES as GUARDS
from glitchvae.discovery.runs import writing_run
from glitchvae.discovery.vetoes import VetoScore, score_veto, veto_segments, write_segments
from glitchvae.embedding import Embeddings, write_embeddings
from glitchvae.report.links import Link
from glitchvae.report.page import render_report
from glitchvae.report.pictures import Pictures
from glitchvae.store import digest, replacing, write_rows
from glitchvae.triggers import Triggers, write_triggers

Vetoes = Mapping[str, tuple[VetoScore, ...]]
"""Scores of the veto segments of each candidate, one entry for each detector."""


def score_vetoes(discovery: Discovery, target: Triggers | None = None) -> Vetoes:
    """Efficiency, dead time and use percentage of every candidate's veto segments.

    Args:
        discovery: Candidates.
        target: Glitches to measure against, else all events of the run. Segments that were
            drawn around some of these events all hold one: their use percentage is 100.
    """
    glitches = discovery.embeddings if target is None else target
    return {
        candidate.name: tuple(
            score_veto(ifo, segments, glitches.gps[glitches.ifo == ifo], discovery.live.get(ifo))
            for ifo, segments in _segments(discovery, candidate).items()
        )
        for candidate in discovery.groups
    }


def write_report(
    folder: str | Path,
    discovery: Discovery,
    *,
    vetoes: Vetoes,
    pictures: Pictures | None = None,
    notes: Mapping[str, str] | None = None,
    origin: Mapping[str, Any] | None = None,
    link: Link | None = None,
    replace: bool = False,
) -> None:
    """Write the folder of a run, which appears under its name when complete.

    Args:
        folder: Where it goes.
        discovery: What was found.
        vetoes: From `score_vetoes`.
        pictures: Where the images of the events are.
        notes: What else is to be said of a candidate, by its name.
        origin: Where the events come from, for the card: inputs, live time, catalogue.
        link: Where events on the page lead.
        replace: Take the place of an earlier run.

    Raises:
        InputError: something is at `folder` that may not be replaced.
        StorageError: the disk refused a write; earlier results are untouched.
    """
    summary = summarise(discovery, origin or {})
    page = render_report(
        discovery,
        pictures=pictures,
        vetoes=vetoes,
        notes=notes,
        card=shown_on_page(summary),
        link=link,
    )
    with writing_run(folder, summary, replace=replace) as aside:
        _write_text(aside / "report.html", page)
        _write_rows(aside / "candidates.csv", _candidate_rows(discovery))
        _write_rows(aside / "events.csv", _event_rows(discovery))
        _write_rows(aside / "labels.csv", _label_rows(discovery))
        for candidate in discovery.groups:
            _write_candidate(aside, discovery, candidate)


def shown_on_page(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and date of a page, without what it shows elsewhere."""
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    elsewhere = {"candidates", "displaced", "excluded", "remarks"}
    return {"made": made, **{k: v for k, v in summary.items() if k not in elsewhere}}


def summarise(discovery: Discovery, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Summary of a run for its card."""
    events = discovery.embeddings
    codes = np.ascontiguousarray(events.mean).tobytes()
    return {
        "glitchvae_version": __version__,
        "model": dict(discovery.model),
        **origin,
        "settings": discovery.settings.model_dump(mode="json"),
        "events": len(events),
        "episodes": len(np.unique(discovery.episode)),
        "codes_digest": digest("\n".join(events.event_id).encode() + codes),
        "excluded": dict(discovery.excluded),
        "remarks": list(discovery.remarks),
        "live_hours": {
            ifo: round(float(abs(s)) / 3600, 3) for ifo, s in sorted(discovery.live.items())
        },
        "rendered": dict(discovery.rendered),
        "candidates": [_line(c) for c in discovery.candidates],
        "displaced": [_line(c) for c in discovery.displaced],
    }


def _line(group: Candidate) -> dict[str, Any]:
    """Entry of a group on the run's card, with the tests of known classes."""
    return {
        "name": group.name,
        "events": len(group.members),
        "episodes": group.episodes,
        "verdict": group.verdict,
        "advice": group.advice,
        "causes": [
            {key: _known(v) if isinstance(v, float) else v for key, v in vars(cause).items()}
            for cause in group.causes
        ],
    }


def _write_candidate(folder: Path, discovery: Discovery, candidate: Candidate) -> None:
    members = discovery.embeddings.take(candidate.members)
    base = folder / "candidates" / candidate.name
    for suffix in (".h5", ".csv", ".ecsv"):
        write_embeddings(base.with_name(base.name + suffix), members)
    segments, live = _segments(discovery, candidate), discovery.live
    place = folder / "vetoes"
    for ifo, own in segments.items():
        write_segments(place / f"{candidate.name}-{ifo}.txt", {ifo: own}, name=candidate.name)
    if segments:
        write_segments(place / f"{candidate.name}.h5", segments, name=candidate.name, known=live)
    if segments and importlib.util.find_spec("igwn_ligolw"):
        write_segments(
            place / f"{candidate.name}.xml.gz", segments, name=candidate.name, known=live
        )
        write_triggers(base.with_name(f"{base.name}.xml.gz"), _triggers(members))
    if candidate.verdict == VERDICT:
        return  # a known class needs no draft
    evidence = Evidence(
        model=discovery.model_digest,
        events=len(members),
        medoid=str(discovery.embeddings.event_id[candidate.medoid]),
        p_value=candidate.p_value,
        expected_per_month=_known(candidate.expected_per_month),
        stability=candidate.stability,
        nearest=tuple(name for name, _ in candidate.nearest[:3]),
        run=datetime.now(UTC).isoformat(timespec="seconds"),
        remarks=discovery.remarks,
    )
    write_card(folder / "catalog" / DRAFTS, draft_card(candidate.name, members, evidence))


def _segments(discovery: Discovery, candidate: Candidate) -> dict[str, Any]:
    """Veto segments of each detector that saw the candidate at a known time."""
    members = discovery.embeddings.take(candidate.members)
    segments = {}
    for ifo in sorted(set(members.ifo[np.isfinite(members.gps)])):
        own = members.take(members.ifo == ifo)
        segments[ifo] = veto_segments(own.gps, own.duration)
    return segments


def _triggers(members: Embeddings) -> Triggers:
    """The events with a known time as triggers for other programs."""
    timed = members.take(np.isfinite(members.gps))
    columns = {name: getattr(timed, name) for name in ("event_id", "gps", "ifo", *PROPERTIES)}
    return Triggers(**columns, central_frequency=np.full(len(timed), np.nan))


def _candidate_rows(discovery: Discovery) -> Iterable[Sequence[Any]]:
    live = ", ".join(f"{i} {float(abs(s)) / 3600:.4g} h" for i, s in sorted(discovery.live.items()))
    yield (
        "name",
        "events",
        "episodes",
        "verdict",
        "p_value",
        "live_time",
        "expected_per_month",
        "stability",
        "advice",
        "reason",
        "remark",
        "nearest_class",
        "distance",
        "first_gps",
        "last_gps",
        "drift",
        "medoid",
        *(name for name in GUARDS if name != "episodes"),
        *(f"median_{name}" for name in PROPERTIES),
    )
    for c in discovery.groups:
        near = c.nearest[0] if c.nearest else ("", np.nan)
        yield (
            c.name,
            len(c.members),
            c.episodes,
            c.verdict,
            c.p_value,
            live or "unknown",
            _known(c.expected_per_month),
            c.stability,
            c.advice,
            c.reason,
            c.remark,
            *near,
            c.first_gps,
            c.last_gps,
            _known(c.drift),
            discovery.embeddings.event_id[c.medoid],
            *(one.value for one in c.guards if one.name != "episodes"),
            *(c.properties[name][1] if name in c.properties else "" for name in PROPERTIES),
        )


def _known(value: float) -> float | None:
    """A number, or None for NaN."""
    return value if math.isfinite(value) else None


def _event_rows(discovery: Discovery) -> Iterable[Sequence[Any]]:
    events = discovery.embeddings
    yield (
        "event_id",
        "gps",
        "ifo",
        "snr",
        "class_name",
        "candidate",
        "novelty_p",
        "status",
        "episode",
    )
    names = [*(c.name for c in discovery.groups), ""]
    for row in range(len(events)):
        yield (
            events.event_id[row],
            events.gps[row],
            events.ifo[row],
            events.snr[row],
            events.class_name[row],
            names[discovery.cluster[row]],
            events.novelty_p[row],
            events.status[row],
            discovery.episode[row],
        )


def _label_rows(discovery: Discovery) -> Iterable[Sequence[Any]]:
    yield ("event_id", "gps", "ifo", "label", "suggested", "agreement")
    events = discovery.embeddings
    for row in discovery.audit:
        n = row.row
        yield (
            events.event_id[n],
            events.gps[n],
            events.ifo[n],
            row.label,
            row.suggested,
            row.agreement,
        )


def _write_rows(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    header, *others = rows
    write_rows(path, header, others)


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
