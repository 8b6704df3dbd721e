"""Files of an archive: their places and names.

```
archive.json        what this directory is, and the version of its layout
parts/              one immutable Parquet file of embeddings per job: the truth
parts/.running-*/   batches of a job that has not ended yet
views/              the images of each part, under the part's name
ledger/             what was searched and what was embedded, also where nothing was found
labels.csv          what people said about events
models/<digest>/    card and prototypes of each model, which name its codes
rendered/           codes of known classes rendered in its noise; can be deleted at any time
classes.parquet     what every row is called now; can be deleted at any time
archive.duckdb      index over all of it, which can be deleted at any time
```
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glitchvae import __version__
from glitchvae.errors import ArchiveError, reading
from glitchvae.store import replacing

LAYOUT_VERSION = 1
MARKER = "archive.json"
_SCHEMA = "glitchvae.archive"
_LATEST = 10**10  # GPS seconds: what lies beyond is no time, and would make no file name
_NAME = re.compile(
    r"(?P<site>[A-Z]+)-(?P<ifo>[A-Za-z0-9]+)_GLITCHVAE(_(?P<suffix>[0-9a-f]{8}))?"
    r"-(?P<gps>\d+)-(?P<duration>\d+)\.parquet"
)


@dataclass(frozen=True, kw_only=True)
class PartName:
    """A file name after LIGO-T050017: site, description, GPS start and duration.

    Attributes:
        ifo: Detector of every row.
        gps: Whole second at which the part begins, 0 where times are unknown.
        duration: Whole seconds it covers.
        suffix: First digits of a digest, where two jobs cover the same seconds.
    """

    ifo: str
    gps: int
    duration: int
    suffix: str = ""

    def __str__(self) -> str:
        description = f"{self.ifo}_GLITCHVAE" + (f"_{self.suffix}" if self.suffix else "")
        return f"{self.ifo[0]}-{description}-{self.gps}-{self.duration}.parquet"

    def covers(self, other: PartName) -> bool:
        """Whether events of `other` may lie in this part."""
        return self.ifo == other.ifo and self.overlaps(other.gps, other.gps + other.duration)

    def overlaps(self, start: float, end: float) -> bool:
        """Whether the part may hold events between `start` and `end`."""
        return self.gps <= end and start <= self.gps + self.duration


def name_part(ifo: str, start: float, end: float) -> PartName:
    """The name of a part that covers `start` to `end`, as far as these can be GPS seconds."""
    letters = re.sub("[^A-Za-z0-9]", "", ifo).upper() or "X0"
    first, last = (min(max(time, 0), _LATEST) for time in (start, end))
    gps = math.floor(first)
    return PartName(ifo=letters, gps=gps, duration=math.ceil(last) - gps)


def time_span(times: Iterable[float]) -> tuple[float, float]:
    """First and last of the finite times, (0, 0) if no time is known."""
    known = [float(time) for time in times if math.isfinite(time)] or [0.0]
    return min(known), max(known)


def parse_part(name: str) -> PartName | None:
    """Parse a file name; None if it is not the name of a part."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return PartName(
        ifo=match["ifo"],
        gps=int(match["gps"]),
        duration=int(match["duration"]),
        suffix=match["suffix"] or "",
    )


def part_files(root: Path) -> list[Path]:
    """Every finished part, in the order of names."""
    return sorted((root / "parts").glob("*.parquet"))


def journals(root: Path) -> list[Path]:
    """Folders of running or killed jobs."""
    return sorted((root / "parts").glob(".running-*"))


def write_marker(root: Path) -> None:
    """Write the file that marks `root` as an archive.

    Raises:
        ArchiveError: it holds other things already.
        StorageError: the disk refused the write.
    """
    if root.exists() and not root.is_dir():
        raise ArchiveError("not a directory", where=root, remedy="Choose another place.")
    # A marker that a killed process began to write is nothing of anybody's.
    there = [] if not root.is_dir() else [p.name for p in root.iterdir() if not _is_begun(p.name)]
    if there:
        raise ArchiveError(
            "the folder holds files and is not an archive",
            where=root,
            expected=f"an archive ({MARKER}), an empty directory or a new name",
            found=sorted(there)[:5],
        )
    content = {"schema": _SCHEMA, "version": LAYOUT_VERSION, "glitchvae_version": __version__}
    with replacing(root / MARKER) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _is_begun(name: str) -> bool:
    return name.startswith(f".{MARKER}.") and name.endswith(".part")


def check_marker(root: Path) -> None:
    """Check that `root` is an archive that this version can read.

    Raises:
        ArchiveError: no such directory, no archive, damaged, or of a newer layout.
    """
    marker = root / MARKER
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArchiveError(
            "not an archive",
            where=root,
            expected=f"a directory with {MARKER}",
            found="no such directory" if not root.is_dir() else error.strerror,
            remedy="`glitchvae embed` makes one; name it with --archive or GLITCHVAE_ARCHIVE.",
        ) from error
    except ValueError as error:
        raise ArchiveError("damaged", where=marker, expected="JSON", found=error) from error
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
        raise ArchiveError("not an archive", where=marker, expected=_SCHEMA, found=content)
    with reading(marker, "damaged", kind=ArchiveError, remedy=None):
        version = int(content.get("version", 0))
    if version > LAYOUT_VERSION:
        raise ArchiveError(
            "written by a newer glitchvae",
            where=root,
            expected=f"layout version <= {LAYOUT_VERSION}",
            found=content["version"],
            remedy="Upgrade glitchvae to read it.",
        )
