"""Content of the page for each group: pictures, bars, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.discovery import Candidate, Discovery, KnownClass
from glitchvae.discovery.vetoes import VetoScore
from glitchvae.report.groups import Group
from glitchvae.report.links import Link
from glitchvae.report.pictures import Pictures, draw_rows, montage, strip
from glitchvae.report.rates import Bars, Rates
from glitchvae.report.times import utc

TYPICAL, EDGES = 8, 8
"""Numbers of small pictures of a candidate: nearest to its medoid, and farthest from it."""

LOUDEST = 10
"""Number of episodes whose loudest trigger is shown with its picture."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A glitch as shown on the page.

    Attributes:
        image: Address inside the page, "" for none.
        layout: How its four views lie in it: "strip" or "montage".
        caption: Detector, time and SNR.
        link: Where it leads, "" for nowhere.
    """

    image: str
    layout: str
    caption: str
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One group on the page.

    Attributes:
        group: Name, kind, colour, rows.
        number: Of the group, by which the page finds its list of events.
        found: What discovery says of it.
        picture: Its most typical event.
        typical: The next typical ones.
        edges: The least typical ones.
        timeline: Rate over time, None where times are unknown.
        profile: By the hour of the day.
        vetoes: What its veto segments do, by detector.
        note: What else is known, such as an earlier decision.
    """

    group: Group
    number: int
    found: Candidate | KnownClass
    picture: Picture
    typical: tuple[Picture, ...] = ()
    edges: tuple[Picture, ...] = ()
    timeline: Bars | None = None
    profile: Bars | None = None
    vetoes: tuple[VetoScore, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Loud:
    """One of the loudest glitches.

    Attributes:
        picture: Of it.
        name: What it is called; "" for nothing.
        facts: What else is known of it, a few words each.
    """

    picture: Picture
    name: str
    facts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Captions:
    """Captions and links of single events.

    Attributes:
        discovery: The events.
        link: Where they lead; None for nowhere.
    """

    discovery: Discovery
    link: Link | None = None

    def of(self, row: int, images: Mapping[int, str], layout: str) -> Picture:
        """Picture of one event with detector, GPS and UTC time, and SNR."""
        events = self.discovery.embeddings
        gps = float(events.gps[row])
        parts = [str(events.ifo[row]), f"GPS {gps:.3f}" if np.isfinite(gps) else ""]
        parts.append(str(utc(events.gps[[row]])[0]))
        if np.isfinite(events.snr[row]):
            parts.append(f"SNR {events.snr[row]:,.1f}")
        return Picture(
            image=images.get(row, ""),
            layout=layout,
            caption=" · ".join(filter(None, parts)),
            link=self._link(row),
        )

    def _link(self, row: int) -> str:
        events = self.discovery.embeddings
        if self.link is None or not np.isfinite(events.gps[row]):
            return ""
        return self.link.of(
            gps=float(events.gps[row]),
            ifo=str(events.ifo[row]),
            event_id=str(events.event_id[row]),
        )


def cards_of(
    captions: Captions,
    groups: Sequence[Group],
    pictures: Pictures | None,
    vetoes: Mapping[str, Sequence[VetoScore]],
    notes: Mapping[str, str],
    rates: Rates,
) -> tuple[Card, ...]:
    """A card for each candidate and each known class, in their order."""
    discovery = captions.discovery
    found: dict[str, Candidate | KnownClass] = {k.name: k for k in discovery.known}
    found |= {c.name: c for c in discovery.groups}
    shown = [(number, group) for number, group in enumerate(groups) if group.name in found]
    heads = {g.name: _head(found[g.name]) for _, g in shown}
    tails = {c.name: _tail(c) for c in discovery.groups}
    events = discovery.embeddings
    large = draw_rows(events, heads.values(), pictures, strip, quality=60)
    rows = [row for pair in tails.values() for part in pair for row in part]
    small = draw_rows(events, rows, pictures, montage, quality=50)
    timelines = {row.name: row.timeline for row in rates.rows}
    cards = []
    for number, group in shown:
        typical, edges = tails.get(group.name, ([], []))
        cards.append(
            Card(
                group=group,
                number=number,
                found=found[group.name],
                picture=captions.of(heads[group.name], large, "strip"),
                typical=tuple(captions.of(row, small, "montage") for row in typical),
                edges=tuple(captions.of(row, small, "montage") for row in edges),
                timeline=timelines.get(group.name),
                profile=_profile(found[group.name].daily_profile),
                vetoes=tuple(vetoes.get(group.name, ())),
                note=notes.get(group.name, ""),
            )
        )
    return tuple(cards)


def loudest_of(captions: Captions, pictures: Pictures | None) -> tuple[Loud, ...]:
    """The loudest trigger of each of the loudest episodes."""
    events, discovery = captions.discovery.embeddings, captions.discovery
    order = np.argsort(-np.nan_to_num(events.snr, nan=-np.inf), kind="stable")
    order = order[np.isfinite(events.snr[order])]
    first = np.sort(np.unique(discovery.episode[order], return_index=True)[1])[:LOUDEST]
    chosen = order[first]
    images = draw_rows(events, chosen, pictures, strip, quality=60)
    names = {number: group.name for number, group in enumerate(discovery.groups)}
    return tuple(
        Loud(
            picture=captions.of(int(row), images, "strip"),
            name=names.get(int(discovery.cluster[row]), str(events.class_or_label[row])),
            facts=tuple(_facts_of(captions.discovery, int(row))),
        )
        for row in chosen
    )


def _facts_of(discovery: Discovery, row: int) -> list[str]:
    events, facts = discovery.embeddings, []
    if np.isfinite(events.peak_frequency[row]):
        facts.append(f"{events.peak_frequency[row]:,.0f} Hz")
    if np.isfinite(events.duration[row]):
        facts.append(f"{events.duration[row]:.2g} s")
    if np.isfinite(events.class_probability[row]):
        facts.append(f"probability {events.class_probability[row]:.2f}")
    if np.isfinite(events.novelty_p[row]):
        facts.append(f"novelty_p {events.novelty_p[row]:.2g}")
    if not np.isfinite(events.mean[row]).all():
        facts.append(f"no code: {str(events.status[row]).replace('_', ' ')}")
    return facts


def _head(found: Candidate | KnownClass) -> int:
    return int(found.medoid if isinstance(found, Candidate) else found.members[0])


def _tail(candidate: Candidate) -> tuple[list[int], list[int]]:
    """The most typical members after the medoid, and the least typical ones not among them."""
    typical = [int(row) for row in candidate.members if row != candidate.medoid][:TYPICAL]
    edges = [int(row) for row in candidate.edges if row not in (*typical, candidate.medoid)]
    return typical, edges[:EDGES]


def _profile(counts: NDArray[np.int64]) -> Bars | None:
    if not counts.any():
        return None
    heights = tuple((counts / counts.max()).tolist())
    return Bars(heights=heights, highest=str(counts.max()), first="0 h", last="24 h UTC")
