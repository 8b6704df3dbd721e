"""Results of measurements: records that print themselves and convert to tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.api.tables import text_table
from glitchvae.config import nearest
from glitchvae.dataset import SPLITS, SetSummary
from glitchvae.errors import InputError
from glitchvae.probes import ProbeResult
from glitchvae.probes.report import HEADER, cells
from glitchvae.store import data_frame
from glitchvae.validation.disentanglement import Score
from glitchvae.validation.robustness.attacks import Attacks

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DatasetSummary:
    """Counts of the images of a set.

    Attributes:
        title: The set in one line.
        counts: Images by (label, split), both "" where unknown.
        events: Of glitches: detectors, status, bands, times, and what was left out.
    """

    title: str
    counts: dict[tuple[str, str], int]
    events: SetSummary | None = None

    def __repr__(self) -> str:
        columns = self._columns()
        text = text_table(tuple(columns), list(zip(*columns.values(), strict=True)))
        lines = [] if self.events is None else self.events.lines()
        return "\n".join([self.title, text, *(f"{key}: {value}" for key, value in lines)])

    def to_pandas(self) -> pd.DataFrame:
        """Table with a row for each class and a column for each split."""
        return data_frame(self._columns())

    def _columns(self) -> dict[str, list[Any]]:
        labels = sorted({label for label, _ in self.counts})
        splits = [s for s in (*SPLITS, "") if any(split == s for _, split in self.counts)]
        columns: dict[str, list[Any]] = {"class": [label or "no label" for label in labels]}
        for split in splits:
            column = [self.counts.get((label, split), 0) for label in labels]
            columns[split or "no split"] = column
        return columns


@dataclass(frozen=True, repr=False)
class ProbeTable:
    """Scores of simple classifiers on codes; `print` shows the table.

    `result[method]` is the outcome of a method under the first split,
    `result[split, method]` that under another.

    Attributes:
        outcomes: One for each split and method: scores with 90 % intervals, calibration, and the
            classes that were named.
        left_out: Rows without a label or a code.
    """

    outcomes: tuple[ProbeResult, ...]
    left_out: int

    def __repr__(self) -> str:
        return text_table(HEADER, list(map(cells, self.outcomes)))

    def __getitem__(self, key: str | tuple[str, str]) -> ProbeResult:
        split, method = (self.outcomes[0].split, key) if isinstance(key, str) else key
        for outcome in self.outcomes:
            if (outcome.split, outcome.method) == (split, method):
                return outcome
        known = [f"{o.split}, {o.method}" for o in self.outcomes]
        raise InputError(f"no outcome {key!r}", expected="; ".join(known))

    def to_pandas(self) -> pd.DataFrame:
        """Table with a row for each split and method and columns for measures and intervals."""
        return data_frame(self._columns())

    def _columns(self) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {
            "split": [o.split for o in self.outcomes],
            "method": [o.method for o in self.outcomes],
            "test_events": [len(o.test) for o in self.outcomes],
        }
        for outcome in self.outcomes:
            for _, name, *interval in outcome.scores.rows(""):
                for end, value in zip(("", "_low", "_high"), interval, strict=True):
                    columns.setdefault(name + end, []).append(value)
        errors = [np.nan if o.calibration is None else o.calibration.error for o in self.outcomes]
        columns["calibration_error"] = errors
        return columns


@dataclass(frozen=True, repr=False)
class DisentanglementResult:
    """Six disentanglement metrics; `print` shows the table, `result["mig"]` is one of them.

    Attributes:
        scores: Value, 90 % interval, and the same metric of shuffled codes.
        points: Images behind them.
    """

    scores: tuple[Score, ...]
    points: int

    def __repr__(self) -> str:
        header = ("metric", "codes", "value", "low", "high", "shuffled")
        return text_table(header, [tuple(score) for score in self.scores])

    def __getitem__(self, metric: str) -> Score:
        for score in self.scores:
            if score.metric == metric:
                return score
        known = list(dict.fromkeys(score.metric for score in self.scores))
        raise InputError(f"no metric {metric!r}{nearest(metric, known)}")

    def to_pandas(self) -> pd.DataFrame:
        """Table with a row for each metric."""
        columns = zip(*self.scores, strict=True)
        return data_frame(dict(zip(Score._fields, map(list, columns), strict=True)))


@dataclass(frozen=True, repr=False)
class AttackResult:
    """Attacks by pair (P) and penalty weight (K); `print` shows means over the pairs.

    Attributes:
        attacks: The record, with a row for each pair and weight, which writes itself to HDF5.
    """

    attacks: Attacks

    def __repr__(self) -> str:
        found, weights = self.attacks, self.penalty_weights
        shown = np.unique(np.linspace(0, len(weights) - 1, _SHOWN).astype(int))
        columns = {"divergence left": (found.relative_divergence, "{:.1%}")}
        columns["|perturbation|"] = (found.distance, "{:.3g}")
        if np.isfinite(found.target_distortion).any():  # an encoder alone draws no target
            columns["-log p(target) (nats)"] = (found.target_distortion, "{:.1f}")
        means = [(found.by_pair(values).mean(axis=0), form) for values, form in columns.values()]
        header = ("penalty weight", *columns)
        rows = [(f"{weights[k]:.2g}", *(form.format(v[k]) for v, form in means)) for k in shown]
        failed = int((found.status != "ok").sum())
        title = f"{len(self.half_divergence_norm)} pairs, goal {found.goal}"
        title += f", {failed} attacks without a number" if failed else ""
        return f"{title}\n{text_table(header, rows)}"

    @property
    def penalty_weights(self) -> NDArray[np.float64]:
        """(K,) weights of the norm of a perturbation."""
        return self.attacks.by_pair(self.attacks.strength)[0]

    @property
    def relative_divergence(self) -> NDArray[np.float64]:
        """(P, K) divergence from the target over that without attack: 0 is full success."""
        return self.attacks.by_pair(self.attacks.relative_divergence)

    @property
    def perturbation_norm(self) -> NDArray[np.float64]:
        """(P, K) Euclidean norm of the perturbation, in units of a pixel's range."""
        return self.attacks.by_pair(self.attacks.distance)

    @property
    def perturbation(self) -> NDArray[np.float32]:
        """(P, K, C, H, W) perturbation of the pixels.

        Raises:
            InputError: they were not kept.
        """
        if self.attacks.perturbation is None:
            raise InputError("perturbations were not kept", remedy="Attack with keep=True.")
        shape = (*self.relative_divergence.shape, *self.attacks.perturbation.shape[1:])
        return self.attacks.perturbation.reshape(shape)

    @property
    def mean_relative_divergence(self) -> NDArray[np.float64]:
        """(P,) mean of `relative_divergence` over the weights: 1 is no effect."""
        return self.attacks.mean_relative_divergence

    @property
    def half_divergence_norm(self) -> NDArray[np.float64]:
        """(P,) norm of the perturbation that halves the divergence.

        Where no weight takes half it is that of the lowest weight, and half takes more.
        """
        return self.attacks.half_divergence_norm

    def to_pandas(self) -> pd.DataFrame:
        """Table with a row for each pair and penalty weight."""
        names = (*_COLUMNS_OF_ATTACKS, "relative_divergence")
        renamed = {name: _COLUMNS_OF_ATTACKS.get(name, name) for name in names}
        return data_frame({renamed[name]: getattr(self.attacks, name) for name in names})


_SHOWN = 10
"""Penalty weights in the table of a result."""

_COLUMNS_OF_ATTACKS = {
    "pair": "pair",
    "strength": "penalty_weight",
    "distance": "perturbation_norm",
    "divergence": "divergence",
    "clean_divergence": "clean_divergence",
    "objective": "objective",
    "target_distortion": "target_distortion",
    "target_error": "target_error",
    "clean_error": "clean_error",
    "evaluations": "evaluations",
    "converged": "converged",
    "status": "status",
}
