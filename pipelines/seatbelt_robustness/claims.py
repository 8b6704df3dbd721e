"""The claims of "Disentangling improves VAEs' robustness", and what trained models say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from glitchvae.statistics import Claim, claims_markdown, paired_difference
from glitchvae.validation.robustness.noise import Elbo, WeightNorms

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


class Measured(Protocol):
    """What claims take of a model: see `numbers.Numbers`."""

    @property
    def evidence(self) -> Elbo: ...  # noqa: D102
    @property
    def norms(self) -> WeightNorms: ...  # noqa: D102
    @property
    def mean_relative_divergence(self) -> NDArray[np.floating]: ...  # noqa: D102
    @property
    def half_divergence_norm(self) -> NDArray[np.floating]: ...  # noqa: D102
    @property
    def loglik_drop(self) -> float: ...  # noqa: D102
    @property
    def mig_top(self) -> float: ...  # noqa: D102
    @property
    def by_layer(self) -> Mapping[int, NDArray[np.floating]]: ...  # noqa: D102


Found = Mapping[Cell, Measured]
Shortfalls = Mapping[Cell, Sequence[str]]
"""What the training of a model fell short of, as its card says; models without may be absent."""


class Models(NamedTuple):
    """Models of one kind and depth.

    Attributes:
        measured: What was found of them, by beta and seed.
        names: Theirs, of those whose training fell short.
    """

    measured: Mapping[tuple[float, int], Measured]
    names: Mapping[tuple[float, int], str]

    def short_at(self, *betas: float) -> list[str]:
        """Names of those of some betas whose training fell short."""
        return [name for (beta, _), name in self.names.items() if beta in betas]


Measure = Callable[[Measured], NDArray[np.floating]]
"""(n,) of a model: one number, or one for each attacked pair."""


def judge(found: Found, shortfalls: Shortfalls | None = None) -> list[Claim]:
    """The paper's claims, every depth of a hierarchy apart.

    Differences are paired: the same seed, the same attacked images. Seeds of which one of the
    two is missing are left out.

    Args:
        found: Every model and what was measured of it; beta-TCVAE and hierarchies at the same
            betas, of which one is 1.
        shortfalls: Of their trainings.
    """
    weak, strong = min(betas := {cell.beta for cell in found}), max(betas)
    short = shortfalls or {}
    shallow = _of(found, short, "tc", 1)
    claims = [
        _gains(f"beta-TCVAE, beta = {strong:g},", shallow, weak, strong),
        _noise_of_beta("beta-TCVAE", shallow, weak, strong, sign=1),
    ]
    for kind, depth in sorted(
        {(c.kind, c.layers) for c in found if c.kind in ("seatbelt", "tc-dlgm")}
    ):
        name, deep = f"{KINDS[kind]}, L = {depth},", _of(found, short, kind, depth)
        every = [*deep.short_at(weak, strong), *shallow.short_at(weak, strong)]
        beside = f"from beta {weak:g} to {strong:g} than that of beta-TCVAE (nats)"
        falls = _less(_rise(deep, weak, strong, _elbo), _rise(shallow, weak, strong, _elbo))
        claims.append(_claim(f"the ELBO of {name} falls less {beside}", falls, every))
        if kind == "seatbelt":
            claims += _claims_of(name, deep, shallow, weak, strong)
            claims += _norms_of(name, deep, shallow, weak, strong)
        sign = 1 if kind == "seatbelt" else -1
        claims.append(_noise_of_beta(name.rstrip(","), deep, weak, strong, sign=sign))
        claims += _layers_of(name, deep, depth, weak, strong)
    claims.append(Claim(text="the gap of the top layer falls as its size grows", found=None))
    return claims


def _claims_of(name: str, deep: Models, shallow: Models, weak: float, strong: float) -> list[Claim]:
    """What is claimed of one depth of Seatbelt-VAE beside beta-TCVAE and the plain VAE."""
    best = f"{name} beta = {strong:g},"

    def short_of_both(beta: float) -> list[str]:
        return [*deep.short_at(strong), *shallow.short_at(beta)]

    return [
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
            _times(-1, _between(deep, strong, shallow, weak, _drop)),
            short_of_both(weak),
        ),
    ]


def _noise_of_beta(name: str, models: Models, weak: float, strong: float, *, sign: int) -> Claim:
    """Of beta-TCVAE and Seatbelt-VAE less likelihood is lost, of beta-TCDLGM more."""
    what = "less" if sign > 0 else "more"
    return _claim(
        f"{name} loses {what} likelihood to noise with beta = {strong:g} than with {weak:g} (nats)",
        _times(-sign, _rise(models, weak, strong, _drop)),
        models.short_at(weak, strong),
    )


def _norms_of(name: str, deep: Models, shallow: Models, weak: float, strong: float) -> list[Claim]:
    """Table 1: with beta weights change less than those of beta-TCVAE."""
    every = [*deep.short_at(weak, strong), *shallow.short_at(weak, strong)]
    ours, theirs = (norm_changes(models, weak, strong) for models in (deep, shallow))
    return [
        _claim(
            f"from beta {weak:g} to {strong:g} the norm of the {half} of {name} changes less than "
            "that of beta-TCVAE (percent)",
            {
                seed: np.abs(theirs[seed][[k]]) - np.abs(ours[seed][[k]])
                for seed in sorted(ours.keys() & theirs.keys())
            },
            every,
        )
        for k, half in enumerate(WeightNorms._fields)
    ]


def norm_changes(models: Models, weak: float, strong: float) -> dict[int, NDArray[np.floating]]:
    """By seed (2,) the change of the norms of encoder and decoder in percent (Table 1)."""
    seeds = [s for b, s in models.measured if b == weak and (strong, s) in models.measured]
    norms = {b: {s: np.array(models.measured[b, s].norms) for s in seeds} for b in (weak, strong)}
    return {s: 100 * (norms[strong][s] / norms[weak][s] - 1) for s in sorted(seeds)}


def _layers_of(name: str, deep: Models, depth: int, weak: float, strong: float) -> list[Claim]:
    """Attacks on one layer do less, and beta keeps layers alive."""
    every = {s: one for (b, s), one in deep.measured.items() if b == strong}
    kept = {s: one.by_layer for s, one in every.items() if {0, 1, depth} <= one.by_layer.keys()}
    attacked = [
        _claim(
            f"attacks on {which} of {name} beta = {strong:g}, alone come less near to the target "
            "than on the layers that draw (nats)",
            {s: one[layer] - one[0] for s, one in sorted(kept.items())},
            deep.short_at(strong),
        )
        for which, layer in (("the base layer", 1), ("the top layer", depth))
        if kept
    ]
    least = _rise(deep, weak, strong, lambda one: np.array([min(one.evidence.rates)]))
    text = f"the layer of {name} that carries least carries more with beta = {strong:g} than with"
    return [
        *attacked,
        _claim(f"{text} {weak:g} (nats)", least, deep.short_at(weak, strong)),
    ]


def report(found: Found, shortfalls: Shortfalls | None = None) -> str:
    """The claims as a table, what trainings fell short of, and the layer that carries least."""
    least = ""
    if any(cell.layers > 1 for cell in found):
        rate, layer, cell = lowest_rate(found)
        least = f"Least KL of a layer: {rate:.2f} nats (z{layer} of {cell.name}).\n"
    short = [
        f"- {cell.name}: {each}\n" for cell, said in (shortfalls or {}).items() for each in said
    ]
    told = "".join(["Trainings that fell short:\n\n", *short, "\n"]) if short else ""
    return f"{claims_markdown(judge(found, shortfalls))}\n{told}{least}"


def over_seeds(
    found: Found, measure: Callable[[Measured], Sequence[float]]
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


def _elbo(one: Measured) -> NDArray[np.floating]:
    return np.array([one.evidence.elbo])


def _mean_relative_divergence(one: Measured) -> NDArray[np.floating]:
    """Share of the divergence that is left."""
    return one.mean_relative_divergence


def _half_divergence_norm(one: Measured) -> NDArray[np.floating]:
    """Perturbation that takes half of the divergence."""
    return one.half_divergence_norm


def _drop(one: Measured) -> NDArray[np.floating]:
    return np.array([one.loglik_drop])


_HARDER: dict[str, Measure] = {
    "is harder to attack than": _mean_relative_divergence,
    "takes a larger perturbation than": _half_divergence_norm,
}


BySeed = Mapping[int, NDArray[np.floating]]
"""(n,) differences of each seed."""


def _rise(models: Models, weak: float, strong: float, measure: Measure) -> BySeed:
    """From a weak beta to a strong one."""
    return _between(models, strong, models, weak, measure)


def _between(
    models: Models, beta: float, others: Models, other_beta: float, measure: Measure
) -> BySeed:
    """How much more models measure than others do, of the seeds that both have."""
    mine, theirs = models.measured, others.measured
    seeds = sorted(s for b, s in mine if b == beta and (other_beta, s) in theirs)
    return {s: measure(mine[beta, s]) - measure(theirs[other_beta, s]) for s in seeds}


def _less(one: BySeed, other: BySeed) -> BySeed:
    return {seed: one[seed] - other[seed] for seed in one if seed in other}


def _times(sign: int, differences: BySeed) -> BySeed:
    return {seed: sign * each for seed, each in differences.items()}


def _claim(text: str, differences: BySeed, fell_short: Sequence[str]) -> Claim:
    """A claim of differences of seeds and pairs: both are a sample."""
    found = None
    if differences:
        table = np.stack(list(differences.values()))
        found = paired_difference(table, np.zeros_like(table))
    return Claim(text=text, found=found, fell_short=tuple(fell_short))
