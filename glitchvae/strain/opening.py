"""Opening of strain files of all formats, recognised by content, and their joining."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from glitchvae.errors import InputError, reading
from glitchvae.guard import require_file
from glitchvae.strain import frames, hdf5
from glitchvae.strain.source import StrainSource, Stretch


def open_strain(
    paths: str | Path | Iterable[str | Path], *, ifo: str | None = None, channel: str | None = None
) -> StrainSource:
    """Open one or several files of one detector, joined in time.

    The kind of file follows from its content: GWOSC HDF5, gwpy HDF5 or GWF.

    Args:
        paths: In any order; they may overlap.
        ifo: Detector; needed where neither the file nor its name tells it.
        channel: Needed where a file holds several.

    Raises:
        InputError: a file cannot be used, or they do not belong together.
    """
    return StrainSource.join(_open_all(paths, ifo, channel))


def is_strain(path: str | Path) -> bool:
    """Whether a file holds strain, in contrast to images and other data.

    Raises:
        InputError: it is missing, empty, a directory or damaged.
    """
    path = Path(path)
    with reading(path):
        head = _first_bytes(path)
        if head.startswith(frames.SIGNATURE):
            return True
        return hdf5.holds_strain(path)


def _open_all(
    paths: str | Path | Iterable[str | Path], ifo: str | None, channel: str | None
) -> list[Stretch]:
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    if not listed:
        raise InputError("no strain file given")
    read = frames.frame_cache()
    stretches = []
    for path in map(Path, listed):
        with reading(path):
            stretches += _open_one(path, ifo, channel, read)
    return stretches


def _open_one(
    path: Path, ifo: str | None, channel: str | None, read: frames.FramesRead
) -> list[Stretch]:
    head = _first_bytes(path)
    if head.startswith(frames.SIGNATURE):
        return frames.open_gwf(path, ifo=ifo, channel=channel, read=read)
    return [hdf5.open_hdf5(path, ifo=ifo, channel=channel)]


def _first_bytes(path: Path) -> bytes:
    """The first bytes of a file.

    Raises:
        InputError: there are none to be had, and why.
    """
    require_file(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise InputError(
            "cannot be read", where=path, expected="a strain file", found=error.strerror
        ) from error
    return head
