"""Shards: strain of one detector in a time range, named by a digest of all their inputs.

The edges of a shard are whole cells of the search, and the files beside it are read for context:
shards together give the triggers, pictures and live time that the strain gives in one go.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from igwn_segments import segment, segmentlist

from glitchvae.archive.coverage import REACH
from glitchvae.config import Settings
from glitchvae.errors import InputError, reading
from glitchvae.store import digest, replacing
from glitchvae.strain import StrainSource, open_strain
from glitchvae.triggers.finding import CELL

_ENDS = 2**16  # bytes that are read at both ends of a file
_PIECES, _PIECE = 62, 2**12  # and of pieces between them


class StrainFile(Settings):
    """Size and time of change of a file when the census was planned.

    Attributes:
        path: Where it is.
        size: Bytes.
        modified: Time of its last change (ns).
        content: Digest of its size, both its ends and 62 pieces between them: years of strain
            cannot be read whole for a plan. The ledger keeps the digest of the whole.
    """

    path: str
    size: int
    modified: int
    content: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Describe a file in its current state.

        Raises:
            InputError: it is gone, or cannot be read.
        """
        try:
            state = path.stat()
            found = _fingerprint(path, state.st_size)
        except OSError as error:
            raise InputError("cannot be read", where=path, found=error.strerror or error) from error
        return cls(
            path=str(path.absolute()),
            size=state.st_size,
            modified=state.st_mtime_ns,
            content=found,
        )

    def require_unchanged(self) -> None:
        """Refuse a file whose content changed; one that was copied or touched passes.

        Raises:
            ChangedError: it changed.
            InputError: it is gone, or cannot be read.
        """
        path = Path(self.path)
        try:
            state = path.stat()
            same = (state.st_size, state.st_mtime_ns) == (self.size, self.modified)
        except OSError:
            same = False
        if not same and StrainFile.of(path).content != self.content:
            raise ChangedError(
                "changed since the census was planned",
                where=path,
                remedy="Give the inputs to `glitchvae census run` again, which plans anew.",
            )


class ChangedError(InputError):
    """A file of strain whose content changed after the census was planned."""


class Shard(Settings):
    """Strain of one detector between two times, and the settings to embed it.

    Attributes:
        name: Detector, GPS time, seconds, and the digest of its content.
        ifo: Detector.
        channel: Of the files, where it has to be said.
        start: GPS time, at the beginning of a cell of the search but where the census begins.
        end: GPS time, at the end of one but where the census ends.
        seconds: Strain in it that is to be searched.
        files: Those with samples of it, or near it.
        limits: Names of masks, flags and segments that limit what is searched.
        allowed: Time in and near it that they leave; None without limits.
        job: Digest of model, imaging, threshold and settings of the search.
    """

    name: str
    ifo: str
    channel: str | None
    start: float
    end: float
    seconds: float
    files: tuple[StrainFile, ...]
    limits: tuple[str, ...]
    allowed: tuple[tuple[float, float], ...] | None
    job: str

    @cached_property
    def true_name(self) -> str:
        """Name derived from the content, without paths and times of change."""
        content: dict[str, Any] = self.model_dump(mode="json", exclude={"name"})
        content["files"] = sorted(file.content for file in self.files)
        seconds = self.end - self.start
        return f"{self.ifo}-{self.start:.0f}-{seconds:.0f}-{digest(content)[:16]}"

    @property
    def within(self) -> segmentlist:
        """Time range of the shard."""
        return segmentlist([segment(self.start, self.end)])

    def open(self) -> StrainSource:
        """Open the strain of the shard and of its surroundings.

        Raises:
            InputError: a file is gone, damaged, or not what it was.
        """
        for file in self.files:
            file.require_unchanged()
        paths = [Path(file.path) for file in self.files]
        source = open_strain(paths, ifo=self.ifo, channel=self.channel)
        if self.allowed is not None:
            allowed = segmentlist(segment(*ends) for ends in self.allowed)
            for name in self.limits:
                source = source.limited_to(allowed, name)
        return source


