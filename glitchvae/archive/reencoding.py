"""Encoding of an archive with another model, from the stored pictures."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np

from glitchvae.archive.archive import Archive
from glitchvae.archive.filling import Filled
from glitchvae.archive.layout import part_files, time_span
from glitchvae.archive.parts import fresh_rows, read_header, read_part
from glitchvae.archive.queries import is_called
from glitchvae.archive.views import read_views
from glitchvae.embedding import Embeddings, Job, encode_spectrograms
from glitchvae.errors import ArchiveError
from glitchvae.progress import Progress
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet

_LOG = logging.getLogger(__name__)
_ROWS = 256  # pictures in memory at once


def count_events(archive: Archive, code_digest: str) -> int:
    """Number of rows of other models in an archive."""
    return sum(read_header(path).rows for path in _sources(archive, None, code_digest))


def encode_anew(
    archive: Archive, job: Job, *, source: str | None = None, progress: Progress | None = None
) -> Filled:
    """Encode every event of an archive with another model; events it has encoded are skipped.

    Where all codes are of the model already, its head alone is brought.

    Identifiers, labels and the rows of the earlier model stay. Pictures are those that the
    archive keeps, of 8 bits: codes lie a little off those of the original images (measured in
    `docs/formats.md`).

    Args:
        archive: With pictures.
        job: The model and how to compute; imaging and search are those of the rows.
        source: Whose events, by name or first digits of the digest; None: of all models.
        progress: Called with the number of rows just done.

    Raises:
        ArchiveError: the archive holds no event of another model.
        StorageError: the disk refused a write; finished batches are kept.
    """
    report = progress or (lambda _: None)
    archive.keep_model(job.checkpoint)
    target = job.checkpoint.digest
    parts = _sources(archive, source, target)
    if not parts and source is None:  # only the head is new, if anything is
        rows = archive.embeddings(model=target)
        return Filled(rows=rows, known=len(rows))
    if not parts:
        raise ArchiveError(
            "the archive holds no event of another model to encode",
            where=archive.path,
            found=source or "none",
        )
    lost, before = 0, 0
    for path in parts:
        rows = read_part(path)
        span = time_span(rows.gps)
        known = archive.known(rows.ifo[0], *span, target, rows.imaging_digest)
        wanted = fresh_rows(rows.event_id, rows.usable, known)
        before += int((~wanted).sum())
        report(int((~wanted).sum()))
        rows = rows.take(wanted)
        with archive.writing() as journal:
            for start in range(0, len(rows), _ROWS):
                own = rows.take(slice(start, start + _ROWS))
                pictures = _pictures(archive, path.name, own)
                # A row whose picture is lost would be a row with a status that is not true.
                kept = pictures.take(~own.usable | np.isfinite(pictures.images).any(axis=(1, 2, 3)))
                lost += len(own) - len(kept)
                made = encode_spectrograms(
                    kept, job.checkpoint, device=job.device, uncertainty=job.uncertainty
                )
                made = dataclasses.replace(
                    made, configuration={**own.configuration, "encoded_from": "pictures of 8 bits"}
                )
                journal.add(made, kept)
                report(len(own))
    if lost:
        _LOG.warning("%s: %d events have lost their picture and get no code", archive.path, lost)
    return Filled(rows=archive.embeddings(model=target), known=before)


def _sources(archive: Archive, source: str | None, target: str) -> list[Path]:
    """The parts to encode; one that is damaged is named in a warning."""
    found = []
    for path in part_files(archive.path):
        try:
            header = read_header(path)
        except ArchiveError as error:
            _LOG.warning("left out: %s", error)
            continue
        wanted = source is None or is_called(json.loads(header.metadata["model"]), source)
        if wanted and not archive.codes_are_of(header.origin[0], target):
            found.append(path)
    return found


def _pictures(archive: Archive, part: str, rows: Embeddings) -> SpectrogramSet:
    """The pictures of some rows of one part, NaN where there is none."""
    images = np.full((len(rows), len(VIEWS), *IMAGE_SHAPE), np.nan, np.float16)
    found = read_views(archive.path / "views" / part, rows.event_id[rows.usable].tolist())
    for row, event in enumerate(rows.event_id):
        if event in found:
            images[row] = found[event]
    return SpectrogramSet(
        images=images, **rows.event_columns(), imaging=rows.imaging, sources=rows.sources
    )
