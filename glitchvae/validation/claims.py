"""The claims of "Disentangling improves VAEs' robustness", and what trained models say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.validation.robustness import Robustness


class Cell(NamedTuple):
    """One model of a study.

    Attributes:
        kind: "beta" (the plain VAE), "tc", "tc-dlgm" or "seatbelt".
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


class Claim(NamedTuple):
    """A difference that the paper says is positive.

    Attributes:
        text: What is compared.
        difference: Its mean.
        low: Lower end of the central 90 % bootstrap interval over seeds and pairs.
        high: Upper end.
    """

    text: str
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Whether the interval excludes zero, and on which side."""
        if self.low > 0:
            return "confirmed"
        return "contradicted" if self.high < 0 else "undecided"


Found = Mapping[Cell, Robustness]


def judge(found: Found, rng: np.random.Generator) -> list[Claim]:
    """The paper's claims about every depth of Seatbelt-VAE in a study.

    Differences are paired: the same seed, the same attacked images.

    Args:
        found: Every model and what was measured of it; beta-TCVAE and Seatbelt at the same
            betas and seeds.
        rng: Draws the bootstrap resamples.
    """
    weak, strong = min(betas := _betas(found)), max(betas)
    depths = sorted({cell.layers for cell in found if cell.kind == "seatbelt"})
    claims = []
    for depth in depths:
        seatbelt = _of(found, "seatbelt", depth)
        fall = _elbo(_of(found, "tc", 1), weak, strong) - _elbo(seatbelt, weak, strong)
        name = f"Seatbelt-VAE, L = {depth}"
        claims += [
            _claim(f"the ELBO of {name} falls less from beta {weak:g} to {strong:g} than "
                   "that of beta-TCVAE (nats)", fall, rng),
            *(
                _claim(f"{name}, beta = {strong:g}, is harder to attack than {other} (share of "
                       "the divergence that is left)", _harder(seatbelt, baseline, strong), rng)
                for other, baseline in (
                    ("the plain VAE", _of(found, "beta", 1)), ("beta-TCVAE", _of(found, "tc", 1)),
                )
            ),
            _claim(f"beta = {strong:g} makes {name} harder to attack than beta = {weak:g}",
                   _gain(seatbelt, weak, strong, lambda one: one.resistance), rng),
        ]  # fmt: skip
    return claims


def as_markdown(claims: list[Claim]) -> str:
    """A table of claims."""
    rows = [
        f"| {c.text} | {c.difference:+.3g} | {c.low:+.3g} to {c.high:+.3g} | {c.verdict} |"
        for c in claims
    ]
    return "\n".join(["| claim | difference | 90 % interval | |", "|---|---|---|---|", *rows, ""])


def _betas(found: Found) -> set[float]:
    return {cell.beta for cell in found if cell.kind == "seatbelt"}


def _of(found: Found, kind: str, layers: int) -> dict[tuple[float, int], Robustness]:
    return {
        (cell.beta, cell.seed): one
        for cell, one in found.items()
        if (cell.kind, cell.layers) == (kind, layers)
    }


def _elbo(models: Mapping[tuple[float, int], Robustness], weak: float, strong: float) -> NDArray:
    """(seeds,) how far the ELBO falls from a weak beta to a strong one."""
    return -_gain(models, weak, strong, lambda one: np.array([one.evidence.elbo]))


def _gain(
    models: Mapping[tuple[float, int], Robustness], weak: float, strong: float,
    measure: Callable[[Robustness], NDArray],
) -> NDArray:  # fmt: skip
    seeds = sorted({seed for _, seed in models})
    return np.concatenate([measure(models[strong, s]) - measure(models[weak, s]) for s in seeds])


def _harder(
    models: Mapping[tuple[float, int], Robustness],
    baseline: Mapping[tuple[float, int], Robustness],
    beta: float,
) -> NDArray:
    """(seeds x pairs,) difference of resistance; a baseline of one beta stands for all."""
    seeds = sorted({seed for _, seed in models})
    only = next(iter(baseline))[0]
    beta_of = {seed: beta if (beta, seed) in baseline else only for seed in seeds}
    return np.concatenate(
        [models[beta, s].resistance - baseline[beta_of[s], s].resistance for s in seeds]
    )


def _claim(text: str, differences: NDArray, rng: np.random.Generator) -> Claim:
    """Mean and percentile bootstrap; a single difference has no interval."""
    if len(differences) == 1:
        return Claim(text, float(differences[0]), -np.inf, np.inf)
    drawn = rng.choice(differences, (2000, len(differences))).mean(axis=1)
    return Claim(text, float(differences.mean()), *map(float, np.quantile(drawn, (0.05, 0.95))))
