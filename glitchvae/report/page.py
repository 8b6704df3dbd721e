"""The report: one self-contained HTML file."""

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
from numpy.typing import NDArray

from glitchvae.discovery import Discovery
from glitchvae.discovery.significance import FINEST
from glitchvae.discovery.vetoes import VetoScore
from glitchvae.report.cards import Captions, cards_of, loudest_of
from glitchvae.report.groups import Group, groups_of, sample
from glitchvae.report.links import Link
from glitchvae.report.listing import event_table, listed
from glitchvae.report.pictures import Pictures, draw_rows, draw_within, montage
from glitchvae.report.plane import PICTURE_BYTES, POINTS, draw_figures, project
from glitchvae.report.rates import Span, rates_of, span_of
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
    link: Link | None = None,
    span: Span | None = None,
) -> str:
    """Render the page of a discovery run or of the events of a time range.

    Args:
        discovery: What was found.
        pictures: Where the images of the events are, such as `Archive.thumbnails`.
        vetoes: What the veto segments of each candidate do, by its name.
        notes: What else is to be said of a group, by its name.
        card: The run's settings, digests and versions, shown at the end.
        link: Where events lead.
        span: GPS times of the beginning and the end; by default those of live time and events.

    Returns:
        HTML with its style, its script and its pictures inside.
    """
    groups, captions = groups_of(discovery), Captions(discovery=discovery, link=link)
    span = span or span_of(discovery)
    rates = rates_of(discovery, groups, span)
    cards = cards_of(captions, groups, pictures, vetoes or {}, notes or {}, rates)
    drawn = sample(groups, POINTS, discovery.settings.seed)
    lists = listed(groups, discovery.embeddings.snr)
    table, rows = event_table(discovery, groups, lists, drawn, link)
    plots = _plots(discovery, groups, drawn, rows, pictures)
    script, divisions = components(plots["figures"]) if plots else ("", {})
    return (
        environment()
        .get_template("report.html")
        .render(
            discovery=discovery,
            groups=groups,
            candidates=[c for c in cards if c.group.kind == "candidate"],
            displaced=[c for c in cards if c.group.kind == "displaced"],
            known=[c for c in cards if c.group.kind == "known"],
            loudest=loudest_of(captions, pictures),
            facts=_facts(discovery, span),
            rates=rates,
            audit=_audit(captions, pictures),
            plots=plots,
            divisions=divisions,
            controls=_controls(discovery, drawn, plots),
            map_script=script,
            table=_as_script(table),
            listed={n: len(own) for n, own in enumerate(lists)},
            bokeh=Resources("inline", components=["bokeh"]).render_js(),
            style=text_of("style.css"),
            behaviour=text_of("report.js"),
            card=json.loads(json.dumps(dict(card or {}), default=str)),
            properties=_PROPERTIES,
        )
    )


def _as_script(table: Mapping[str, Any]) -> str:
    """JSON that is safe inside an HTML script element."""
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plots(
    discovery: Discovery,
    groups: Sequence[Group],
    drawn: NDArray[np.int64],
    rows: NDArray[np.int64],
    pictures: Pictures | None,
) -> dict[str, Any]:
    if len(drawn) == 0:
        return {}
    plane = project(discovery, drawn, seed=discovery.settings.seed)
    ordered = _pictured(groups, drawn, discovery.settings.seed)
    images = draw_within(discovery.embeddings, ordered, pictures, PICTURE_BYTES)
    return {
        "figures": draw_figures(discovery, groups, plane, rows, images),
        "methods": list(plane.positions),
        "explained": plane.explained,
        "points": len(drawn),
        "pictures": len(images),
    }


def _pictured(groups: Sequence[Group], drawn: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Points in the order of priority for pictures: candidates first, then random others."""
    rng = np.random.default_rng(seed)
    members = [g.rows for g in groups if g.kind in ("candidate", "displaced")]
    strong = np.isin(drawn, np.concatenate([np.empty(0, np.int64), *members]))
    return np.concatenate([rng.permutation(drawn[strong]), rng.permutation(drawn[~strong])])


def _facts(discovery: Discovery, span: Span | None) -> dict[str, Any]:
    """The numbers at the top of the page."""
    events = discovery.embeddings
    hours = {ifo: float(abs(live)) / 3600 for ifo, live in sorted(discovery.live.items())}
    return {
        "events": len(events),
        "episodes": len(np.unique(discovery.episode)),
        "coded": int(np.isfinite(events.mean).all(axis=1).sum()),
        "timed": bool(np.isfinite(events.gps).any()),
        "ifos": sorted({*(str(name) for name in events.ifo), *hours} - {""}),
        "span": [str(text)[:16] for text in utc(np.array(span))] if span else [],
        "gps": [f"{end:.0f}" for end in span] if span else [],
        "hours": hours,
        "monthly": any(math.isfinite(c.expected_per_month) for c in discovery.candidates),
        "explained": sum(len(known.members) for known in discovery.known),
    }


def _audit(captions: Captions, pictures: Pictures | None) -> list[dict[str, Any]]:
    discovery = captions.discovery
    events = discovery.embeddings
    shown = discovery.audit[:_AUDITED]
    images = draw_rows(events, (r.row for r in shown), pictures, montage, quality=35)
    return [
        {
            "event": str(events.event_id[r.row]),
            "label": r.label,
            "suggested": r.suggested,
            "agreement": r.agreement,
            "picture": captions.of(r.row, images, "montage"),
        }
        for r in shown
    ]


def _controls(
    discovery: Discovery, rows: NDArray[np.int64], plots: Mapping[str, Any]
) -> dict[str, Any]:
    """Choices of the filters of the map."""
    if not plots:
        return {}
    events = discovery.embeddings
    snr, gps = events.snr[rows], events.gps[rows]
    snr, gps = snr[np.isfinite(snr)], gps[np.isfinite(gps)]
    return {
        "ifos": sorted({str(name) for name in events.ifo[rows]}),
        "snr": [math.floor(snr.min()), math.ceil(snr.max())] if len(snr) else [],
        "timed": bool(len(gps) and gps.min() < gps.max()),
    }


def environment() -> Environment:
    """Templates of pages, with filters for numbers."""
    environment = Environment(
        loader=PackageLoader("glitchvae.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figures": _figures, "chance": _chance, "share": _share}
    return environment


def text_of(name: str) -> str:
    """Text of a file beside the templates."""
    return (resources.files("glitchvae.report") / "templates" / name).read_text(encoding="utf-8")


def _figures(value: float, unit: str = "") -> str:
    """A number with three significant figures; a dash if there is none."""
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
