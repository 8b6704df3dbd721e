"""Archives of glitches, and discovery in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from igwn_segments import segmentlist
from numpy.typing import ArrayLike, NDArray

from glitchvae.api.strain import Events
from glitchvae.archive import Archive, archive_path
from glitchvae.archive.labels import label_table, login
from glitchvae.archive.live import Live
from glitchvae.archive.merging import Merged, check_sources, merge_archive
from glitchvae.archive.removing import Removal
from glitchvae.classes.prototypes import Prototypes
from glitchvae.config import parse
from glitchvae.discovery import Discovery, DiscoverySettings
from glitchvae.discovery import discover as search
from glitchvae.embedding import Embeddings, name_classes
from glitchvae.errors import ArchiveError, InputError
from glitchvae.progress import Progress, progress_of
from glitchvae.report.daily import check_page, report_archive
from glitchvae.report.discovering import DiscoveryRun, discover_in
from glitchvae.report.times import day_of


@dataclass(frozen=True, repr=False)
class GlitchArchive:
    """An archive that `embed` filled.

    Attributes:
        archive: The archive itself, with everything else it can do.
    """

    archive: Archive

    def __repr__(self) -> str:
        found = self.archive.info()
        return f"GlitchArchive {str(self.archive.path)!r}: {found.rows:,} glitches"

    @property
    def path(self) -> Path:
        """Folder of the archive."""
        return self.archive.path

    def events(
        self,
        *,
        ifo: str | None = None,
        class_name: str | None = None,
        since: float | None = None,
        until: float | None = None,
        snr: float | None = None,
        where: str | None = None,
        model: str | None = None,
    ) -> Events:
        """Glitches of the archive in the order of time.

        Args:
            ifo: Of this detector.
            class_name: Named this class.
            since: From this GPS time on.
            until: Before this GPS time.
            snr: Minimum SNR.
            where: A condition in SQL on the columns of `Events.to_table` and `p_<class>`, such
                as "snr > 10 AND label = ''"; a number that is not known is NULL.
            model: Whose codes, where the archive holds those of several.

        Raises:
            ArchiveError: it is empty, or holds several models and none is named.
            InputError: no glitch of that class, or `where` is no condition.
        """
        rows = self.archive.select(
            model=model,
            ifo=ifo,
            class_name=class_name,
            since=since,
            until=until,
            snr=snr,
            where=where,
        )
        return self._events(rows)

    def label(
        self, labels: Any, *, reviewer: str | None = None, skip_bad: bool = False
    ) -> dict[str, str]:
        """Store labels of glitches; the latest label of each glitch counts.

        Args:
            labels: A class for each identifier: a dict, the path of a table (CSV, ECSV, Parquet),
                or a table (astropy, gwpy or pandas) with the columns event_id and label, or
                Gravity Spy's gravityspy_id and ml_label.
            reviewer: Who says it; by default your login.
            skip_bad: Keep the rows of a table that are right where others are not.

        Returns:
            The labels that are kept, by the names of the classes.

        Raises:
            ArchiveError: no such glitch; nothing is kept.
            CatalogError: no such class; nothing is kept.
            InputError: rows of a table are wrong, all of which are named; nothing is kept.
        """
        by = login() if reviewer is None else reviewer
        if isinstance(labels, Mapping):
            return self.archive.label(labels, reviewer=by)
        table = labels if isinstance(labels, str | Path) else label_table(columns_of(labels))
        kept, problems = self.archive.label_table(table, reviewer=by, skip_bad=skip_bad)
        if problems and not skip_bad:
            raise InputError(
                "labels that cannot be stored", found="; ".join(map(str, problems)), remedy=_SKIP
            )
        return kept

    def merge(self, *others: str | Path | GlitchArchive) -> tuple[Merged, ...]:
        """Copy everything in other archives into this one; the others are not changed.

        Glitches, pictures, searched time, labels, heads of models and the decisions of the
        catalogues beside them. What is here already is passed over.

        Returns:
            What came of each.

        Raises:
            ArchiveError: one of them is no archive, is this one, or is damaged; nothing is merged.
        """
        paths = [
            other.path if isinstance(other, GlitchArchive) else Path(other) for other in others
        ]
        chosen, problems = check_sources(self.path, paths)
        if problems:
            raise problems[0]
        return tuple(merge_archive(self.archive, path) for path in chosen)

    def remove(
        self,
        *,
        model: str | None = None,
        ids: Iterable[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        ifo: str | None = None,
        dry_run: bool = False,
    ) -> Removal:
        """Remove glitches with their pictures: by model, by time or by identifier.

        With time goes what was searched there, so that rates stay right. Labels stay.

        Args:
            model: Of this one; each glitch has to have a code and a picture of another one.
            ids: These.
            since: From this GPS time on.
            until: Before this GPS time.
            ifo: Of this detector alone, with a time.
            dry_run: Tell what would go, and change nothing.

        Returns:
            What went.

        Raises:
            ArchiveError: nothing of it is here, or a model cannot be done without.
            InputError: not one of the three ways.
        """
        return self.archive.remove(
            model=model, ids=ids, since=since, until=until, ifo=ifo, dry_run=dry_run
        )

    def write_report(
        self,
        path: str | Path,
        *,
        day: str | None = None,
        since: float | None = None,
        until: float | None = None,
        model: str | None = None,
        link: str | None = None,
    ) -> Path:
        """Write the page of a day or another time: live time, rates, loudest glitches, every class.

        Groups that no class explains are not looked for; `discover` does that.

        Args:
            path: The page (.html); an earlier one gives way.
            day: A date (UTC) such as "2019-04-01", "yesterday" or "today".
            since: From this GPS time on, in place of a day.
            until: Before this GPS time.
            model: Whose codes, where the archive holds those of several.
            link: Where its events lead, such as "https://example.org/?gps={gps}"; {ifo},
                {event_id} and {date} may stand there, too.

        Raises:
            InputError: no such day or time, `link` is no template, or something else is at `path`.
            ArchiveError: the archive is damaged, or holds codes of several models.
        """
        if day is not None:
            if since is not None or until is not None:
                raise InputError(
                    "a day and other times are both given", expected="a day, or since and until"
                )
            since, until = day_of(day)
        check_page(path)
        found = report_archive(
            self.path, since=since, until=until, model=model, catalog=self.archive.catalog
        )
        return found.write(path, link=link)

    def similar(
        self, to: str | float | ArrayLike, k: int = 20, *, model: str | None = None
    ) -> tuple[Events, NDArray[np.float64]]:
        """The glitches most similar to one, with their distances.

        Args:
            to: Identifier or GPS time of a glitch, or a code (Z,).
            k: How many.
            model: Whose codes, where the archive holds those of several.

        Raises:
            ArchiveError: no such glitch, or it has no code.
        """
        query: Any = to if isinstance(to, str | int | float) else np.asarray(to, dtype=np.float32)
        rows, distances = self.archive.nearest(query, k, model=model)
        return self._events(rows), distances

    def live_time(self, ifo: str, snr: float | None = None) -> segmentlist:
        """Segments of GPS time in which glitches of a detector were searched for.

        Args:
            ifo: Detector.
            snr: What was searched at this threshold or a lower one; by default at the
                largest of the archive, which holds for all of it.

        Returns:
            Disjoint segments in the order of time; `abs` of it is the live time in seconds.

        Raises:
            ArchiveError: nothing tells that strain of this detector was searched so, as in
                archives of versions before the ledger.
        """
        live = self.archive.live_time(snr)
        if ifo not in live:
            raise ArchiveError(
                f"live time of {ifo} is unknown",
                where=self.path,
                found=f"searched: {', '.join(sorted(live)) or 'nothing that the ledger tells of'}",
                remedy="`glitchvae embed` of its strain records the searched time in the archive.",
            )
        return live[ifo]

    def _events(self, rows: Embeddings) -> Events:
        return Events(rows, _load_images=lambda: self.archive.thumbnails(rows))


_SKIP = "Correct them, or keep the others with skip_bad=True."


def columns_of(table: Any) -> dict[str, list[str]]:
    """The columns of a table in memory as text."""
    names = getattr(table, "colnames", None)
    if names is None:
        names = getattr(table, "columns", None)
    if names is None:
        raise InputError("no labels", expected="a dict, a table or a path", found=type(table))
    return {str(name): ["" if v is None else str(v) for v in table[name]] for name in names}


def open_archive(path: str | Path | None = None) -> GlitchArchive:
    """Open an archive: at `path`, else at $GLITCHVAE_ARCHIVE, else at ./glitch-archive.

    Raises:
        ArchiveError: there is none, or it is damaged.
    """
    return GlitchArchive(Archive(archive_path(path)))


def discover(
    data: Any,
    labels: ArrayLike | None = None,
    *,
    live: Live | None = None,
    model: str | None = None,
    catalog: str | Path | None = None,
    progress: bool = False,
    **settings: Any,
) -> DiscoveryRun | Discovery:
    """Find groups of glitches that no known class explains.

    Args:
        data: An archive, a path of one or of a file of embeddings, or several; or codes (N, Z)
            of anybody's, with `labels`.
        labels: (N,) known classes of codes, "" where unknown: the known classes are fitted to
            the labelled codes, and the others are looked at.
        live: Stretches that were searched, by detector (`igwn_segments.segmentlist`); by
            default what the archives' ledgers tell. Without either there are no rates.
        model: Whose codes, where an archive holds those of several; its folder, if moved.
        catalog: Your own catalogue; else that beside the archive.
        progress: Show a bar on stderr.
        settings: Of `DiscoverySettings`: method, min_events, significance, seed, …

    Returns:
        A run with `candidates` and `write_report(folder)`; of plain codes a `Discovery`.

    Raises:
        InputError: all codes the same, or codes and labels of another shape.
        ArchiveError: an archive is damaged or empty, or holds codes of several models.
        ConfigError: an unknown setting.
    """
    chosen = parse(DiscoverySettings, settings, where="options")
    places = _places(data)
    if places is not None and labels is not None:
        raise InputError("labels can be given with codes only", found="labels and an archive")
    with progress_of("discovery", chosen.bootstraps + 2, "steps", shown=progress) as report:
        if places is None:
            return _in_codes(data, labels, chosen, report)
        return discover_in(places, chosen, model=model, catalog=catalog, live=live, progress=report)


def _places(data: Any) -> list[Path] | None:
    """Folders and files as paths; None for an array of codes."""
    items = data if isinstance(data, list | tuple) else [data]
    if not items:
        raise InputError("no input", expected="an archive, a path, or codes", found="none")
    if not all(isinstance(item, str | Path | GlitchArchive | Archive) for item in items):
        return None
    return [
        item.path if isinstance(item, GlitchArchive | Archive) else Path(item) for item in items
    ]


def _in_codes(
    codes: Any, labels: ArrayLike | None, settings: DiscoverySettings, progress: Progress
) -> Discovery:
    """Discovery in codes without times or triggers."""
    try:
        points = np.asarray(codes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            "this input cannot be searched",
            expected="an archive, a path, or codes (N, Z)",
            found=type(codes).__name__,
        ) from error
    names = np.asarray([] if labels is None else labels, dtype=object).astype(str).astype(object)
    if points.ndim != 2 or names.shape != points.shape[:1]:
        raise InputError(
            "codes and labels have shapes that do not match",
            expected="codes (N, Z) and labels (N,)",
            found=f"{points.shape} and {names.shape}",
        )
    known = names != ""
    prototypes = Prototypes.fit(points[known], names[known], seed=settings.seed)
    return search(_rows(points[~known], prototypes), prototypes, settings, progress=progress)


def _rows(codes: NDArray[np.float32], prototypes: Prototypes) -> Embeddings:
    count = len(codes)
    unknown = np.full(count, np.nan)
    usable = np.isfinite(codes).all(axis=1)
    names = ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "f_max")
    rows = Embeddings(
        event_id=np.array([str(row) for row in range(count)], dtype=object),
        ifo=np.full(count, "", dtype=object),
        status=np.where(usable, "ok", "gap").astype(object),
        mean=codes,
        log_var=np.full(codes.shape, np.nan),
        block_duration=unknown,
        class_name=np.full(count, "", dtype=object),
        **dict.fromkeys((*names, "class_probability", "novelty_p"), unknown),
    )
    return name_classes(rows, prototypes)
