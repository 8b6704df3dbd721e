"""Folders of results: written aside, renamed when complete, recognised later.

The card `run.json` lists every file with its digest, so that a folder that lacks some of
them (a copy that was interrupted, a file removed by hand) is told from a whole one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from glitchvae import __version__
from glitchvae.config import Settings
from glitchvae.errors import InputError, StorageError
from glitchvae.store import digest, replacing

CARD = "run.json"
_SCHEMA = "glitchvae.run"
_VERSION = 1
_LOCK, _PART = ".lock", ".part"


class RunCard(Settings):
    """Content and origin of a folder of results.

    Attributes:
        schema_name: Always "glitchvae.run".
        schema_version: Of this card.
        glitchvae_version: That wrote it.
        created: Date and time (UTC, ISO 8601).
        summary: Content for people and programs: settings, digests of inputs, counts.
        files: SHA-256 of every file, by its path inside the folder.
    """

    schema_name: str = _SCHEMA
    schema_version: int = Field(default=_VERSION, le=_VERSION)
    glitchvae_version: str = __version__
    created: str
    summary: dict[str, Any]
    files: dict[str, str]


@contextmanager
def writing_run(
    folder: str | Path, summary: Mapping[str, Any], *, replace: bool = False
) -> Iterator[Path]:
    """Open a folder to fill, which becomes `folder` if the block succeeds.

    What an earlier run that was killed left beside it is removed.

    Args:
        folder: Where the results go.
        summary: What the card says about them.
        replace: Take the place of an earlier run, complete or not.

    Raises:
        InputError: there is something at `folder` that may not be replaced.
        StorageError: the disk refused a write; an earlier run is untouched.
    """
    folder = Path(folder)
    check_target(folder, replace=replace)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=_PART, dir=folder.parent))
    except OSError as error:
        raise StorageError(
            "the folder cannot be written", where=folder, found=error.strerror
        ) from error
    try:
        with FileLock(aside / _LOCK):
            yield aside
            _write_card(aside, summary)
        (aside / _LOCK).unlink(missing_ok=True)
        aside.chmod(0o755)
        _put_in_place(aside, folder)
    except OSError as error:
        raise StorageError(
            "writing failed",
            where=folder,
            found=error.strerror or error,
            remedy="Free some space or choose another place; earlier results are untouched.",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check_target(folder: Path, *, replace: bool) -> None:
    """Refuse, before any work, a folder that results may not replace.

    Raises:
        InputError: a run, complete or not, and `replace` is false; or other files.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise InputError("not a folder", where=folder, remedy="Choose another with -o.")
    if not (folder / CARD).exists():
        raise InputError(
            "the folder holds files, but no complete run",
            where=folder,
            expected=f"{CARD}, or no folder",
            found=_names(folder),
            remedy="Choose another with -o, or remove it first.",
        )
    if not replace:
        raise InputError(
            "the folder holds the results of a run already",
            where=folder,
            remedy="Choose another with -o, or add --replace.",
        )


def read_run(folder: str | Path) -> RunCard:
    """Read the card of a complete run.

    Raises:
        InputError: no run, or one that is only half there: what is missing is named.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("the run does not exist", where=folder, expected="the folder of a run")
    if not (folder / CARD).is_file():
        raise InputError(
            "the folder is not a complete run",
            where=folder,
            expected=CARD,
            found=_names(folder),
            remedy="Make it again with `glitchvae discover-new-classes -o`.",
        )
    card = _read_card(folder / CARD)
    missing = [name for name in card.files if not (folder / name).is_file()]
    if missing:
        raise InputError(
            "the run is not complete: files are missing",
            where=folder,
            expected=f"{len(card.files)} files",
            found=f"without {', '.join(missing[:5])}",
            remedy="Make it again with `glitchvae discover-new-classes -o … --replace`.",
        )
    return card


def _read_card(path: Path) -> RunCard:
    try:
        return RunCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(
            "the card of the run cannot be read",
            where=path,
            found=str(error).splitlines()[0],
            expected=f"{_SCHEMA}, version <= {_VERSION}",
        ) from error


def _write_card(folder: Path, summary: Mapping[str, Any]) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != _LOCK)
    card = RunCard(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        summary=dict(summary),
        files={p.relative_to(folder).as_posix(): digest(p) for p in files},
    )
    with replacing(folder / CARD) as temporary:
        temporary.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _put_in_place(aside: Path, folder: Path) -> None:
    """Rename the new folder; an earlier run is moved away first and removed last."""
    if not folder.exists():
        aside.rename(folder)
        return
    earlier = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=_PART, dir=folder.parent))
    folder.rename(earlier / "earlier")
    aside.rename(folder)
    shutil.rmtree(earlier, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove folders left by killed runs; folders in use are locked and stay."""
    for leftover in folder.parent.glob(f".{folder.name}.*{_PART}"):
        if not (leftover / _LOCK).exists():
            continue
        try:
            with FileLock(leftover / _LOCK, timeout=0):
                shutil.rmtree(leftover, ignore_errors=True)
        except Timeout:
            continue


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())[:5]
