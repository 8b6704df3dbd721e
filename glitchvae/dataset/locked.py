"""Locked real events for a final test, and the GPS days that separate them from the others.

A figure on events that were looked at while tuning is too good. Of the public sets named in
`data/locked.toml` the events of odd GPS days are therefore locked: no choice is made by their
pictures, codes or scores. Who reads such a set through `read_o3_events` gets the open ones
unless the locked ones are asked for by name, and a file of other events is refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from glitchvae.config import Settings, read_toml
from glitchvae.dataset.assembling import PictureEvent, assemble, join_parts
from glitchvae.dataset.splitting import DAY
from glitchvae.errors import InputError
from glitchvae.resources import data
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.store import digest

Part = Literal["open", "locked"]


class LockedSet(Settings):
    """Entry of one set in `data/locked.toml`.

    Attributes:
        file: Name of its file.
        events: How many it holds.
        locked: How many of them are locked.
        digest: SHA-256 of the identifiers of the locked ones: see `digest_of_ids`.
    """

    file: str
    events: int
    locked: int
    digest: str


def locked_sets() -> dict[str, LockedSet]:
    """The sets with locked events, by name."""
    table = read_toml(data("locked.toml"))
    return {name: LockedSet.model_validate(entry) for name, entry in table.items()}


def is_locked(gps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether events at GPS times (N,) are of an odd GPS day, floor(gps / 86400).

    Raises:
        InputError: an event without a time: nobody can say on which side it belongs.
    """
    if not np.isfinite(gps).all():
        raise InputError(
            "an event has no time, so that it is neither locked nor open",
            where="column gps",
            found=f"{int((~np.isfinite(gps)).sum())} of {len(gps)} not finite",
        )
    return np.floor_divide(gps, DAY).astype(np.int64) % 2 == 1


def digest_of_ids(event_id: NDArray[np.object_]) -> str:
    """SHA-256 of identifiers, sorted, one a line."""
    return hashlib.sha256("\n".join(sorted(event_id)).encode()).hexdigest()


def read_o3_events(path: str | Path, *, part: Part = "open") -> SpectrogramSet:
    """Images of the real O3 events of three classes, the open or the locked ones.

    The file holds `images` uint8 (N, 4, 140, 170), grey values times 255 with the highest
    frequency in row 0, `label`, `gps` and `ifo`, each (N,). Identifiers are `<ifo>-<gps to 4
    decimals>`.

    Args:
        path: The file `o3_three_classes.npz`.
        part: Which of them.

    Raises:
        InputError: not this file, or one of other events than those of `data/locked.toml`.
    """
    path = Path(path)
    columns = _read_columns(path)
    gps, ifo = columns["gps"], columns["ifo"]
    ids = np.array([f"{i}-{t:.4f}" for i, t in zip(ifo, gps, strict=True)], dtype=object)
    locked = is_locked(gps)
    _check(ids, locked, path)
    events = (
        PictureEvent(
            event_id=ids[row],
            label=str(columns["label"][row]),
            views=dict(zip(VIEWS, columns["images"][row] / np.float32(255), strict=True)),
            known={"gps": gps[row], "ifo": str(ifo[row])},
        )
        for row in np.flatnonzero(locked == (part == "locked"))
    )
    return join_parts(assemble(events, 256, where=path, sources={path.name: digest(path)}))


def _read_columns(path: Path) -> dict[str, NDArray]:
    try:
        # Opened here: numpy leaves a damaged file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in ("images", "label", "gps", "ifo")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            "the file does not hold real O3 events",
            where=path,
            expected="NumPy arrays images, label, gps, ifo",
            found=error,
        ) from error


def _check(ids: NDArray[np.object_], locked: NDArray[np.bool_], path: Path) -> None:
    known = locked_sets()["o3_three_classes"]
    found = LockedSet(
        file=known.file,
        events=len(ids),
        locked=int(locked.sum()),
        digest=digest_of_ids(ids[locked]),
    )
    if found != known:
        raise InputError(
            "the set holds other events than those that were locked",
            where=path,
            expected=f"{known.events} events, {known.locked} locked, {known.digest[:12]}…",
            found=f"{found.events} events, {found.locked} locked, {found.digest[:12]}…",
        )
