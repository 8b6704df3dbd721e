"""`Census`: a folder with a plan, the list of shards, and a part for each shard.

census.json             the plan; it names the list of shards and its digest
shards-DIGEST.jsonl     one shard on each line
parts/SHARD/            archive, lock and state of one shard
merged.json             the parts that are in the archive
archive/                the result, unless it is somewhere else
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glitchvae import __version__
from glitchvae.archive.known_classes import job_of
from glitchvae.census.shards import Shard, read_shards, write_shards
from glitchvae.classes.user import catalog_path
from glitchvae.config import Settings, parse
from glitchvae.embedding import Job
from glitchvae.errors import InputError, StorageError, reading
from glitchvae.spectrogram import imaging_settings
from glitchvae.store import digest, replacing
from glitchvae.triggers.finding import search_settings

PLAN, PARTS = "census.json", "parts"
_AGAIN = "Give the inputs to `glitchvae census run` again, which plans anew."

Times = tuple[tuple[float, float], ...]


class How(Settings):
    """Settings with which every shard is embedded.

    Attributes:
        model: Name of the model, or its folder.
        model_digest: Of its code.
        imaging: Name of imaging settings.
        snr: Threshold of the search.
        uncertainty: Whether rows say how their codes change with small changes.
        device: Where to compute.
    """

    model: str
    model_digest: str
    imaging: str
    snr: float
    uncertainty: bool
    device: str

    @property
    def digest(self) -> str:
        """Digest of all settings that influence a row."""
        settings = self.model_dump(mode="json", exclude={"model", "device"})
        imaging = imaging_settings(self.imaging).model_dump(mode="json")
        return digest({**settings, "imaging": imaging, "search": search_settings()})


class Plan(Settings):
    """Plan of a census.

    Attributes:
        schema_version: Of this file.
        glitchvae: Version that planned it; workers of another one are refused.
        how: How every shard is worked on.
        archive: Where the result is.
        shards: Digest of the list of shards.
        attempts: Times that a shard is tried before it is set aside.
        backoff: Seconds from the first attempt to the second; doubled from there.
        missing: Time without strain between the beginning and the end, by detector.
        overlaps: Time of which several files have samples, by detector.
        problems: Files that could not be used.
    """

    schema_version: int = 1
    glitchvae: str
    how: How
    archive: str
    shards: str
    attempts: int
    backoff: float
    missing: dict[str, Times]
    overlaps: dict[str, Times]
    problems: tuple[str, ...]

    def require_version(self, folder: Path) -> None:
        """Refuse to work with another version than the one that made the plan.

        Raises:
            InputError: it is another one.
        """
        if self.glitchvae != __version__:
            raise InputError(
                "the worker has another version than the plan",
                where=folder,
                expected=f"glitchvae {self.glitchvae}",
                found=f"glitchvae {__version__}",
                remedy="Install that version on every machine, or go on with this one alone:"
                " `glitchvae census run -o FOLDER --new-version`.",
            )


@dataclass(frozen=True, kw_only=True)
class Census:
    """A folder with a plan and its shards."""

    folder: Path
    plan: Plan
    shards: tuple[Shard, ...]

    @property
    def archive(self) -> Path:
        """Archive of the results."""
        return Path(self.plan.archive)

    def part(self, shard: Shard) -> Path:
        """Folder of the work on a shard."""
        return self.folder / PARTS / shard.name

    def job(self) -> Job:
        """Model and settings of the plan.

        Raises:
            InputError: the model is another one than the plan's.
            ModelError: it is not here.
        """
        how = self.plan.how
        found, _ = job_of(
            how.model,
            catalog=catalog_path(None, self.archive),
            imaging=how.imaging,
            snr=how.snr,
            uncertainty=how.uncertainty,
            device=how.device,
            configuration={"snr": how.snr, "census": self.folder.name},
        )
        if found.checkpoint.digest != how.model_digest:
            raise InputError(
                "the model changed since the census was planned",
                where=found.checkpoint.path,
                expected=how.model_digest[:12],
                found=found.checkpoint.digest[:12],
                remedy=_AGAIN,
            )
        return found


def is_census(folder: Path) -> bool:
    """Whether a folder holds a census."""
    return (folder / PLAN).is_file()


def write_census(folder: Path, shards: Sequence[Shard], **plan: Any) -> Census:
    """Write a census, or a new list of shards for one; parts of unchanged shards are kept.

    Raises:
        StorageError: the disk refused the write; an earlier plan is untouched.
    """
    if folder.exists() and not folder.is_dir():
        raise StorageError("the census cannot be a file", where=folder, remedy="Choose another -o.")
    lines = "".join(shard.model_dump_json() + "\n" for shard in shards).encode()
    path = _list(folder, digest(lines))
    found = write_shards(path, tuple(shards))
    written = Plan(glitchvae=__version__, shards=found, **plan)
    _write(folder, written)
    for other in folder.glob("shards-*.jsonl"):
        if other != path:
            other.unlink()
    return Census(folder=folder, plan=written, shards=tuple(shards))


def read_census(folder: str | Path) -> Census:
    """Read the census in a folder.

    Raises:
        InputError: there is none, or its list of shards was changed by hand.
        ConfigError: the plan is damaged.
    """
    folder = Path(folder).absolute()
    plan = read_plan(folder)
    return Census(
        folder=folder, plan=plan, shards=read_shards(_list(folder, plan.shards), plan.shards)
    )


def read_plan(folder: Path) -> Plan:
    """Read the plan of a census without its shards.

    Raises:
        InputError: there is none.
        ConfigError: it is damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        raise InputError(
            "the folder is not a census",
            where=folder,
            remedy="`glitchvae census run INPUT... -o FOLDER` makes a census.",
        )
    with reading(path, "the plan cannot be read", remedy=_AGAIN):
        values = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(values, dict) and values.get("schema_version", 1) > 1:
        raise InputError("the census was written by a newer version of glitchvae", where=path)
    return parse(Plan, values, where=path)


def renew_version(census: Census) -> Census:
    """Record in the plan that work continues with this version.

    Raises:
        StorageError: the disk refused the write.
    """
    plan = census.plan.model_copy(update={"glitchvae": __version__})
    _write(census.folder, plan)
    return Census(folder=census.folder, plan=plan, shards=census.shards)


def _list(folder: Path, found: str) -> Path:
    return folder / f"shards-{found[:12]}.jsonl"


def _write(folder: Path, plan: Plan) -> None:
    with replacing(folder / PLAN) as temporary:
        temporary.write_text(plan.model_dump_json(indent=1), encoding="utf-8")
