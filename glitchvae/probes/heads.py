"""A linear head on codes, fitted to simulated and real labels, with out-of-fold scores.

Whoever has labels of real events has few, of some classes, beside thousands of simulated ones
of all. The head is one multinomial logistic regression on both, in which a real event weighs
as many simulated ones as the held-out real events ask for. Every fold of real events is named
by a head that saw none of it; the simulated ones are in no fold and teach all heads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from glitchvae.classes.prototypes import Prototypes
from glitchvae.config import nearest
from glitchvae.errors import InputError

IN_NO_FOLD = -1
"""Fold number of events used to fit every head but never predicted: simulated ones."""

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Penalties on half the squared slopes, in nats an event of weight one, for `choose_head`."""

REAL_WEIGHTS = (1.0, 5.0, 20.0)
"""Weights of a real event in simulated events, for `choose_head`."""

FLOOR = 1e-4
"""Least probability in a log-loss."""

Codes = NDArray[np.floating]
Labels = NDArray[np.object_]
Weights = NDArray[np.floating]
Folds = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearHead:
    """Class probabilities of codes: softmax(((codes - centre) / scale) @ slopes + offsets).

    Attributes:
        names: (K,) classes, sorted.
        centre: (Z,) weighted mean of the codes it was fitted to.
        scale: (Z,) their weighted standard deviation, one where they do not vary.
        slopes: (Z, K).
        offsets: (K,).
        temperature: Divisor of the scores.
    """

    names: tuple[str, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]
    temperature: float = 1.0

    def log_probabilities(self, codes: Codes) -> NDArray[np.float64]:
        """Logarithms of the probabilities of all classes (N, K); NaN for codes that are NaN."""
        scores = (np.asarray(codes, dtype=np.float64) - self.centre) / self.scale @ self.slopes
        return log_softmax((scores + self.offsets) / self.temperature, axis=1)

    def probabilities(self, codes: Codes) -> NDArray[np.float64]:
        """(N, K) probabilities of all classes; rows add up to one."""
        return np.exp(self.log_probabilities(codes))

    def tempered(self, temperature: float) -> LinearHead:
        """The head with another temperature."""
        return replace(self, temperature=temperature)

    def names_for(self, prototypes: Prototypes) -> Prototypes:
        """Prototypes that classify by this head.

        Raises:
            InputError: they are of other classes or codes of another size.
        """
        if prototypes.names != self.names:
            differ = sorted({*prototypes.names} ^ {*self.names})
            raise InputError(
                "the head is of other classes", where=", ".join(differ), expected=prototypes.names
            )
        slopes = self.slopes / self.scale[:, None]
        return prototypes.with_linear(slopes, self.offsets - self.centre @ slopes, self.temperature)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenHead:
    """A head fitted to all events, and the out-of-fold scores of the settings tried.

    Attributes:
        head: Fitted to all labelled events, its temperature to the held-out probabilities.
        penalty: Chosen one.
        real_weight: Chosen one.
        rows: (M,) events that are in a fold.
        probabilities: (M, K) of their classes, each by a head that saw nothing of its fold.
        log_losses: Mean log-loss of the labelled ones by (penalty, real weight), before the
            temperature.
    """

    head: LinearHead
    penalty: float
    real_weight: float
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    log_losses: dict[tuple[float, float], float]


