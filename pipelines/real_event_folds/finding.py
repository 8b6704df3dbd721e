"""Discovery among real events: nothing where all are known, a class where one is not."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from glitchvae.discovery import discover
from glitchvae.embedding import encode_spectrograms, name_classes

from .real_events import RealEvents
from .study import FoldSettings, NamedFold

FOUND = (
    "fold",
    "events",
    "candidate",
    "members",
    "mostly",
    "purity",
    "completeness",
    "p_value",
    "verdict",
)


def look_for_classes(
    folds: Sequence[NamedFold], real: RealEvents, settings: FoldSettings
) -> Iterator[tuple]:
    """Candidates among the events of each fold and those of the classes that nobody saw.

    The model, the head and the background of novelty are of the other folds. There is no strain
    behind published images, so that no known class is rendered where the events are: a group of a
    known class, displaced, comes out as a candidate.
    """
    held = np.isin(real.label.astype(str), settings.without)
    taught = [each for each in folds if real.taught[each.rows].all()]
    for number, each in enumerate(taught):
        others = [one.distances for one in taught if one is not each]
        head = each.head.with_background_distances(np.concatenate(others))
        rows = np.concatenate([each.rows, np.flatnonzero(held)])
        events = encode_spectrograms(real.images.take(rows), each.model)
        search = settings.search.model_copy(update={"seed": settings.seed})
        found = discover(name_classes(events, head), head, search)
        label = real.label[rows]
        for candidate in found.candidates:
            inside = label[candidate.members]
            ((most, count),) = Counter(inside.tolist()).most_common(1)
            shares = count / len(inside), count / int((label == most).sum())
            yield (
                number,
                len(rows),
                candidate.name,
                len(inside),
                most,
                *(round(share, 3) for share in shares),
                float(f"{candidate.p_value:.2g}"),
                candidate.verdict,
            )
        if not found.candidates:
            yield number, len(rows), "none", 0, *[""] * 5


def show_found(row: tuple) -> tuple:
    """A row, printed."""
    print(" | ".join(map(str, row)))
    return row
