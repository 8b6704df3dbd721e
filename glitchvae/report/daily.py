"""The page of an archive for a day or another time range, without discovery."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from igwn_segments import segment, segmentlist

from glitchvae.archive import Archive, gather
from glitchvae.archive.classes import user_classes
from glitchvae.archive.heads import find_head
from glitchvae.archive.live import Live
from glitchvae.classes.user import UserClasses
from glitchvae.discovery import Discovery, by_class
from glitchvae.embedding import Embeddings
from glitchvae.errors import InputError
from glitchvae.report.discovering import above_thresholds, live_time
from glitchvae.report.links import Link
from glitchvae.report.page import render_report
from glitchvae.report.pictures import Pictures
from glitchvae.report.rates import Span
from glitchvae.report.writing import shown_on_page, summarise
from glitchvae.store import replacing

WHY = "groups of unknown glitches were not looked for (discover-new-classes does that)"

_MARK = b'<meta name="generator" content="glitchvae'


@dataclass(frozen=True, kw_only=True)
class ArchiveReport:
    """Glitches of an archive in a time range, and the data to show them.

    Attributes:
        discovery: The glitches by class; no groups were looked for.
        pictures: Where their images are; None where there are no glitches.
        classes: The user's own classes that they could be named; None where no model is there.
        span: GPS times of its beginning and end, None of the whole archive.
        inputs: Digests of what was read, by path.
    """

    discovery: Discovery
    pictures: Pictures | None
    classes: UserClasses | None
    span: Span | None
    inputs: dict[str, str]

    def render(self, *, link: str | None = None) -> str:
        """Render the page as HTML.

        Raises:
            InputError: `link` is no template (`links.Link`).
        """
        return render_report(
            self.discovery,
            pictures=self.pictures,
            card=shown_on_page(summarise(self.discovery, {"inputs": self.inputs})),
            link=None if link is None else Link(link),
            span=self.span,
        )

    def write(self, path: str | Path, *, link: str | None = None) -> Path:
        """Write the page, in place of an earlier page of glitchvae.

        Raises:
            InputError: something else is at `path`, or `link` is no template.
            StorageError: the disk refused the write.
        """
        path = Path(path)
        check_page(path)
        page = self.render(link=link)
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return path


def check_page(path: str | Path) -> None:
    """Check that a page may be written.

    Raises:
        InputError: it would take the place of something that is no page of glitchvae.
    """
    path = Path(path)
    if path.suffix.lower() not in {".html", ".htm"}:
        raise InputError("the name is not that of a page", where=path, expected=".html")
    if path.is_dir() or (path.exists() and _MARK not in path.read_bytes()[:2000]):
        raise InputError(
            "the path holds something other than a page of glitchvae",
            where=path,
            expected="a page of glitchvae, or nothing",
        )


def report_archive(
    path: str | Path,
    *,
    since: float | None = None,
    until: float | None = None,
    model: str | None = None,
    catalog: str | Path | None = None,
    live: Live | None = None,
) -> ArchiveReport:
    """Collect the data of a page: live time, rates, loudest glitches, every class.

    Args:
        path: The archive.
        since: From this GPS time on.
        until: Before this GPS time.
        model: Whose codes, where it holds those of several.
        catalog: The user's own catalogue; else that beside it.
        live: Stretches that were searched, by detector; by default what its ledger tells.

    Raises:
        ArchiveError: no archive, a damaged one, or codes of several models.
        CatalogError: the catalogue is damaged.
        InputError: `since` is not before `until`.
    """
    if since is not None and until is not None and not since < until:
        raise InputError("the time range is empty", expected="since < until", found=(since, until))
    archive = Archive(Path(path), None if catalog is None else Path(catalog))
    ledger = archive.ledger()  # which first publishes what an interrupted job left
    found = gather([archive.path], model=model, catalog=archive.catalog)
    events, excluded = found.events, {}
    if live is None:
        live = live_time([ledger])
        events, excluded = above_thresholds(events, [ledger])
    if since is not None or until is not None:
        window = segment(-np.inf if since is None else since, np.inf if until is None else until)
        live = {ifo: own & segmentlist([window]) for ifo, own in live.items()}
        if untimed := int((~np.isfinite(events.gps)).sum()):
            excluded = {**excluded, "time unknown": untimed}
        events = events.take((events.gps >= window[0]) & (events.gps < window[1]))
    discovery = by_class(events, why=WHY, live=live)
    discovery = dataclasses.replace(discovery, excluded={**discovery.excluded, **excluded})
    return ArchiveReport(
        discovery=discovery,
        pictures=found.thumbnails if len(found.events) else None,
        classes=_user_classes(archive, events),
        span=None if since is None or until is None else (since, until),
        inputs=found.digests,
    )


def _user_classes(archive: Archive, events: Embeddings) -> UserClasses | None:
    """The user's classes in the codes of the events' model, and those in other codes."""
    if not events.model_digest:
        return None  # no codes, and so no model that made them
    head = find_head(archive.path, events.model_digest, events.model.get("name", ""))
    prototypes = None if head is None else head.prototypes()
    if head is None or prototypes is None:
        return None
    lookup = partial(archive.codes_of, model=events.model_digest)
    return user_classes(prototypes, head, archive.own_catalog, lookup)
