"""Discovery in archives and files of embeddings, and the folder of its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from glitchvae.archive import Gathered, checkpoint_of, gather
from glitchvae.archive.known_classes import KnownClasses, known_classes
from glitchvae.archive.ledger import Ledger
from glitchvae.archive.live import Live, LiveTime
from glitchvae.checkpoint import Checkpoint
from glitchvae.classes.user import catalog_path, previous_decision
from glitchvae.discovery import Candidate, Discovery, DiscoverySettings, discover
from glitchvae.discovery.comparing import leave_out_faint
from glitchvae.discovery.noise import noise_of
from glitchvae.discovery.rendering import FOLDER, Renderer
from glitchvae.embedding import Embeddings, name_classes
from glitchvae.progress import Progress
from glitchvae.report.links import Link
from glitchvae.report.writing import Vetoes, score_vetoes, write_report
from glitchvae.spectrogram import ImagingSettings
from glitchvae.triggers import Triggers

Shown = Callable[[int], AbstractContextManager[Progress]]
"""Function of a number of units that opens a progress display."""


@dataclass(frozen=True, kw_only=True, repr=False)
class DiscoveryRun:
    """Results of discovery, with its inputs and its model.

    Attributes:
        discovery: Candidates and known classes.
        gathered: The events, and where their images are.
        known: The model, and the user's classes it knows.
        catalog: The user's own catalogue; there may be none.
        target: Triggers that vetoes are measured against; None: all events of the run.
    """

    discovery: Discovery
    gathered: Gathered
    known: KnownClasses
    catalog: Path
    target: Triggers | None = None

    def __repr__(self) -> str:
        return f"DiscoveryRun: {self.discovery.summary}"

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Groups that no known class explains, in ascending order of p-value."""
        return self.discovery.candidates

    @cached_property
    def vetoes(self) -> Vetoes:
        """Veto segments of each candidate, with efficiency and dead time."""
        return score_vetoes(self.discovery, self.target)

    @cached_property
    def notes(self) -> dict[str, str]:
        """Earlier decisions about the events of each candidate."""
        events = self.discovery.embeddings.event_id
        told = {
            c.name: previous_decision(self.catalog, events[c.members].tolist())
            for c in self.discovery.groups
        }
        return {name: note for name, note in told.items() if note}

    def write_report(
        self,
        folder: str | Path,
        *,
        replace: bool = False,
        origin: dict[str, Any] | None = None,
        link: str | None = None,
    ) -> Path:
        """Write the folder of the run, which appears under its name when complete.

        Args:
            folder: Where it goes.
            replace: Take the place of an earlier run.
            origin: What else the card says of where the events come from.
            link: Where events on the page lead: "https://example.org/?gps={gps}" (`links.Link`).

        Returns:
            The page to open in a browser.

        Raises:
            InputError: something is at `folder` that may not be replaced, or `link` is no template.
            StorageError: the disk refused a write; earlier results are untouched.
        """
        own = {"folder": str(self.catalog), "classes": ", ".join(self.known.added) or "none"}
        write_report(
            folder,
            self.discovery,
            vetoes=self.vetoes,
            pictures=self.gathered.thumbnails if self.gathered.archives else None,
            notes=self.notes,
            link=None if link is None else Link(link),
            replace=replace,
            origin={"inputs": self.gathered.digests, "catalogue": own, **(origin or {})},
        )
        return Path(folder) / "report.html"


def discover_in(
    paths: Sequence[Path],
    settings: DiscoverySettings | None = None,
    *,
    model: str | None = None,
    catalog: str | Path | None = None,
    live: Live | None = None,
    target: Triggers | None = None,
    progress: Progress | None = None,
    rendering: Shown = lambda _: nullcontext(lambda _: None),
    device: str = "cpu",
) -> DiscoveryRun:
    """Find groups that no known class explains in archives and files of embeddings.

    Args:
        paths: Folders of archives, files of embeddings.
        settings: Options.
        model: Whose codes, where an archive holds those of several; its folder, if moved.
        catalog: The user's own catalogue; else that beside the first place.
        live: Stretches that were searched, by detector; by default what the ledgers of the
            archives tell. Without either there are no rates.
        target: Triggers to measure vetoes against.
        progress: Called with the steps just done, about `settings.bootstraps + 2` in all.
        rendering: Given how many known glitches are rendered, shows how far that is.
        device: Where their images and codes are computed.

    Raises:
        ArchiveError: an archive is damaged, or holds codes of several models.
        InputError: a file is damaged, or codes of several models.
        ModelError: the model of the codes is not here.
        CatalogError: the catalogue is damaged.
    """
    own = catalog_path(catalog, paths[0])
    gathered = gather(paths, model=model and Path(model).name, catalog=own)
    known = known_classes(checkpoint_of(gathered.events, model), own, gathered.archives)
    # Files keep the classes of their day.
    events, excluded = name_classes(gathered.events, known.prototypes), {}
    if live is None:
        ledgers = [archive.ledger() for archive in gathered.archives]
        live = live_time(ledgers)
        events, excluded = above_thresholds(events, ledgers)
    settings = settings or DiscoverySettings()
    found = discover(
        events,
        known.prototypes,
        settings,
        live=live,
        renderer=renderer_of(gathered, known.checkpoint, settings, rendering, device),
        pictures=gathered.thumbnails if gathered.archives else None,
        progress=progress,
    )
    found = dataclasses.replace(found, excluded={**found.excluded, **excluded})
    return DiscoveryRun(discovery=found, gathered=gathered, known=known, catalog=own, target=target)


def renderer_of(
    gathered: Gathered,
    checkpoint: Checkpoint,
    settings: DiscoverySettings,
    shown: Shown = lambda _: nullcontext(lambda _: None),
    device: str = "cpu",
) -> Renderer | None:
    """Renderer of known classes in the noise of archives, with its store in the first archive.

    Args:
        gathered: The events, and where they are from.
        checkpoint: The model of their codes.
        settings: How many are rendered.
        shown: Given how many, shows how far the work is.
        device: Where images and codes are computed.

    Returns:
        None where nothing is to be rendered, or where it is unknown how images were made.
    """
    if not settings.rendered or not gathered.events.imaging:
        return None
    try:
        imaging = ImagingSettings(**gathered.events.imaging)
    except ValidationError:  # such as a name alone: the settings are unknown
        return None
    kept = gathered.archives[0].path / FOLDER if gathered.archives else None
    return Renderer(
        checkpoint=checkpoint,
        imaging=imaging,
        noise=noise_of(gathered.archives),
        kept=kept,
        seed=settings.seed,
        count=settings.rendered,
        device=device,
        shown=shown,
    )


def live_time(ledgers: Sequence[Ledger]) -> LiveTime:
    """Live time of archives, at the largest of their thresholds."""
    largest, live = max(_thresholds(ledgers), default=None), LiveTime()
    for ledger in ledgers:
        live = live.joined(ledger.live(largest))
    return live


def above_thresholds(
    events: Embeddings, ledgers: Sequence[Ledger]
) -> tuple[Embeddings, dict[str, int]]:
    """Events above the largest threshold, and the number of fainter ones.

    Where strain was searched with several thresholds, quieter events were looked for in a
    part of it alone: they would make rates, drift and expected counts wrong.
    """
    thresholds = _thresholds(ledgers)
    if len(thresholds) < 2:
        return events, {}
    return leave_out_faint(events, max(thresholds), ", from which all strain was searched")


def _thresholds(ledgers: Sequence[Ledger]) -> set[float]:
    return {snr for ledger in ledgers for snr in ledger.thresholds()}
