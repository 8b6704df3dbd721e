"""How often names are right, beside the pixel baselines on the same events and folds."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from glitchvae.probes import brier_score, log_loss
from glitchvae.recipes import Row, plain
from glitchvae.statistics import binomial_interval

from .naming import Named
from .real_events import RealEvents
from .study import NamedFold

NOVEL = 0.01


def score(named: Sequence[Named], real: RealEvents) -> list[Row]:
    """Accuracy by file and class with exact 90 % intervals, log-loss and Brier score by file.

    Codes stand beside the best of the pixel baselines: the share by which they are ahead, and
    the exact two-sided p-value of McNemar's test on the events that one of both named rightly.
    """
    rows: list[Row] = []
    for source in dict.fromkeys(real.source):
        own = real.source == source
        label = real.label[own]
        classes, counts = np.unique(label.astype(str), return_counts=True)
        for each in named:
            what, right = f"{each.column}, {source}", each.said[own] == label
            rows.append(_share(what, "accuracy", right))
            rows += [_share(what, name, right[label == name]) for name in classes[counts > 1]]
            alone = np.isin(label, classes[counts == 1])
            rows += [_share(what, "classes with one event", right[alone])] if alone.any() else []
            given = each.probabilities[own], label, each.names
            rows.append(plain(what, "log-loss", log_loss(*given)))
            rows.append(plain(what, "Brier score", brier_score(*given)))
        for views in dict.fromkeys(each.views for each in named):
            right = {e.method: e.said[own] == label for e in named if e.views == views}
            codes, pixels = right.pop("codes"), max(right.values(), key=lambda r: r.mean())
            what = f"codes against the best pixels, {views}, {source}"
            rows.append(plain(what, "points ahead", 100 * (codes.mean() - pixels.mean())))
            one, other = int((codes & ~pixels).sum()), int((pixels & ~codes).sum())
            p = float(binomtest(one, one + other).pvalue) if one + other else 1.0
            rows.append(plain(what, "p", p))
    return rows


def score_novelty(folds: Sequence[NamedFold], real: RealEvents) -> list[Row]:
    """How many held-out events are called novel at a promised share of one in a hundred.

    The background of an event are the events of the other folds, each at the distance that the
    model of its own fold gave it.
    """
    novel = np.zeros(len(real.label), dtype=bool)
    for each in folds:
        others = [one for one in folds if one is not each]
        known = np.concatenate([one.distances[real.taught[one.rows]] for one in others])
        as_far = (known >= each.distances[:, None]).sum(axis=1)
        novel[each.rows] = (as_far + 1) / (len(known) + 1) <= NOVEL
    return [
        _share(f"novelty_p at most {NOVEL:g}, {source}", "share", novel[real.source == source])
        for source in dict.fromkeys(real.source)
    ]


def _share(what: str, measure: str, right: np.ndarray) -> Row:
    low, high = binomial_interval(int(right.sum()), len(right))
    return what, measure, float(right.mean()), float(low), float(high)
