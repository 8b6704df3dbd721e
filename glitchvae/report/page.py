"""The report: one HTML file that needs nothing else, neither files nor a network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined

from glitchvae.discovery import Discovery
from glitchvae.discovery.significance import FINEST
from glitchvae.discovery.vetoes import VetoScore
from glitchvae.report.cards import cards_of, picture_of
from glitchvae.report.groups import groups_of, sample
from glitchvae.report.pictures import Pictures, draw_rows, montage
from glitchvae.report.plane import PICTURES, POINTS, draw_plane, project
from glitchvae.report.times import utc

_AUDITED = 40  # doubtful labels in the page; all of them are in the table beside it
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PROPERTIES = {
    "snr": ("SNR", ""),
    "peak_frequency": ("peak frequency", "Hz"),
    "q": ("Q", ""),
    "duration": ("duration", "s"),
    "bandwidth": ("bandwidth", "Hz"),
}


def render_report(
    discovery: Discovery,
    *,
    pictures: Pictures | None = None,
    vetoes: Mapping[str, Sequence[VetoScore]] | None = None,
    notes: Mapping[str, str] | None = None,
    card: Mapping[str, Any] | None = None,
) -> str:
    """The page of one run of discovery.

    Args:
        discovery: What was found.
        pictures: Where the images of the events are, such as `Archive.thumbnails`.
        vetoes: What the veto segments of each candidate do, by its name.
        notes: What else is to be said of a group, by its name.
        card: The run's settings, digests and versions, shown at the end.

    Returns:
        HTML with its style, its script and its pictures inside.
    """
    groups = groups_of(discovery)
    rows = sample(groups, POINTS, discovery.settings.seed)
    cards = cards_of(discovery, groups, pictures, vetoes or {}, notes or {})
    plane_of = _draw_map(discovery, groups, rows, pictures)
    script, division = components(plane_of["figure"]) if plane_of else ("", "")
    return (
        _environment()
        .get_template("report.html")
        .render(
            discovery=discovery,
            groups=groups,
            candidates=[c for c in cards if c.group.kind == "candidate"],
            displaced=[c for c in cards if c.group.kind == "displaced"],
            known=[c for c in cards if c.group.kind == "known"],
            facts=_facts(discovery),
            audit=_audit(discovery, pictures),
            plane=plane_of,
            controls=_controls(discovery, rows, plane_of),
            map_script=script,
            map_division=division,
            bokeh=Resources("inline", components=["bokeh"]).render_js(),
            style=_text("style.css"),
            behaviour=_text("report.js"),
            card=json.loads(json.dumps(dict(card or {}), default=str)),
            properties=_PROPERTIES,
        )
    )


def _draw_map(
    discovery: Discovery, groups: Any, rows: Any, pictures: Pictures | None
) -> dict[str, Any]:
    if len(rows) == 0:
        return {}
    plane = project(discovery, rows, seed=discovery.settings.seed)
    pictured = rows if len(rows) <= PICTURES else _pictured(groups, rows, discovery.settings.seed)
    images = draw_rows(discovery.embeddings, pictured, pictures, montage, quality=35)
    return {
        "figure": draw_plane(discovery, groups, plane, images),
        "methods": list(plane.positions),
        "explained": plane.explained,
        "points": len(rows),
        "pictures": len(images),
    }


def _pictured(groups: Any, rows: Any, seed: int) -> Any:
    """The points that get a picture: candidates before others, then by group."""
    drawn = np.zeros(max(int(g.rows.max(initial=0)) for g in groups) + 1, dtype=bool)
    drawn[rows] = True
    kept = [
        type(group)(
            name=group.name,
            kind=group.kind,
            colour=group.colour,
            rows=group.rows[drawn[group.rows]],
        )
        for group in groups
    ]
    strong = [group for group in kept if group.kind in ("candidate", "displaced")]
    chosen = sample(strong, PICTURES // 2, seed) if strong else np.empty(0, np.int64)
    others = [group for group in kept if group.kind not in ("candidate", "displaced")]
    return np.union1d(chosen, sample(others, PICTURES - len(chosen), seed))


def _facts(discovery: Discovery) -> dict[str, Any]:
    """The numbers at the top of the page."""
    events = discovery.embeddings
    times = events.gps[np.isfinite(events.gps)]
    hours = {ifo: float(abs(live)) / 3600 for ifo, live in sorted(discovery.live.items())}
    return {
        "events": len(events),
        "episodes": len(np.unique(discovery.episode)),
        "coded": int(np.isfinite(events.mean).all(axis=1).sum()),
        "ifos": sorted({str(name) for name in events.ifo} - {""}),
        "span": [str(text)[:16] for text in utc(np.array([times.min(), times.max()]))]
        if len(times)
        else [],
        "hours": hours,
        "monthly": any(math.isfinite(c.expected_per_month) for c in discovery.candidates),
        "over_time": "Rates over time" if hours else "Events over time",
        "explained": sum(len(known.members) for known in discovery.known),
    }


def _audit(discovery: Discovery, pictures: Pictures | None) -> list[dict[str, Any]]:
    events = discovery.embeddings
    shown = discovery.audit[:_AUDITED]
    images = draw_rows(events, (r.row for r in shown), pictures, montage, quality=35)
    return [
        {
            "event": str(events.event_id[r.row]),
            "label": r.label,
            "suggested": r.suggested,
            "agreement": r.agreement,
            "picture": picture_of(discovery, r.row, images),
        }
        for r in shown
    ]


def _controls(discovery: Discovery, rows: Any, plane: Mapping[str, Any]) -> dict[str, Any]:
    """What the filters of the map offer."""
    if not plane:
        return {}
    events = discovery.embeddings
    snr, gps = events.snr[rows], events.gps[rows]
    snr, gps = snr[np.isfinite(snr)], gps[np.isfinite(gps)]
    return {
        "ifos": sorted({str(name) for name in events.ifo[rows]}),
        "snr": [math.floor(snr.min()), math.ceil(snr.max())] if len(snr) else [],
        "timed": bool(len(gps) and gps.min() < gps.max()),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("glitchvae.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figures": _figures, "chance": _chance, "share": _share}
    return environment


def _text(name: str) -> str:
    return (resources.files("glitchvae.report") / "templates" / name).read_text(encoding="utf-8")


def _figures(value: float, unit: str = "") -> str:
    """Three significant figures; a dash where there is no number."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _chance(value: float) -> str:
    """A probability or an expected number, two significant figures."""
    if not math.isfinite(value):
        return "unknown"
    if 0 < value <= FINEST:
        return f"< {_chance(FINEST * (1 + 1e-9))}"
    mantissa, _, exponent = f"{value:.2g}".partition("e")
    return f"{mantissa}·10{str(int(exponent)).translate(_RAISED)}" if exponent else mantissa


def _share(value: float) -> str:
    if not math.isfinite(value):
        return "unknown"
    return f"{100 * value:.3g} %" if abs(value) >= 0.0995 else f"{100 * value:.2g} %"
