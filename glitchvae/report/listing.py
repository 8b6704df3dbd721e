"""Events of a page in the form that its script reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.discovery import Discovery
from glitchvae.report.groups import Group
from glitchvae.report.links import Link
from glitchvae.report.times import leaps
from glitchvae.shapes import ENERGY_CEILING, VIEWS
from glitchvae.spectrogram import octaves

LISTED = 6_000
"""Largest number of events in the lists of a page; of larger groups the loudest are listed."""


def listed(groups: Sequence[Group], snr: NDArray[np.floating], limit: int = LISTED) -> list[Any]:
    """Rows of each group in its list: all of them, or the loudest of large groups.

    Args:
        groups: N of them.
        snr: Of all events.
        limit: Most rows in all.

    Returns:
        N arrays of rows.
    """
    sizes = np.sort([len(group.rows) for group in groups])
    share = limit
    for place, size in enumerate(sizes):  # what small groups leave, larger ones share
        left = len(sizes) - place
        if size * left > limit:
            share = limit // left
            break
        limit -= int(size)
    return [_loudest(group.rows, snr, share) for group in groups]


def _loudest(rows: NDArray[np.int64], snr: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    if len(rows) <= count:
        return np.sort(rows)
    order = np.argsort(-np.nan_to_num(snr[rows], nan=-np.inf), kind="stable")
    return np.sort(rows[order[:count]])


def event_table(
    discovery: Discovery,
    groups: Sequence[Group],
    lists: Sequence[NDArray[np.int64]],
    drawn: NDArray[np.int64],
    link: Link | None,
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Listed and drawn events, column by column.

    Numbers are as short as they can be read: a page of 5,000 events has 3 MB.

    Args:
        discovery: The events.
        groups: Their groups.
        lists: Rows in the list of each group.
        drawn: Rows in the plots.
        link: Where events lead.

    Returns:
        What becomes JSON, and the rows that it holds, in its order.
    """
    events = discovery.embeddings
    rows = np.unique(np.concatenate([drawn, *lists, np.empty(0, np.int64)]))
    place = {int(row): n for n, row in enumerate(rows)}
    gps = events.gps[rows]
    known = np.isfinite(gps)
    base = int(gps[known].min()) if known.any() else 0
    since = np.where(known, np.round((gps - base) * 1000), np.nan)
    labels = np.full(len(rows), "", object) if events.label is None else events.label[rows]
    names, numbers = _numbered(events.ifo[rows], events.class_name[rows], labels)
    table = {
        "base": base,
        "leaps": leaps(),
        "names": names,
        "milliseconds": _short(since, 0),
        "id": [
            "" if str(i) == f"{ifo}-{base + ms / 1000:.4f}" else str(i)
            for i, ifo, ms in zip(events.event_id[rows], events.ifo[rows], since, strict=True)
        ],
        **dict(zip(("ifo", "nearest", "label"), numbers, strict=True)),
        "snr": _short(events.snr[rows], 1),
        "frequency": _short(events.peak_frequency[rows], 0),
        "duration": _short(events.duration[rows], 2),
        "probability": _short(events.class_probability[rows], 2),
        "novelty": _significant(events.novelty_p[rows], 2),
        "groups": [
            {
                "name": group.name,
                "total": len(group.rows),
                "rows": [place[int(row)] for row in own],
            }
            for group, own in zip(groups, lists, strict=True)
        ],
        "link": "" if link is None else link.template,
        "views": list(VIEWS),
        "octaves": [round(edge, 4) for edge in octaves()],
        "ceiling": ENERGY_CEILING,
    }
    return table, rows


def _numbered(*columns: NDArray[np.object_]) -> tuple[list[str], list[list[int]]]:
    """Distinct texts, and columns of their indices."""
    names = sorted({str(text) for column in columns for text in column})
    number = {name: n for n, name in enumerate(names)}
    return names, [[number[str(text)] for text in column] for column in columns]


def _significant(values: NDArray[np.floating], figures: int) -> list[float | None]:
    """Numbers rounded to significant figures, None for unknown ones."""
    return [float(f"{v:.{figures}g}") if np.isfinite(v) else None for v in values]


def _short(values: NDArray[np.floating], digits: int) -> list[float | int | None]:
    """Numbers rounded to decimals, None for unknown ones."""
    rounded = [round(float(v), digits) if np.isfinite(v) else None for v in values]
    return [int(v) if v is not None and v == int(v) else v for v in rounded]
