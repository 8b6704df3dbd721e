"""The classification head of an adapted model.

A head that learnt from simulated events is not learnt anew from the few that are simulated
here. The known events that it keeps are carried over into the new codes, and teach again
beside them. A linear head learns on all of these, from the labels of real events, and from the
names of those without one that are surest (self-training: Lee 2013, "Pseudo-label: the simple
and efficient semi-supervised learning method for deep neural networks").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from glitchvae.adapting.events import folds_of
from glitchvae.classes.catalog import read_catalog
from glitchvae.classes.prototypes import ENOUGH_REAL, Prototypes
from glitchvae.probes import ChosenHead, LinearHead, choose_head, fit_head
from glitchvae.probes.heads import IN_NO_FOLD, fit_temperature, tempered

PENALTIES = (1e-3,)
"""Of a linear head; 1e-2 names real events as well and simulated ones 2 points worse."""

REAL_WEIGHTS = (3.0, 10.0, 30.0)
"""Weights of a labelled event of the archive, in known events, that `probes.choose_head` tries;
they are reduced where all labelled events together would outweigh the known ones."""

SURE, SURE_BY_LABELS = 0.5, 0.8
"""Least probability of the class of an unlabelled event that is used in a fit: by the original
head, and by one fitted to labels of the archive. Chosen on 272 open O3 and 81 O1/O2 events."""

SURE_WEIGHT = 10.0
"""Weight of such an event, in known events."""

_TAUGHT = 400  # known events a class that teach a linear head
_HELD_OUT = 5  # of so many known events of a class one is for calibration

Codes = NDArray[np.floating]
Names = NDArray[np.object_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Codes of events of known class, from which the head of the original model was fitted.

    Attributes:
        codes: (M, Z).
        labels: (M,) class names.
    """

    codes: NDArray[np.float64]
    labels: Names


@dataclass(frozen=True, kw_only=True, eq=False)
class Unlabelled:
    """Events of the archive without a label.

    Attributes:
        codes: (U, Z) by the model now.
        names: (U,) as the head before names them.
        probability: (U,) of that name.
    """

    codes: NDArray[np.float64]
    names: Names
    probability: NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class NewHead:
    """A head and the settings and scores of its fit.

    Attributes:
        prototypes: The head, with the bands of the catalogue.
        chosen: How heads by fold did, where labels taught.
        self_taught: Events without a label whose name taught.
        background: Real events that novelty is measured against; 0: those of before.
    """

    prototypes: Prototypes
    chosen: ChosenHead | None
    self_taught: int
    background: int


def known_events(prototypes: Prototypes) -> Known:
    """Reference events kept in a head; class centres for classes without reference events."""
    names = np.array(prototypes.names, dtype=object)
    owners = prototypes.reference_owners
    if prototypes.reference is None or owners is None:
        return Known(codes=prototypes.centres, labels=names[prototypes.owners])
    alone = ~np.isin(prototypes.owners, owners)
    return Known(
        codes=np.concatenate([prototypes.reference, prototypes.centres[alone]]).astype(np.float64),
        labels=np.concatenate([names[owners], names[prototypes.owners[alone]]]),
    )


def carry_over(known: Known, before: Codes, after: Codes, rng: np.random.Generator) -> Known:
    """Map known events from the codes of the original model to those of the adapted one.

    A linear map from the codes of pictures before to those after; what it leaves over of those
    pictures is added at random, so that the classes stay as wide as they are.

    Args:
        known: By the model before.
        before: (N, Z) codes of some pictures, by the model before.
        after: (N, Z) of the same pictures, by the model that went on.
        rng: Draws what is left over.
    """
    if np.array_equal(before, after):
        return known
    line = Ridge(alpha=1.0).fit(before, after)
    left = after - line.predict(before)
    codes = line.predict(known.codes) + left[rng.integers(len(left), size=len(known.codes))]
    return Known(codes=np.asarray(codes, dtype=np.float64), labels=known.labels)