def cut(
    source: StrainSource,
    length: float,
    files: Mapping[Path, StrainFile],
    job: str,
    *,
    channel: str | None = None,
    span: tuple[float, float] | None = None,
) -> Iterator[Shard]:
    """Divide a source into shards, in the order of time.

    Args:
        source: Strain of one detector, with its limits.
        length: Seconds of a shard, a multiple of 60; it begins at a multiple of them.
        files: Those of the source, as they are now.
        job: Digest of how they are worked on.
        channel: Of the files, where it has to be said.
        span: Between these GPS times alone; what is beyond is context.
    """
    if not (length >= CELL and length % CELL == 0):
        raise InputError(
            "the length of a shard is not valid",
            expected=f"a multiple of {CELL:g} s",
            found=f"{length:g} s",
        )
    own: dict[int, segmentlist] = defaultdict(segmentlist)
    limits = segmentlist([segment(*(span or (-math.inf, math.inf)))])
    for a, b in source.segments & limits:
        for number in _numbers(a, b, length):
            own[number].append(segment(a, b))
    near: dict[int, dict[Path, None]] = defaultdict(dict)
    for stretch in source.stretches:
        for number in _numbers(stretch.start - REACH, stretch.end + REACH, length):
            near[number][stretch.path] = None
    for number, segments in sorted(own.items()):
        times = segment(number * length, (number + 1) * length) & limits[0]
        shard = Shard(
            name="",
            ifo=source.ifo,
            channel=channel,
            start=float(times[0]),
            end=float(times[1]),
            seconds=float(abs(segments & segmentlist([times]))),
            files=tuple(files[path] for path in near[number]),
            limits=source.limits,
            allowed=_allowed(source, times),
            job=job,
        )
        yield shard.model_copy(update={"name": shard.true_name})


def _allowed(source: StrainSource, times: segment) -> tuple[tuple[float, float], ...] | None:
    if source.allowed is None:
        return None
    # Pictures use strain beyond the limits, a search does not: what is near is enough.
    reach = segmentlist([segment(times[0] - REACH, times[1] + REACH)])
    return tuple((float(a), float(b)) for a, b in source.allowed & reach)


def _numbers(start: float, end: float, length: float) -> range:
    return range(math.floor(start / length), math.ceil(end / length))


def _fingerprint(path: Path, size: int) -> str:
    found = hashlib.sha256(str(size).encode())
    step = max((size - 2 * _ENDS) // _PIECES, _PIECE)
    places = [(0, _ENDS), *((p, _PIECE) for p in range(_ENDS, size - _ENDS, step))]
    with path.open("rb") as file:
        for place, length in [*places, (max(size - _ENDS, 0), _ENDS)]:
            file.seek(place)
            found.update(file.read(length))
    return found.hexdigest()


def write_shards(path: Path, shards: tuple[Shard, ...]) -> str:
    """Write a list of shards, one on each line, and return its digest.

    Raises:
        StorageError: the disk refused the write.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(shard.model_dump_json() + "\n" for shard in shards)
    return digest(path)


def read_shards(path: Path, expected: str) -> tuple[Shard, ...]:
    """Read a list of shards.

    Raises:
        InputError: it cannot be read, or was changed since; the line is named where one was.
    """
    remedy = "Give the inputs to `glitchvae census run` again, which plans anew."
    with reading(path, "the list of shards cannot be read", remedy=remedy):
        lines = path.read_text(encoding="utf-8").splitlines()
        unchanged = digest(path) == expected
    shards = []
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        with reading(where, "no shard", remedy=remedy):
            shard = Shard.model_validate_json(line)
        if not unchanged and shard.name != shard.true_name:
            raise InputError(
                "the list of shards was changed by hand",
                where=where,
                expected=shard.true_name,
                found=shard.name,
                remedy=remedy,
            )
        shards.append(shard)
    if not unchanged:
        raise InputError(
            "the list of shards was changed by hand: lines were added, removed or moved",
            where=path,
            remedy=remedy,
        )
    return tuple(shards)
