"""The head of an adapted model: what names its codes.

A head that learnt from simulated events is not learnt anew from the few that are simulated
here. The known events that it keeps are carried over into the new codes, and teach again
beside them; labels of real events teach as a linear head on all of these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from glitchvae.adapting.events import folds_of
from glitchvae.classes.catalog import read_catalog
from glitchvae.classes.prototypes import ENOUGH_REAL, Prototypes
from glitchvae.probes import ChosenHead, choose_head
from glitchvae.probes.heads import IN_NO_FOLD, fit_temperature, tempered

PENALTIES = (1e-3,)
"""Of a linear head; 1e-2 names real events as well and simulated ones 2 points worse."""

REAL_WEIGHTS = (3.0, 10.0, 30.0)
"""Known events that a labelled one of the archive weighs, which `probes.choose_head` tries."""

_TAUGHT = 400  # known events a class that teach a linear head
_HELD_OUT = 5  # of so many known events of a class one is for calibration

Codes = NDArray[np.floating]
Names = NDArray[np.object_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Codes of events whose class is known without the archive: what its heads learnt from.

    Attributes:
        codes: (M, Z).
        labels: (M,) class names.
    """

    codes: NDArray[np.float64]
    labels: Names


@dataclass(frozen=True, kw_only=True, eq=False)
class NewHead:
    """A head and how it came about.

    Attributes:
        prototypes: The head, with the bands of the catalogue.
        chosen: The linear head in it, where labels taught one.
        background: Real events that novelty is measured against; 0: those of before.
    """

    prototypes: Prototypes
    chosen: ChosenHead | None
    background: int


def known_events(prototypes: Prototypes) -> Known:
    """The known events that a head keeps; the centres of a class of which it keeps none."""
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
    """Known events in the codes of a model that went on from the one they are codes of.

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
        background: (B, Z) codes of events of the archive that taught nothing.
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
    chosen = None
    if len(real.labels):
        for name in sorted(set(real.labels)):  # a centre of real events, for novelty, too
            if same_codes or name not in head.names:
                head = head.with_class(name, real.codes[real.labels == name], seed=seed)
        few = _few_of_each(np.where(spare, "", labels), _TAUGHT, rng)
        fold = folds_of(gps, rng, min(5, max(2, len(real.labels))))
        chosen = choose_head(
            np.concatenate([codes[few], real.codes]),
            np.concatenate([labels[few], real.labels]),
            np.concatenate([np.full(len(few), IN_NO_FOLD), fold]),
            penalties=PENALTIES,
            real_weights=REAL_WEIGHTS,
        )
        chosen = _calibrated(chosen, real.labels, codes[spare], labels[spare])
        line = chosen.head
        slopes = line.slopes / line.scale[:, None] / line.temperature
        offsets = line.offsets / line.temperature - line.centre @ slopes
        head = head.with_functions(line.names, slopes, offsets)
    enough = len(background) >= ENOUGH_REAL
    if enough:
        head = head.with_background(background)
    return NewHead(
        prototypes=head.in_catalog(read_catalog()),
        chosen=chosen,
        background=len(background) if enough else 0,
    )


def _calibrated(chosen: ChosenHead, labels: Names, codes: Codes, names: Names) -> ChosenHead:
    """A linear head whose temperature is that of real and of spare known events together.

    A few real events, all named rightly by fold, would call for any certainty.

    Args:
        chosen: The head.
        labels: (R,) of the real events.
        codes: (S, Z) of known events that taught it nothing.
        names: (S,) their classes.
    """
    plain = replace(chosen.head, temperature=1.0)
    real = tempered(chosen.probabilities, 1 / chosen.head.temperature)
    found = np.concatenate([real, plain.probabilities(codes)])
    temperature = fit_temperature(found, np.concatenate([labels, names]), plain.names)
    return replace(
        chosen,
        head=replace(plain, temperature=temperature),
        probabilities=tempered(real, temperature),
    )


def _spare(labels: Names, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) one in five events of each class, for calibration."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order].astype(str), kind="stable")]
    spare = np.zeros(len(labels), dtype=bool)
    spare[order[_HELD_OUT - 1 :: _HELD_OUT]] = True
    return spare


def _few_of_each(labels: Names, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of at most so many events of each class."""
    order = rng.permutation(len(labels))
    rows = [order[labels[order] == name][:most] for name in sorted(set(labels) - {""})]
    return np.sort(np.concatenate(rows))
