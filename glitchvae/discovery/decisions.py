"""Decisions of a person about candidates: drafts of cards, acceptance, merging, retirement.

They write the user's own catalogue (`classes.user`) and nothing else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from glitchvae.classes.catalog import (
    Catalog,
    ClassCard,
    Decision,
    Detector,
    Evidence,
    fold,
    read_card,
    read_catalog,
    write_card,
)
from glitchvae.classes.user import CLASSES, DRAFTS, read_events
from glitchvae.config import nearest
from glitchvae.discovery.runs import read_run
from glitchvae.embedding import Embeddings
from glitchvae.errors import CatalogError

_RANGES = ("peak_frequency", "bandwidth", "duration", "snr")


def draft_card(name: str, members: Embeddings, evidence: Evidence) -> ClassCard:
    """The card of a candidate, filled from the properties of its triggers."""
    ranges = {key: limits for key in _RANGES if (limits := _limits(getattr(members, key)))}
    typical = ", ".join(
        f"{key.replace('_', ' ')} {np.nanmedian(getattr(members, key)):.3g}" for key in ranges
    )
    values = {
        "key": _key(name),
        "name": name,
        "status": "candidate",
        "description": f"A group of {len(members)} events; medians: {typical or 'unknown'}.",
        "cause": "Found by discovery and not yet followed up.",
        "cause_is": "unknown",
        "runs": (),
        "detectors": [d for d in get_args(Detector) if d in set(members.ifo)],
        "ranges_from": f"5 to 95 % of {len(members)} triggers" if ranges else None,
        "evidence": evidence,
    }
    return ClassCard.model_validate(values | ranges)


def write_draft(folder: str | Path, card: ClassCard, members: Embeddings) -> Path:
    """Write a card and the codes of its events to a folder of drafts or classes."""
    path = Path(folder) / f"{card.key}.h5"
    members.write(path)
    return write_card(folder, card)


def propose(
    run: str | Path,
    candidate: str,
    folder: str | Path,
    *,
    name: str | None = None,
    reviewer: str = "",
) -> ClassCard:
    """Copy a candidate of a run to the user's catalogue as a draft.

    Args:
        run: Folder of a run of discovery.
        candidate: Its name there.
        folder: The user's own catalogue.
        name: What the class shall be called, else the candidate's name.
        reviewer: Who proposes it.

    Raises:
        InputError: the run is not complete.
        CatalogError: no such candidate, or the name is taken.
    """
    read_run(run)
    path = _find(Path(run) / "catalog" / DRAFTS, candidate, "candidate")
    card = read_card(path)
    members = read_events(Path(run) / "candidates" / f"{card.name}.h5", Embeddings)
    if name is not None:
        card = card.model_copy(update={"name": name, "key": _key(name)})
    _check_free(card, folder, read_catalog(own=folder))
    if reviewer:
        card = _decided(card, decide("proposed", reviewer))
    write_draft(Path(folder) / DRAFTS, card, members)
    return card


def accept(folder: str | Path, name: str, decision: Decision) -> ClassCard:
    """Make a draft a class, which the model it was found with can then name.

    Raises:
        CatalogError: no such draft, or its name belongs to a class.
    """
    card, members = _open(Path(folder) / DRAFTS, name, "draft")
    _check_class_free(card, read_catalog(own=folder))
    card = _decided(card, decision).model_copy(update={"status": "accepted"})
    return _settle(folder, card, members)


def merge(folder: str | Path, name: str, into: str, decision: Decision) -> ClassCard:
    """Add the events of a draft to an existing class.

    Raises:
        CatalogError: no such draft or class, or the class is retired.
    """
    catalog = read_catalog(own=folder)
    target = catalog.find(into)
    if target.status == "retired":
        raise CatalogError(f"{target.name} is retired", remedy="Merge into a class in use.")
    card, members = _open(Path(folder) / DRAFTS, name, "draft")
    _check_class_free(card, catalog)
    card = _decided(card, decision).model_copy(
        update={"status": "retired", "merged_into": target.name}
    )
    return _settle(folder, card, members)


def retire(folder: str | Path, name: str, decision: Decision) -> ClassCard:
    """Reject a draft, or take an accepted class of the user's out of use.

    Raises:
        CatalogError: neither is there; a shipped class is not changed here.
    """
    folder = Path(folder)
    there = DRAFTS if _matches(folder / DRAFTS, name) else CLASSES
    card, members = _open(folder / there, name, "draft or class")
    if there == DRAFTS:
        _check_class_free(card, read_catalog(own=folder))
    card = _decided(card, decision).model_copy(update={"status": "retired"})
    return _settle(folder, card, members)


def decide(
    action: Literal["proposed", "accepted", "merged", "retired"], reviewer: str, note: str = ""
) -> Decision:
    """A decision with today's date."""
    return Decision(
        action=action, reviewer=reviewer, note=note, date=datetime.now(UTC).date().isoformat()
    )


def _open(folder: Path, name: str, what: str) -> tuple[ClassCard, Embeddings]:
    """Read the card called `name` in a folder, and the codes of its events."""
    path = _find(folder, name, what)
    return read_card(path), read_events(path.with_suffix(".h5"), Embeddings)


def _find(folder: Path, name: str, what: str) -> Path:
    """Path of the card called `name` in a folder."""
    paths = _matches(folder, name)
    if not paths:
        there = [path.stem for path in sorted(folder.glob("*.toml"))]
        hint = nearest(name, there) if there else ""
        raise CatalogError(f"no {what} {name!r}{hint}", where=folder, found=there or "none")
    return paths[0]


def _matches(folder: Path, name: str) -> list[Path]:
    """Cards whose key or name is `name`, apart from case, blanks and hyphens."""
    paths = sorted(folder.glob("*.toml"))
    same = [path for path in paths if fold(path.stem) == fold(name)]
    return same or [path for path in paths if fold(read_card(path).name) == fold(name)]


def _settle(folder: str | Path, card: ClassCard, members: Embeddings) -> ClassCard:
    """Write the card to `classes/`, then remove the draft; a crash leaves at least one of them."""
    write_draft(Path(folder) / CLASSES, card, members)
    for suffix in (".toml", ".h5"):
        (Path(folder) / DRAFTS / f"{card.key}{suffix}").unlink(missing_ok=True)
    return card


def _decided(card: ClassCard, decision: Decision) -> ClassCard:
    return card.model_copy(update={"decisions": (*card.decisions, decision)})


def _check_free(card: ClassCard, folder: str | Path, catalog: Catalog) -> None:
    _check_class_free(card, catalog)
    if taken := _matches(Path(folder) / DRAFTS, card.name):
        raise CatalogError(
            f"the name {card.name!r} is taken by a draft",
            where=taken[0],
            remedy="Choose another with --name, or decide about the draft first.",
        )


def _check_class_free(card: ClassCard, catalog: Catalog) -> None:
    if card.name in catalog:
        raise CatalogError(
            f"the name {card.name!r} is taken by the class {catalog.find(card.name).name}",
            remedy="Choose another: `glitchvae catalog propose … --name`.",
        )


def _key(name: str) -> str:
    key = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not key:
        raise CatalogError(
            "the name of the class is not valid", found=name, expected="letters or digits"
        )
    return key


def _limits(values: np.ndarray) -> tuple[float, float] | None:
    """5 and 95 % quantiles to three figures; None if no value is known."""
    known = values[np.isfinite(values) & (values >= 0)]
    if not len(known):
        return None
    low, high = np.quantile(known.astype(np.float64), [0.05, 0.95])
    return float(f"{low:.3g}"), float(f"{high:.3g}")
