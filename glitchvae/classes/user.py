"""The user's own classes: cards and codes of their events, kept beside an archive.

::

    glitch-catalog/
        candidates/<key>.toml, <key>.h5    drafts that wait, and the codes of their events
        classes/<key>.toml, <key>.h5       accepted, merged or retired ones, with the same

The codes are those of one model. A class that was accepted stands beside the model's own
prototypes whenever that model names events; a candidate that was merged makes the class it
belongs to grow. The model's folder is never changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from glitchvae.classes.catalog import ClassCard, read_card, read_catalog
from glitchvae.classes.prototypes import Prototypes
from glitchvae.errors import CatalogError, InputError
from glitchvae.store import Record, attribute, column

DEFAULT = "glitch-catalog"
VARIABLE = "GLITCHVAE_CATALOG"
DRAFTS, CLASSES = "candidates", "classes"

AnyRecord = TypeVar("AnyRecord", bound=Record)

_SAME = 0.5  # share of a candidate's events that makes it the one decided about before


@dataclass(frozen=True, kw_only=True)
class ClassEvents(Record):
    """Columns of the events of a class that its card and prototypes need.

    Attributes:
        event_id: (N,) identifiers.
        mean: (N, Z) codes.
        model: Name and digest of the model that made the codes.
    """

    schema: ClassVar[str] = "glitchvae.embeddings"
    schema_version: ClassVar[int] = 2  # of the files it reads

    event_id: NDArray[np.object_] = column(str)
    mean: NDArray[np.float32] = column(np.float32)
    model: dict[str, str] = attribute({})


@dataclass(frozen=True, kw_only=True)
class UserClasses:
    """Prototypes of a model with a user's own classes.

    Attributes:
        prototypes: The model's, grown.
        added: Names of the classes that were added or grew.
        other_model: Names of classes none of whose events the model encoded.
    """

    prototypes: Prototypes
    added: tuple[str, ...] = ()
    other_model: tuple[str, ...] = ()


def catalog_path(option: str | Path | None = None, archive: str | Path | None = None) -> Path:
    """Path of the user's catalogue: the option, $GLITCHVAE_CATALOG, or beside the archive."""
    beside = Path(archive).parent if archive is not None else Path()
    return Path(option or os.environ.get(VARIABLE) or beside / DEFAULT)


def with_user_classes(
    prototypes: Prototypes,
    of_model: Callable[[str], bool],
    folder: str | Path,
    *,
    codes_of: Callable[[Sequence[str]], NDArray[np.floating]] | None = None,
) -> UserClasses:
    """Add the user's classes in the codes of a model to the prototypes of the model.

    Args:
        prototypes: The known classes of the model.
        of_model: Whether codes that name a digest are of the model.
        folder: The user's own catalogue; there may be none.
        codes_of: Codes (M, Z) that the model gives events, of those that it encoded: classes
            whose codes are of another model are derived from their events anew.

    Raises:
        CatalogError: a card is wrong, names a class that is not there, or lacks its codes.
    """
    folder = Path(folder)
    if not (folder / CLASSES).is_dir():
        return UserClasses(prototypes=prototypes.in_catalog(read_catalog()))
    catalog = read_catalog(own=folder)
    added, other_model = [], []
    for card, members in read_cards(folder / CLASSES):
        if card.status == "retired" and card.merged_into is None:
            continue
        name = card.merged_into or card.name
        codes = members.mean
        if not of_model(members.model.get("digest", "")):
            codes = np.empty((0, 0)) if codes_of is None else codes_of(list(members.event_id))
        if len(codes) == 0:
            other_model.append(name)
            continue
        prototypes = prototypes.with_class(name, codes)
        added.append(name)
    return UserClasses(
        prototypes=prototypes.in_catalog(catalog),
        added=tuple(dict.fromkeys(added)),
        other_model=tuple(dict.fromkeys(other_model)),
    )


def previous_decision(folder: str | Path, event_ids: Sequence[str]) -> str:
    """Earlier decision about most of these events; "" if there is none."""
    wanted = set(event_ids)
    for place in (DRAFTS, CLASSES):
        for card, members in read_cards(Path(folder) / place):
            shared = len(wanted & set(members.event_id))
            if shared >= _SAME * len(wanted):
                return _told(card, shared, len(wanted))
    return ""


def read_cards(folder: Path) -> Iterator[tuple[ClassCard, ClassEvents]]:
    """Read the cards in one folder of a user's catalogue with the events of each.

    Raises:
        CatalogError: a card is wrong or its events cannot be read.
    """
    for path in sorted(folder.glob("*.toml")):
        yield read_card(path), read_events(path.with_suffix(".h5"), ClassEvents)


def read_events(path: Path, record: type[AnyRecord]) -> AnyRecord:
    """Read the columns of the events of a class that `record` has.

    Raises:
        CatalogError: they cannot be read.
    """
    try:
        return record.read(path)
    except InputError as error:
        raise CatalogError(
            "the codes of this class cannot be read",
            where=path,
            found=error.problem,
            remedy="Propose the candidate again from its run.",
        ) from error


def _told(card: ClassCard, shared: int, total: int) -> str:
    events = f"{shared} of these {total} events"
    if not card.decisions:
        return f"{events} are drafted as {card.name}."
    last = card.decisions[-1]
    note = f": {last.note}" if last.note else "."
    return f"{events} were {last.action} as {card.name} by {last.reviewer} on {last.date}{note}"
