"""Settings that the study in a folder was begun with, to refuse a different study there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from glitchvae.config import Settings, read_config
from glitchvae.errors import InputError
from glitchvae.store import replacing

SETTINGS = "settings.toml"

S = TypeVar("S", bound=Settings)


def enter(out: Path, settings: Settings, *, free: Collection[str] = ()) -> None:
    """Prepare the folder of a study: refuse other settings, or write those of a new study.

    Args:
        out: Folder of the study.
        settings: That it is to have.
        free: Keys in which a study that goes on may differ; the file is written anew then.

    Raises:
        InputError: what is in the folder was begun with other settings.
        ConfigError: the file that says so cannot be read.
        StorageError: the disk refused the write.
    """
    known = settings_in(out, type(settings))
    if known is not None:
        refuse_others(
            out / SETTINGS, settings.model_dump(mode="json"), known.model_dump(mode="json"), free
        )
    if known != settings:
        out.mkdir(parents=True, exist_ok=True)
        values = settings.model_dump(mode="json", exclude_none=True)
        with replacing(out / SETTINGS) as temporary:
            temporary.write_bytes(tomli_w.dumps(values).encode())


def settings_in(out: Path, kind: type[S]) -> S | None:
    """Settings that the study in a folder was begun with; None if the folder has none.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = out / SETTINGS
    return read_config(kind, path) if path.exists() else None


def refuse_others(
    where: Path, now: Mapping[str, Any], then: Mapping[str, Any], free: Collection[str] = ()
) -> None:
    """Refuse settings that differ from those that a study was begun with.

    Raises:
        InputError: some keys have other values; both are named.
    """
    changed = [key for key in now if key not in free and now[key] != then.get(key)]
    if changed:
        raise InputError(
            f"the folder holds a study with other settings: {', '.join(changed)}",
            where=where,
            expected={key: now[key] for key in changed},
            found={key: then.get(key) for key in changed},
            remedy="Choose another folder with -o, or use the settings of this study.",
        )
