"""Names of channels, detectors and units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from glitchvae.errors import InputError

DETECTORS: tuple[str, ...] = ("G1", "H1", "H2", "K1", "L1", "V1")
"""Prefixes of the detectors that have recorded data."""

_STRAIN_UNITS = frozenset({"", "strain", "dimensionless"})
_CHANNEL_PREFIX = re.compile(r"([A-Z]\d):")
_FILE_PREFIX = re.compile(r"(?:[A-Z]+-)?([A-Z]\d)[_-]")  # LIGO-T050017: H-H1_TYPE-GPS-DURATION


def detector(path: Path, *, asked: str | None, told: str | None, names: Sequence[str]) -> str:
    """Detector of a file.

    Args:
        path: The file, whose name may tell it (LIGO-T050017).
        asked: What the user says.
        told: What the file says outright.
        names: Names of channel or dataset that may begin with it.

    Raises:
        InputError: nothing tells it, it is not known, or the file contradicts the user.
    """
    candidates = [told, *(_prefix(_CHANNEL_PREFIX, name) for name in names)]
    inside = next((name for name in candidates if name), None)
    found = inside or asked or _prefix(_FILE_PREFIX, path.name)
    if found is None:
        raise InputError(
            "the detector is unknown",
            where=path,
            expected=f"one of {', '.join(DETECTORS)}",
            remedy="Name the detector (ifo), such as H1.",
        )
    if asked is not None and found != asked:
        raise InputError("the file is of another detector", where=path, expected=asked, found=found)
    if found not in DETECTORS:
        raise InputError(
            "unknown detector", where=path, expected=f"one of {', '.join(DETECTORS)}", found=found
        )
    return found


def _prefix(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.match(name)
    return match[1] if match and match[1] in DETECTORS else None


def choose_channel(path: Path, there: Sequence[str], asked: str | None) -> str:
    """Choose the requested channel, the only one, or the only one named as strain.

    Raises:
        InputError: it is not there, or there are several; those there are listed.
    """
    listed = ", ".join(there) or "none"
    if asked is not None:
        if asked in there:
            return asked
        raise InputError(f"no channel {asked!r}", where=path, found=listed)
    candidates = [name for name in there if name.upper().endswith("STRAIN")] or there
    for names in (there, candidates):
        if len(names) == 1:
            return names[0]
    raise InputError(
        "the channel is ambiguous",
        where=path,
        found=listed,
        remedy="Name one (option channel).",
    )


def require_strain_unit(path: Path, name: str, unit: str) -> None:
    """Refuse a unit that is not dimensionless in any spelling."""
    if unit.strip().lower() not in _STRAIN_UNITS:
        raise InputError(
            f"{name} is not strain",
            where=path,
            expected="unit strain or dimensionless",
            found=f"unit {unit!r}",
            remedy="Name the strain (channel), or calibrate it.",
        )
