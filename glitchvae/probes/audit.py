"""Audit of labels by a head that was fitted without the event and its block of time.

Whoever reads them decides: some labels are wrong, some glitches are of two classes, and some the
head does not understand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.classes.prototypes import Prototypes
from glitchvae.dataset import fold_by_time_blocks
from glitchvae.errors import InputError
from glitchvae.probes.events import ProbeSet
from glitchvae.probes.heads import IN_NO_FOLD, probabilities_by_fold

FOLDS = 5
WEIGHT = 10.0
"""Weight of a labelled event in the heads, in known events of the model."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A label that the head contradicts.

    Attributes:
        row: Of the events.
        label: What it says.
        suggested: Class that the head gives.
        of_label: Probability of the label.
        of_suggested: Probability of that class.
    """

    row: int
    label: str
    suggested: str
    of_label: float
    of_suggested: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelAudit:
    """Every label beside the out-of-fold prediction of a head.

    Attributes:
        names: (K,) classes.
        probabilities: (N, K).
        fold: (N,) fold of each event.
        blocks: Whether folds are of whole blocks of time; else events are dealt at random.
        doubts: Labels that are contradicted, the surest first.
    """

    names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    fold: NDArray[np.int64]
    blocks: bool
    doubts: tuple[Doubt, ...]


def audit_labels(
    events: ProbeSet, *, known: Prototypes | None = None, block: float = 86400.0, seed: int = 0
) -> LabelAudit:
    """Predict every event by a linear head on codes fitted to other blocks of time.

    Args:
        events: N labelled events.
        known: Head of the model of the codes, whose known events teach as well: then a
            class with one labelled event can be named.
        block: Seconds that stay in one fold; events are dealt at random where not all times are
            known, or where there are fewer blocks than folds.
        seed: Of the folds.

    Raises:
        InputError: fewer than two labelled events, or of one class alone without `known`.
    """
    if len(events) < 2:
        raise InputError(
            "too few labelled events to audit", expected="at least 2", found=len(events)
        )
    rng = np.random.default_rng(seed)
    folds = min(FOLDS, len(events))
    blocks = len(np.unique(np.floor(events.gps / block))) >= folds
    blocks &= bool(np.isfinite(events.gps).all())
    if blocks:
        fold = fold_by_time_blocks(events.gps, rng, folds=folds, block=block)
    else:
        fold = rng.permutation(len(events)) % folds
    codes, labels = [events.codes], [events.label]
    if known is not None and known.reference is not None and known.reference_owners is not None:
        codes.append(known.reference)
        labels.append(np.array(known.names, dtype=object)[known.reference_owners])
    apart = sum(map(len, codes)) - len(events)
    every = np.concatenate(labels)
    names = tuple(np.unique(every.astype(str)).tolist())
    found = probabilities_by_fold(
        np.concatenate(codes),
        every,
        np.concatenate([fold, np.full(apart, IN_NO_FOLD)]),
        np.concatenate([np.full(len(events), WEIGHT if apart else 1.0), np.ones(apart)]),
        names=names,
    )
    return LabelAudit(
        names=names,
        probabilities=found,
        fold=fold,
        blocks=blocks,
        doubts=_doubts(found, events.label, names),
    )


def _doubts(
    found: NDArray[np.float64], labels: NDArray[np.object_], names: Sequence[str]
) -> tuple[Doubt, ...]:
    said = found.argmax(axis=1)
    own = np.searchsorted(list(names), labels.astype(str))
    rows = np.flatnonzero(said != own)
    doubts = [
        Doubt(
            row=int(row),
            label=str(labels[row]),
            suggested=str(names[int(said[row])]),
            of_label=float(found[row, own[row]]),
            of_suggested=float(found[row, said[row]]),
        )
        for row in rows
    ]
    return tuple(sorted(doubts, key=lambda d: (d.of_label - d.of_suggested, d.row)))
