"""The page of an audit of labels: pictures of contradicted labels for review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glitchvae.probes import LabelAudit, ProbeSet
from glitchvae.report.page import environment, text_of
from glitchvae.report.pictures import data_uri, strip
from glitchvae.report.times import utc
from glitchvae.statistics import binomial_interval
from glitchvae.store import replacing, write_rows

SHOWN = 400
"""Largest number of events on the page; the table beside it has all."""

HEADER = ("event_id", "gps", "ifo", "label", "suggested", "p_label", "p_suggested", "fold")


def write_audit(
    folder: str | Path,
    audit: LabelAudit,
    events: ProbeSet,
    pictures: Mapping[str, NDArray[np.floating]],
    *,
    title: str,
) -> Path:
    """Write `audit.html`, one self-contained file, and `audit.csv` with all contradicted labels.

    `event_id` and `label` of the table can be mended and given to `archive label`.

    Args:
        folder: Made if it is not there.
        audit: What was found.
        events: What was asked.
        pictures: Energies (4, F, T) by identifier; events without one get none.
        title: What was audited.

    Returns:
        The page.

    Raises:
        StorageError: the disk refused the write.
    """
    folder = Path(folder)
    rows = [
        (
            events.event_id[d.row],
            events.gps[d.row],
            events.ifo[d.row],
            d.label,
            d.suggested,
            d.of_label,
            d.of_suggested,
            int(audit.fold[d.row]),
        )
        for d in audit.doubts
    ]
    write_rows(folder / "audit.csv", HEADER, rows)
    page = folder / "audit.html"
    with replacing(page) as temporary:
        temporary.write_text(_render(audit, events, pictures, title), encoding="utf-8")
    return page


def _render(
    audit: LabelAudit,
    events: ProbeSet,
    pictures: Mapping[str, NDArray[np.floating]],
    title: str,
) -> str:
    count, agreeing = len(events), len(events) - len(audit.doubts)
    low, high = binomial_interval(agreeing, count)
    pairs = Counter((d.label, d.suggested) for d in audit.doubts)
    shown = audit.doubts[:SHOWN]
    times = utc(events.gps)
    return (
        environment()
        .get_template("audit.html")
        .render(
            title=title,
            count=count,
            agreeing=agreeing,
            share=(agreeing / count, low, high),
            doubts=[
                {
                    "event": str(events.event_id[d.row]),
                    "when": " · ".join(filter(None, [str(events.ifo[d.row]), str(times[d.row])])),
                    "found": d,
                    "image": _picture(pictures.get(str(events.event_id[d.row]))),
                }
                for d in shown
            ],
            left=len(audit.doubts) - len(shown),
            pairs=[(*names, number) for names, number in pairs.most_common(12)],
            blocks=audit.blocks,
            style=text_of("style.css"),
        )
    )


def _picture(views: NDArray[np.floating] | None) -> str:
    if views is None or not np.isfinite(views).any():
        return ""
    return data_uri(strip(np.asarray(views, dtype=np.float32)), 60)