def fit_head(
    codes: Codes, labels: Labels, weights: Weights | None = None, *, penalty: float = 1e-3
) -> LinearHead:
    """Fit a linear head by weighted maximum likelihood.

    Args:
        codes: (N, Z), finite.
        labels: (N,) class names; events labelled "" teach nothing.
        weights: (N,) above zero, how many events each one counts for; one unless given.
        penalty: Of half the squared slopes, per event of weight one.

    Raises:
        InputError: lengths differ, a code that is not finite, a weight that is not above
            zero, or fewer than two classes.
    """
    codes, labels, weights = _checked(codes, labels, weights)
    taught = labels != ""
    codes, labels, weights = codes[taught], labels[taught], weights[taught]
    names = tuple(np.unique(labels.astype(str)).tolist())
    if len(names) < 2:
        raise InputError(
            "a head needs at least two classes",
            where="labels",
            expected="at least two classes",
            found=", ".join(names) or "no label",
        )
    centre = np.average(codes, axis=0, weights=weights)
    spread = np.sqrt(np.average((codes - centre) ** 2, axis=0, weights=weights))
    scale = np.where(spread > 1e-12, spread, 1.0)
    model = LogisticRegression(C=1 / (penalty * weights.sum()), max_iter=2000, tol=1e-6)
    fitted: Any = model.fit((codes - centre) / scale, labels.astype(str), sample_weight=weights)
    slopes, offsets = fitted.coef_.T, fitted.intercept_
    if len(names) == 2:  # scikit-learn gives the second against the first
        slopes, offsets = np.hstack([0 * slopes, slopes]), np.array([0.0, offsets[0]])
    return LinearHead(names=names, centre=centre, scale=scale, slopes=slopes, offsets=offsets)


def probabilities_by_fold(
    codes: Codes,
    labels: Labels,
    fold: Folds,
    weights: Weights | None = None,
    *,
    names: Sequence[str],
    penalty: float = 1e-3,
) -> NDArray[np.float64]:
    """Class probabilities of the events of each fold by a head fitted to the other folds.

    Args:
        codes: (N, Z), finite.
        labels: (N,) class names, "" where not known: such events are named and teach nothing.
        fold: (N,) from 0 on, or `IN_NO_FOLD`.
        weights: (N,) above zero.
        names: (K,) classes of the columns; one that no other fold has is never named.
        penalty: As of `fit_head`.

    Returns:
        (M, K) of the events that are in a fold, in their order.

    Raises:
        InputError: as `fit_head`, or no event is in a fold.
    """
    codes, labels, weights = _checked(codes, labels, weights)
    rows = _rows_in_folds(fold, len(codes))
    found = np.zeros((len(codes), len(names)))
    for number in np.unique(fold[rows]):
        own = fold == number
        head = fit_head(codes[~own], labels[~own], weights[~own], penalty=penalty)
        columns = [list(names).index(name) for name in head.names]
        found[np.ix_(own, columns)] = head.probabilities(codes[own])
    return found[rows]


def choose_head(
    codes: Codes,
    labels: Labels,
    fold: Folds,
    *,
    penalties: Sequence[float] = PENALTIES,
    real_weights: Sequence[float] = REAL_WEIGHTS,
    known: Collection[str] | None = None,
) -> ChosenHead:
    """Choose the settings of least out-of-fold log-loss on real events, then fit to all events.

    The settings are few, but they are chosen by the same folds that the probabilities are of:
    those are a little too good. Events locked away from the choice tell by how much.

    Args:
        codes: (N, Z), finite.
        labels: (N,) class names, "" where not known.
        fold: (N,) fold of each real event, `IN_NO_FOLD` of simulated ones.
        penalties: To try.
        real_weights: To try.
        known: Classes that labels may be of; any unless given.

    Raises:
        InputError: as `probabilities_by_fold`; a label that is no known class; no labelled event
            is in a fold.
    """
    codes, labels, _ = _checked(codes, labels, None)
    _check_known(labels, known)
    rows = _rows_in_folds(fold, len(codes))
    names = tuple(np.unique(labels[labels != ""].astype(str)).tolist())
    asked = labels[rows]
    if not (asked != "").any():
        raise InputError("no labelled event is in any fold", where="fold", expected="at least one")
    tried: dict[tuple[float, float], NDArray[np.float64]] = {}
    for weight in real_weights:
        weights = np.where(fold == IN_NO_FOLD, 1.0, weight)
        for penalty in penalties:
            tried[penalty, weight] = probabilities_by_fold(
                codes, labels, fold, weights, names=names, penalty=penalty
            )
    losses = {each: log_loss(found, asked, names) for each, found in tried.items()}
    best = min(losses, key=lambda each: losses[each])
    temperature = fit_temperature(tried[best], asked, names)
    weights = np.where(fold == IN_NO_FOLD, 1.0, best[1])
    head = fit_head(codes, labels, weights, penalty=best[0])
    return ChosenHead(
        head=replace(head, temperature=temperature),
        penalty=best[0],
        real_weight=best[1],
        rows=rows,
        probabilities=tempered(tried[best], temperature),
        log_losses=losses,
    )


