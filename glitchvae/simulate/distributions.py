"""Draws from the shipped tables: quantiles of each parameter, joined by a Gaussian copula."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from glitchvae import config, resources
from glitchvae.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A joint distribution of named parameters.

    Each parameter follows its own quantiles, interpolated in its logarithm where all of
    them are positive; their dependence is that of normal variates with `correlation`.

    Attributes:
        columns: (P,) names.
        levels: (L,) probabilities, ascending.
        quantiles: (P, L) values.
        correlation: (P, P) of the normal scores.
    """

    columns: tuple[str, ...]
    levels: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    correlation: NDArray[np.float64]

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Draw one value of every parameter."""
        values, vectors = np.linalg.eigh(self.correlation)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        scores = root @ rng.standard_normal(len(self.columns))
        return {
            name: self._quantile(row, score)
            for name, row, score in zip(self.columns, self.quantiles, scores, strict=True)
        }

    def _quantile(self, quantiles: NDArray[np.float64], score: float) -> float:
        """The value whose probability has the normal score `score`."""
        known = special.ndtri(self.levels)
        if quantiles.min() > 0:
            return float(np.exp(np.interp(score, known, np.log(quantiles))))
        return float(np.interp(score, known, quantiles))


@cache
def distribution(table: str, label: str) -> Distribution:
    """The distribution of `label` in a table of `glitchvae/data/simulate`.

    Raises:
        InputError: no such table or label.
    """
    path = resources.data(f"simulate/{table}.toml")
    content = config.read_toml(path)
    if label not in content["classes"]:
        raise InputError(
            f"no distribution for {label!r}", where=path, found=", ".join(content["classes"])
        )
    entry = content["classes"][label]
    return Distribution(
        columns=tuple(entry["columns"]),
        levels=np.array(content["levels"]),
        quantiles=np.array(entry["quantiles"]),
        correlation=np.array(entry["correlation"]),
    )