def fit_new_head(
    start: Prototypes,
    known: Known,
    simulated: Known,
    real: Known,
    gps: NDArray[np.float64],
    unlabelled: Unlabelled,
    background: Codes,
    *,
    same_codes: bool,
    seed: int,
) -> NewHead:
    """The head of an adapted model.

    Args:
        start: The head before.
        known: Known events of before, in the codes of now.
        simulated: Simulated events.
        real: Labelled events of the archive; there may be none.
        gps: (R,) their times: a block of time is in one fold.
        unlabelled: Events of the archive whose names may teach.
        background: (B, Z) codes of events of the archive that novelty did not learn from.
        same_codes: Whether the weights stayed: then so do the centres.
        seed: Of all that is drawn.

    Raises:
        InputError: a code that is not finite.
    """
    rng = np.random.default_rng(seed)
    codes = np.concatenate([known.codes, simulated.codes])
    labels = np.concatenate([known.labels, simulated.labels])
    spare = _spare(labels, rng)
    head = start
    if not same_codes:
        every = np.concatenate([codes[~spare], real.codes])
        names = np.concatenate([labels[~spare], real.labels])
        head = Prototypes.fit(every, names, held_out=(codes[spare], labels[spare]), seed=seed)
    for name in sorted(set(real.labels)):  # a centre of real events, for novelty, too
        if same_codes or name not in head.names:
            head = head.with_class(name, real.codes[real.labels == name], seed=seed)
    few = _few_of_each(np.where(spare, "", labels), _TAUGHT, rng)
    teachers = Known(codes=codes[few], labels=labels[few])
    chosen, found = None, np.empty((0, 0))
    if len(real.labels):
        chosen, found = _by_labels(teachers, real, gps, rng)
    sure = _surest(unlabelled, chosen, rng)
    if chosen is not None or len(sure.labels):
        line = _line(teachers, real, 1.0 if chosen is None else chosen.real_weight, sure)
        apart = line.probabilities(codes[spare])
        found = np.concatenate([found.reshape(-1, apart.shape[1]), apart])
        # A few real events, all named rightly by fold, would call for any certainty: the
        # temperature is that of real and of spare known events together.
        truth = np.concatenate([real.labels, labels[spare]])
        temperature = fit_temperature(found, truth, line.names)
        head = line.tempered(temperature).names_for(head)
        if chosen is not None:
            kept = tempered(found[: len(real.labels)], temperature)
            chosen = replace(chosen, probabilities=kept)
    enough = len(background) >= ENOUGH_REAL
    if enough:
        head = head.with_background(background)
    return NewHead(
        prototypes=head.in_catalog(read_catalog()),
        chosen=chosen,
        self_taught=len(sure.labels),
        background=len(background) if enough else 0,
    )


def _by_labels(
    teachers: Known, real: Known, gps: NDArray[np.float64], rng: np.random.Generator
) -> tuple[ChosenHead, NDArray[np.float64]]:
    """A linear head fitted to labels, and out-of-fold probabilities before temperature scaling."""
    fold = folds_of(gps, rng, min(5, len(real.labels)))
    chosen = choose_head(
        np.concatenate([teachers.codes, real.codes]),
        np.concatenate([teachers.labels, real.labels]),
        np.concatenate([np.full(len(teachers.labels), IN_NO_FOLD), fold]),
        penalties=PENALTIES,
        real_weights=tuple(
            dict.fromkeys(_at_most(w, teachers, len(real.labels)) for w in REAL_WEIGHTS)
        ),
    )
    return chosen, tempered(chosen.probabilities, 1 / chosen.head.temperature)


def _surest(unlabelled: Unlabelled, chosen: ChosenHead | None, rng: np.random.Generator) -> Known:
    """Events without a label whose predicted class is most probable."""
    names, probability, least = unlabelled.names, unlabelled.probability, SURE
    if chosen is not None and len(names):
        shares = replace(chosen.head, temperature=1.0).probabilities(unlabelled.codes)
        names = np.array(chosen.head.names, dtype=object)[shares.argmax(axis=1)]
        probability, least = shares.max(axis=1), SURE_BY_LABELS
    rows = _few_of_each(np.where(probability >= least, names, ""), _TAUGHT, rng)
    return Known(codes=unlabelled.codes[rows], labels=names[rows])


def _line(teachers: Known, real: Known, weight: float, sure: Known) -> LinearHead:
    parts = (teachers, real, sure)
    weights = (1.0, weight, _at_most(SURE_WEIGHT, teachers, len(sure.labels)))
    return fit_head(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.repeat(weights, [len(part.labels) for part in parts]),
        penalty=PENALTIES[0],
    )


def _at_most(weight: float, teachers: Known, events: int) -> float:
    """The weight, limited so that the labelled events do not outweigh the known ones."""
    return min(weight, max(1.0, len(teachers.labels) / max(events, 1)))


def _spare(labels: Names, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) one in five events of each class, held back for calibration."""
    spare = np.zeros(len(labels), dtype=bool)
    for name in sorted(set(labels)):
        own = rng.permutation(np.flatnonzero(labels == name))
        spare[own[: len(own) // _HELD_OUT]] = True
    return spare


def _few_of_each(labels: Names, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of at most a number of events of each class, without unlabelled events."""
    order = rng.permutation(len(labels))
    rows = [order[labels[order] == name][:most] for name in sorted(set(labels) - {""})]
    return np.sort(np.concatenate([np.empty(0, np.int64), *rows]))