def log_loss(probabilities: NDArray[np.float64], labels: Labels, names: Sequence[str]) -> float:
    """Mean of -log p of the label, in nats, with p at least `FLOOR`; without events labelled ""."""
    p, right = _labelled(probabilities, labels, names)
    return float(-np.log(np.maximum(p[right], FLOOR)).mean())


def brier_score(probabilities: NDArray[np.float64], labels: Labels, names: Sequence[str]) -> float:
    """Brier score (Brier 1950): mean squared error of probabilities over all classes, 0 to 2."""
    p, right = _labelled(probabilities, labels, names)
    return float(((p - right) ** 2).sum(axis=1).mean())


def fit_temperature(
    probabilities: NDArray[np.float64], labels: Labels, names: Sequence[str]
) -> float:
    """The temperature, from 1/8 to 8, of least log-loss on held-out probabilities."""
    found: Any = minimize_scalar(
        lambda power: log_loss(tempered(probabilities, float(np.exp(power))), labels, names),
        bounds=(-np.log(8), np.log(8)),
        method="bounded",
    )
    return float(np.exp(found.x))


def tempered(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities (N, K) to the power 1 / temperature, normalised again; zeros stay 0."""
    with np.errstate(divide="ignore"):
        return np.exp(log_softmax(np.log(probabilities) / temperature, axis=1))


def _labelled(
    probabilities: NDArray[np.float64], labels: Labels, names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities (M, K) of the labelled events, and a mask of their true class."""
    known = labels != ""
    return probabilities[known], labels[known].astype(str)[:, None] == np.asarray(names)


def _rows_in_folds(fold: Folds, count: int) -> NDArray[np.int64]:
    if fold.shape != (count,):
        raise InputError(
            "the number of folds differs from the number of events",
            expected=(count,),
            found=fold.shape,
        )
    rows = np.flatnonzero(fold >= 0)
    if len(rows) == 0:
        raise InputError(
            "no event to hold out",
            where="fold",
            expected="real events in folds from 0 on",
            found=f"{count} events in none",
        )
    return rows


def _check_known(labels: Labels, known: Collection[str] | None) -> None:
    if known is None:
        return
    unknown = sorted(set(labels[labels != ""]) - set(known))
    if unknown:
        raise InputError(
            f"a label is not a known class{nearest(unknown[0], sorted(known))}",
            where=f"row {int(np.flatnonzero(labels == unknown[0])[0])}",
            found=unknown[0],
        )


def _checked(
    codes: Codes, labels: Labels, weights: Weights | None
) -> tuple[NDArray[np.float64], Labels, NDArray[np.float64]]:
    codes, labels = np.asarray(codes, dtype=np.float64), np.asarray(labels, dtype=object)
    given = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=np.float64)
    if codes.ndim != 2 or labels.shape != (len(codes),) or given.shape != (len(codes),):
        raise InputError(
            "codes, labels and weights differ in length",
            expected=f"codes (N, Z), labels ({len(codes)},), weights ({len(codes)},)",
            found=(codes.shape, labels.shape, given.shape),
        )
    for name, fine in (
        ("code that is not finite", np.isfinite(codes).all(axis=1)),
        ("weight that is not above zero", np.isfinite(given) & (given > 0)),
    ):
        if not fine.all():
            row = int(np.flatnonzero(~fine)[0])
            raise InputError(
                f"a {name}", where=f"row {row}", remedy="Leave this event out, and those like it."
            )
    return codes, labels, given
