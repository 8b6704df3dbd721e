"""The claims of "Disentangling improves VAEs' robustness", and what trained models say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.statistics import Claim, claims_markdown, paired_difference
from glitchvae.validation.robustness.measuring import Robustness

KINDS = {"tc": "beta-TCVAE", "tc-dlgm": "beta-TCDLGM", "seatbelt": "Seatbelt-VAE"}
"""Objectives of a study; with one layer and beta 1 the first is the plain VAE, bit by bit."""


class Cell(NamedTuple):
    """One model of a study.

    Attributes:
        kind: One of `KINDS`.
        layers: L.
        beta: Weight of the total correlation.
        seed: Of its training.
    """

    kind: str
    layers: int
    beta: float
    seed: int

    @property
    def name(self) -> str:
        """Without spaces, for a folder."""
        return f"{self.kind}-L{self.layers}-beta{self.beta:g}-seed{self.seed}"

    @property
    def family(self) -> str:
        """What it is apart from beta and seed."""
        return KINDS[self.kind] + (f", L = {self.layers}" if self.layers > 1 else "")

    @property
    def label(self) -> str:
        """What it is apart from the seed."""
        plain = self.layers == 1 and self.beta == 1
        return "plain VAE" if plain else f"{self.family}, beta = {self.beta:g}"


Found = Mapping[Cell, Robustness]
Shortfalls = Mapping[Cell, Sequence[str]]
"""What the training of a model fell short of, as its card says; models without may be absent."""


class Models(NamedTuple):
    """Models of one kind and depth.

    Attributes:
        measured: What was found of them, by beta and seed.
        names: Theirs, of those whose training fell short.
    """

    measured: Mapping[tuple[float, int], Robustness]
    names: Mapping[tuple[float, int], str]

    def short_at(self, *betas: float) -> list[str]:
        """Names of those of some betas whose training fell short."""
        return [name for (beta, _), name in self.names.items() if beta in betas]


Measure = Callable[[Robustness], NDArray[np.floating]]
"""(n,) of a model: one number, or one for each attacked pair."""


def judge(found: Found, shortfalls: Shortfalls | None = None) -> list[Claim]:
    """The paper's claims, every depth of Seatbelt-VAE apart.

    Differences are paired: the same seed, the same attacked images.

    Args:
        found: Every model and what was measured of it; beta-TCVAE and Seatbelt at the same
            betas, of which one is 1, and the same seeds.
        shortfalls: Of their trainings.
    """
    weak, strong = min(betas := {cell.beta for cell in found}), max(betas)
    short = shortfalls or {}
    shallow = _of(found, short, "tc", 1)
    claims = [_gains(f"beta-TCVAE, beta = {strong:g},", shallow, weak, strong)]
    for depth in sorted({cell.layers for cell in found if cell.kind == "seatbelt"}):
        name, deep = f"Seatbelt-VAE, L = {depth},", _of(found, short, "seatbelt", depth)
        claims += _claims_of(name, deep, shallow, weak, strong)
    return claims


def _claims_of(name: str, deep: Models, shallow: Models, weak: float, strong: float) -> list[Claim]:
    """What is claimed of one depth of Seatbelt-VAE."""
    falls = _rise(deep, weak, strong, _elbo) - _rise(shallow, weak, strong, _elbo)
    beside = f"from beta {weak:g} to {strong:g} than that of beta-TCVAE (nats)"
    best, kept = f"{name} beta = {strong:g},", -_between(deep, strong, shallow, weak, _drop)
    every = [*deep.short_at(weak, strong), *shallow.short_at(weak, strong)]

    def short_of_both(beta: float) -> list[str]:
        return [*deep.short_at(strong), *shallow.short_at(beta)]

    return [
        _claim(f"the ELBO of {name} falls less {beside}", falls, every),
        _gains(best, deep, weak, strong),
        *(
            _claim(
                f"{best} {what} {other}",
                _between(deep, strong, shallow, beta, measure),
                short_of_both(beta),
            )
            for what, measure in _HARDER.items()
            for other, beta in (("the plain VAE", weak), ("beta-TCVAE", strong))
        ),
        _claim(
            f"{best} loses less likelihood to noise than the plain VAE (nats)",
            kept,
            short_of_both(weak),
        ),
    ]


def report(found: Found, shortfalls: Shortfalls | None = None) -> str:
    """The claims as a table, what trainings fell short of, and the layer that carries least."""
    rate, layer, cell = lowest_rate(found)
    least = f"Least KL of a layer: {rate:.2f} nats (z{layer} of {cell.name}).\n"
    short = [
        f"- {cell.name}: {each}\n" for cell, said in (shortfalls or {}).items() for each in said
    ]
    told = "".join(["Trainings that fell short:\n\n", *short, "\n"]) if short else ""
    return f"{claims_markdown(judge(found, shortfalls))}\n{told}{least}"


def over_seeds(
    found: Found, measure: Callable[[Robustness], Sequence[float]]
) -> list[tuple[object, ...]]:
    """Kind, layers, beta of each model, and mean, lowest and highest over its seeds.

    Args:
        found: Models and what was measured of them.
        measure: Some numbers of a model; each gives three columns.
    """
    rows: dict[tuple[str, int, float], list[Sequence[float]]] = {}
    for cell, one in found.items():
        rows.setdefault(cell[:3], []).append(measure(one))
    return [
        (*model, *(f(seeds) for seeds in zip(*values, strict=True) for f in (np.mean, min, max)))
        for model, values in rows.items()
    ]


def lowest_rate(found: Found) -> tuple[float, int, Cell]:
    """The least KL of any layer of any hierarchy, which layer (from 1), and of which model."""
    return min(
        (rate, layer, cell)
        for cell, one in found.items()
        if cell.layers > 1
        for layer, rate in enumerate(one.evidence.rates, start=1)
    )


def _gains(text: str, models: Models, weak: float, strong: float) -> Claim:
    return _claim(
        f"{text} is harder to attack than with beta = {weak:g}",
        _rise(models, weak, strong, _mean_relative_divergence),
        models.short_at(weak, strong),
    )


def _of(found: Found, shortfalls: Shortfalls, kind: str, layers: int) -> Models:
    same = [cell for cell in found if (cell.kind, cell.layers) == (kind, layers)]
    return Models(
        {(cell.beta, cell.seed): found[cell] for cell in same},
        {(cell.beta, cell.seed): cell.name for cell in same if shortfalls.get(cell)},
    )


def _elbo(one: Robustness) -> NDArray[np.floating]:
    return np.array([one.evidence.elbo])


def _mean_relative_divergence(one: Robustness) -> NDArray[np.floating]:
    """Share of the divergence that is left."""
    return one.mean_relative_divergence


def _half_divergence_norm(one: Robustness) -> NDArray[np.floating]:
    """Perturbation that takes half of the divergence."""
    return one.half_divergence_norm


def _drop(one: Robustness) -> NDArray[np.floating]:
    return np.array([one.loglik_drop])


_HARDER: dict[str, Measure] = {
    "is harder to attack than": _mean_relative_divergence,
    "takes a larger perturbation than": _half_divergence_norm,
}


def _rise(models: Models, weak: float, strong: float, measure: Measure) -> NDArray[np.floating]:
    """(seeds, n) from a weak beta to a strong one."""
    return _between(models, strong, models, weak, measure)


def _between(
    models: Models, beta: float, others: Models, other_beta: float, measure: Measure
) -> NDArray[np.floating]:
    """(seeds, n) how much more models measure than others do."""
    mine, theirs = models.measured, others.measured
    seeds = sorted({seed for _, seed in mine})
    return np.stack([measure(mine[beta, s]) - measure(theirs[other_beta, s]) for s in seeds])


def _claim(text: str, differences: NDArray[np.floating], fell_short: Sequence[str]) -> Claim:
    """A claim of differences (seeds, pairs): seeds and pairs are both a sample."""
    found = paired_difference(differences, np.zeros_like(differences))
    return Claim(text=text, found=found, fell_short=tuple(fell_short))
