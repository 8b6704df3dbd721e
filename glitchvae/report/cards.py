"""What the page shows of each group: pictures, bars, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

from glitchvae.discovery import Candidate, Discovery, KnownClass, in_live_time
from glitchvae.discovery.describing import first_of_episodes
from glitchvae.discovery.vetoes import VetoScore
from glitchvae.report.groups import Group
from glitchvae.report.pictures import Pictures, draw_rows, montage, strip
from glitchvae.report.times import utc

TYPICAL, EDGES = 8, 8
"""Small pictures of a candidate: the nearest to its medoid, and the farthest from it."""

_BINS = 60  # of the rates over time


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A glitch as the page shows it: image inside the page ("" for none) and its caption."""

    image: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Heights of a row of bars as shares of the highest, and what the ends mean."""

    heights: tuple[float, ...]
    highest: str
    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """One group on the page.

    Attributes:
        group: Name, kind, colour.
        found: What discovery says of it, None of the events in no group.
        picture: Its most typical event.
        typical: The next typical ones.
        edges: The least typical ones.
        timeline: Rate over time, None where times are unknown.
        profile: By the hour of the day.
        vetoes: What its veto segments do, by detector.
        note: What else is known, such as an earlier decision.
    """

    group: Group
    found: Candidate | KnownClass | None
    picture: Picture
    typical: tuple[Picture, ...] = ()
    edges: tuple[Picture, ...] = ()
    timeline: Bars | None = None
    profile: Bars | None = None
    vetoes: tuple[VetoScore, ...] = ()
    note: str = ""


def cards_of(
    discovery: Discovery,
    groups: Sequence[Group],
    pictures: Pictures | None,
    vetoes: Mapping[str, Sequence[VetoScore]],
    notes: Mapping[str, str],
) -> tuple[Card, ...]:
    """A card for each candidate and each known class, in their order."""
    found: dict[str, Candidate | KnownClass] = {k.name: k for k in discovery.known}
    found |= {c.name: c for c in discovery.groups}
    shown = [group for group in groups if group.name in found]
    heads = {g.name: _head(found[g.name]) for g in shown}
    tails = {c.name: _tail(c) for c in discovery.groups}
    events = discovery.embeddings
    large = draw_rows(events, heads.values(), pictures, strip, quality=75)
    rows = [row for pair in tails.values() for part in pair for row in part]
    small = draw_rows(events, rows, pictures, montage, quality=55)
    timelines = _timelines(discovery, shown)
    cards = []
    for group in shown:
        typical, edges = tails.get(group.name, ([], []))
        cards.append(
            Card(
                group=group,
                found=found[group.name],
                picture=picture_of(discovery, heads[group.name], large),
                typical=tuple(picture_of(discovery, row, small) for row in typical),
                edges=tuple(picture_of(discovery, row, small) for row in edges),
                timeline=timelines.get(group.name),
                profile=_profile(found[group.name].daily_profile),
                vetoes=tuple(vetoes.get(group.name, ())),
                note=notes.get(group.name, ""),
            )
        )
    return tuple(cards)


def _head(found: Candidate | KnownClass) -> int:
    return int(found.medoid if isinstance(found, Candidate) else found.members[0])


def _tail(candidate: Candidate) -> tuple[list[int], list[int]]:
    """The typical events after the medoid, and the edges that are not among them."""
    typical = [int(row) for row in candidate.members if row != candidate.medoid][:TYPICAL]
    edges = [int(row) for row in candidate.edges if row not in (*typical, candidate.medoid)]
    return typical, edges[:EDGES]


def picture_of(discovery: Discovery, row: int, images: Mapping[int, str]) -> Picture:
    """The picture of one event with its detector, time and SNR."""
    events = discovery.embeddings
    parts = [str(events.ifo[row]), str(utc(events.gps[[row]])[0])]
    if np.isfinite(events.snr[row]):
        parts.append(f"SNR {events.snr[row]:.1f}")
    return Picture(image=images.get(row, ""), caption=" · ".join(filter(None, parts)))


def _profile(counts: NDArray[np.int64]) -> Bars | None:
    if not counts.any():
        return None
    heights = tuple((counts / counts.max()).tolist())
    return Bars(heights=heights, highest=str(counts.max()), first="0 h", last="24 h UTC")


def _timelines(discovery: Discovery, groups: Sequence[Group]) -> dict[str, Bars]:
    """Episodes per hour of live time over the whole of it; per bin where it is unknown."""
    gps, ifo = discovery.embeddings.gps, discovery.embeddings.ifo
    known = gps[np.isfinite(gps)]
    if len(known) < 2 or known.min() == known.max():
        return {}
    edges = np.linspace(known.min(), np.nextafter(known.max(), np.inf), _BINS + 1)
    hours = _live_hours(discovery.live, edges)
    counted = np.isfinite(gps) if hours is None else in_live_time(gps, ifo, discovery.live)
    days = utc(edges[[0, -1]])
    bars = {}
    for group in groups:
        own = first_of_episodes(gps[group.rows], discovery.episode[group.rows], counted[group.rows])
        counts = np.histogram(gps[group.rows[own]], edges)[0]
        rates = (
            counts
            if hours is None
            else np.divide(counts, hours, out=np.zeros(_BINS), where=hours > 0)
        )
        if not (top := float(rates.max())):
            continue
        unit = "a bin" if hours is None else "/h"
        bars[group.name] = Bars(
            heights=tuple((rates / top).tolist()),
            highest=f"{top:.3g} {unit}",
            first=str(days[0])[:16],
            last=str(days[1])[:16],
        )
    return bars


def _live_hours(
    live: Mapping[str, segmentlist], edges: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Hours searched in each bin, all detectors added; None where unknown."""
    if not live:
        return None
    bins = [segmentlist([segment(a, b)]) for a, b in pairwise(edges)]
    return np.array([sum(float(abs(own & one)) for own in live.values()) / 3600 for one in bins])
