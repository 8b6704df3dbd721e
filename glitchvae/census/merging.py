"""Merging of the parts of finished shards into one archive.

What is merged is written down after it is, so that a merge that was killed goes on; a part that
is merged twice adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from glitchvae.archive import Archive, create_archive
from glitchvae.archive.journal import alone
from glitchvae.archive.layout import MARKER
from glitchvae.archive.merging import Merged, check_sources, merge_archive
from glitchvae.census.census import Census
from glitchvae.census.shards import Shard
from glitchvae.census.state import Done, parts_path, read_state
from glitchvae.errors import GlitchvaeError
from glitchvae.store import digest, replacing

_MERGED = "merged.json"
_OFTEN = 20  # parts between two notes of what is merged


def parts_to_merge(census: Census) -> list[tuple[Shard, Done]]:
    """Finished shards whose parts are not in the archive yet."""
    merged = _read_merged(census)
    return [
        (shard, done)
        for shard in census.shards
        if (done := read_state(census, shard).done) is not None
        and merged.get(shard.name) != _mark(done)
    ]


def merge_parts(
    census: Census, *, merged: Callable[[Shard, Merged], None] = lambda *_: None
) -> tuple[Archive, list[GlitchvaeError]]:
    """Merge the parts of finished shards into the archive of the census.

    Args:
        census: The census; shards that are not finished are left for another time.
        merged: Told of each part.

    Returns:
        The archive, and errors of parts that are damaged: each is left out as a whole.

    Raises:
        ArchiveError: something else is at the place of the archive.
        StorageError: the disk refused a write; what was merged stays.
    """
    archive = create_archive(census.archive)
    known, waiting = _read_merged(census), 0
    problems: list[GlitchvaeError] = []
    try:
        for shard, done in parts_to_merge(census):
            chosen, bad = check_sources(archive.path, [parts_path(census, shard)])
            problems += bad
            for part in chosen:
                merged(shard, merge_archive(archive, part))
                known[shard.name] = _mark(done)
                waiting += 1
            if waiting == _OFTEN:
                _write_merged(census, known)
                waiting = 0
    finally:
        if waiting:
            _write_merged(census, known)
    archive.refresh_classes()
    return archive, problems


def _mark(done: Done) -> str:
    """Identifier of a part, different if the part is made again."""
    return digest(done.model_dump(mode="json"))[:16]


def _read_merged(census: Census) -> dict[str, str]:
    """Identifiers of the parts in the archive; none if the archive was replaced."""
    try:
        told = json.loads((census.folder / _MERGED).read_text(encoding="utf-8"))
        return dict(told["parts"]) if told["archive"] == _identity(census) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # to merge again costs time alone


def _write_merged(census: Census, parts: dict[str, str]) -> None:
    with alone(census.archive), replacing(census.folder / _MERGED) as temporary:
        told = {"archive": _identity(census), "parts": parts}
        temporary.write_text(json.dumps(told), encoding="utf-8")


def _identity(census: Census) -> list[object]:
    """Identity of an archive, different if it is made again at the same place."""
    try:
        state = (census.archive / MARKER).stat()
    except OSError:
        return []
    return [str(census.archive), state.st_ino, state.st_mtime_ns]
