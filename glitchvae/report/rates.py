"""Live time and rates of the page: exact Poisson intervals, and rates versus time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from igwn_segments import segment, segmentlist
from numpy.typing import NDArray

from glitchvae.discovery import Candidate, Discovery, KnownClass, Rate, in_live_time
from glitchvae.discovery.describing import describe, first_of_episodes
from glitchvae.report.groups import Group
from glitchvae.report.times import utc

ALL = "all glitches"

_BINS = 60  # of the rates over time
_PIECES = 400  # of the strip of live time: thinner ones would not be seen

Span = tuple[float, float]
"""GPS times of the beginning and the end of the time range of a page."""


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Heights of a row of bars as shares of the highest, and labels of the ends."""

    heights: tuple[float, ...]
    highest: str
    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One rate with its interval, in per cent of an axis; NaN if there is none.

    Attributes:
        rate: The numbers.
        at: Place of the rate, NaN without an episode.
        low: Place of the lower end; of no episode, the beginning of the axis.
        high: Place of the upper end.
    """

    rate: Rate
    at: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """Rates of one group.

    Attributes:
        name: Of the group.
        kind: "all", "candidate" or "known".
        colour: Of the group.
        bars: One for each detector.
        timeline: Over time; None where nothing is known.
        drift: p-value of a rate that stays the same, NaN where unknown.
    """

    name: str
    kind: str
    colour: str
    bars: tuple[Bar, ...]
    timeline: Bars | None
    drift: float


@dataclass(frozen=True, kw_only=True)
class Stretches:
    """Live time of one detector.

    Attributes:
        ifo: Detector.
        hours: That were searched.
        share: Of the span, NaN where there is no span.
        stretches: How many.
        pieces: Beginning and length of what is drawn, in per cent of the span.
    """

    ifo: str
    hours: float
    share: float
    stretches: int
    pieces: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Data of the section on rates.

    Attributes:
        rows: All glitches, then group by group.
        ticks: Rates on the axis (per hour) and their places in per cent; none without live time.
        live: Of each detector.
    """

    rows: tuple[Row, ...]
    ticks: tuple[tuple[str, float], ...]
    live: tuple[Stretches, ...]


def span_of(discovery: Discovery) -> Span | None:
    """Time range from the first to the last searched or observed moment."""
    gps = discovery.embeddings.gps[np.isfinite(discovery.embeddings.gps)]
    ends = [*gps, *(float(end) for own in discovery.live.values() for one in own for end in one)]
    return (float(min(ends)), float(max(ends))) if ends else None


def rates_of(discovery: Discovery, groups: Sequence[Group], span: Span | None) -> Rates:
    """Rates of all glitches, of candidates and of known classes.

    Args:
        discovery: The events.
        groups: Their groups.
        span: What the page is about.
    """
    found: dict[str, Candidate | KnownClass] = {g.name: g for g in discovery.known}
    found |= {g.name: g for g in discovery.candidates}
    shown = [g for g in groups if g.name in found]
    everything = np.arange(len(discovery.embeddings))
    told = describe(discovery.embeddings, everything, discovery.episode, discovery.live)
    whole = Group(name=ALL, kind="all", colour="#5c6675", rows=everything)
    rates = [told["rates"], *(found[g.name].rates for g in shown)]
    drifts = [told["drift"], *(found[g.name].drift for g in shown)]
    timelines = _timelines(discovery, [whole, *shown], span)
    place, ticks = _axis([rate for own in rates for rate in own])
    return Rates(
        rows=tuple(
            Row(
                name=group.name,
                kind=group.kind,
                colour=group.colour,
                bars=tuple(_bar(rate, place) for rate in own),
                timeline=timelines.get(group.name),
                drift=drift,
            )
            for group, own, drift in zip([whole, *shown], rates, drifts, strict=True)
        ),
        ticks=ticks,
        live=tuple(_stretches(ifo, own, span) for ifo, own in sorted(discovery.live.items())),
    )


Place = Mapping[str, float]
"""Logarithms of the lowest and the highest rate of an axis."""


def _axis(rates: Sequence[Rate]) -> tuple[Place, tuple[tuple[str, float], ...]]:
    """A logarithmic axis of whole decades for all rates and intervals."""
    ends = [r.high for r in rates if r.high > 0]  # a comparison with NaN is false
    rare = [r.per_hour for r in rates if r.per_hour > 0]
    if not ends:
        return {}, ()
    low = math.floor(math.log10(min([*rare, *ends])))
    high = max(math.ceil(math.log10(max(ends))), low + 1)
    place = {"low": low, "high": high}
    ticks = [(f"{10.0**n:g}", _share(10.0**n, place)) for n in range(low, high + 1)]
    return place, tuple(ticks)


def _share(rate: float, place: Place) -> float:
    """Position of a rate on the axis, in per cent."""
    if not place or not rate > 0:
        return math.nan
    share = (math.log10(rate) - place["low"]) / (place["high"] - place["low"])
    return 100 * min(max(share, 0.0), 1.0)


def _bar(rate: Rate, place: Place) -> Bar:
    low = _share(rate.low, place)
    return Bar(
        rate=rate,
        at=_share(rate.per_hour, place),
        low=0.0 if math.isnan(low) else low,
        high=_share(rate.high, place),
    )


def _stretches(ifo: str, own: segmentlist, span: Span | None) -> Stretches:
    length = span[1] - span[0] if span else math.nan
    share = float(abs(own)) / length if length > 0 else math.nan
    return Stretches(
        ifo=ifo,
        hours=float(abs(own)) / 3600,
        share=share,
        stretches=len(own),
        pieces=_pieces(own, span) if span and length > 0 else (),
    )


def _pieces(own: segmentlist, span: Span) -> tuple[tuple[float, float], ...]:
    """Stretches in per cent of the time range; invisible gaps are filled."""
    first, last = span
    step = (last - first) / _PIECES
    drawn = segmentlist(segment(max(float(a), first), min(float(b), last)) for a, b in own)
    drawn = drawn.protract(step / 2).coalesce().contract(step / 2)
    whole = last - first
    return tuple(
        (100 * (float(a) - first) / whole, 100 * max(float(b - a), step / 2) / whole)
        for a, b in drawn
    )


def _timelines(discovery: Discovery, groups: Sequence[Group], span: Span | None) -> dict[str, Bars]:
    """Episodes per hour of live time in bins of time; per bin if live time is unknown."""
    gps, ifo = discovery.embeddings.gps, discovery.embeddings.ifo
    if span is None or not span[0] < span[1] or not np.isfinite(gps).any():
        return {}
    edges = np.linspace(span[0], np.nextafter(span[1], np.inf), _BINS + 1)
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
    """Hours searched in each bin, summed over detectors; None if unknown."""
    if not live:
        return None
    bins = [segmentlist([segment(a, b)]) for a, b in pairwise(edges)]
    return np.array([sum(float(abs(own & one)) for own in live.values()) / 3600 for one in bins])
