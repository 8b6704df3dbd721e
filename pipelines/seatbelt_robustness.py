"""Train plain, beta-TC, beta-TCDLGM and Seatbelt VAEs; attack them, add noise, and compare.

One folder a model (`runs/`), trained once and resumed where it was stopped. The folder of
results ends up with `models.csv` (a row a model), figures, and `claims.md`: the paper's
claims, and what these runs say of them.
"""

import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import Settings, parse, read_toml
from glitchvae.models import LATENT_SIZES
from glitchvae.plots import Curve, curves
from glitchvae.recipes import write_rows
from glitchvae.store import replacing
from glitchvae.training import changed_config, train
from glitchvae.validation.claims import Cell, as_markdown, judge
from glitchvae.validation.dsprites import draw_dsprites, read_dsprites
from glitchvae.validation.factors import FactorData
from glitchvae.validation.robustness import COLUMNS, Robustness, measure_robustness

LIKELIHOOD_ON = {"beta": "all", "tc": "all", "tc-dlgm": "first", "seatbelt": "all"}


class RobustnessSettings(Settings):
    """Keys of `seatbelt_robustness.toml`."""

    data: str = ""
    events: int = Field(ge=2)
    seeds: tuple[int, ...] = Field(min_length=1)
    betas: tuple[float, ...] = Field(min_length=2)
    layers: tuple[int, ...] = Field(min_length=1)
    free_bits: float = Field(ge=0)
    pairs: int = Field(ge=1)
    strengths: int = Field(ge=2)
    noise: tuple[float, ...]
    images: int = Field(ge=2)
    training: dict[str, Any]


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Train what is not trained yet, then measure and compare."""
    settings = parse(RobustnessSettings, read_toml(config), where=config)
    if tiny:
        settings = rehearsal(settings)
    whole = read_dsprites(settings.data) if settings.data else draw_dsprites()
    data = whole.sample(settings.events, np.random.default_rng(0))
    found: dict[Cell, Robustness] = {}
    for cell in cells(settings):
        trained(cell, data, settings, out / "runs" / cell.name)
        found[cell] = measured(out / "runs" / cell.name, data, settings)
        print(cell.name, f"ELBO {found[cell].evidence.elbo:.2f}", file=sys.stderr)
    rows = [(*cell, *one.row()) for cell, one in found.items()]
    write_rows(out / "models.csv", (*Cell._fields, *COLUMNS), rows)
    draw(found, out)
    with replacing(out / "claims.md") as temporary:
        claims = judge(found, np.random.default_rng(0))
        temporary.write_text(as_markdown(claims), encoding="utf-8")
    print(out / "claims.md")


def rehearsal(settings: RobustnessSettings) -> RobustnessSettings:
    """The same on a few images and steps."""
    return settings.model_copy(update={
        "events": 256, "seeds": (0,), "betas": (1.0, 4.0), "layers": (2,), "pairs": 2,
        "strengths": 4, "images": 64, "training": {**settings.training, "steps": 8},
    })  # fmt: skip


def cells(settings: RobustnessSettings) -> list[Cell]:
    """Every model of the study; the plain VAE and beta-TCVAE have one layer."""
    betas, seeds = settings.betas, settings.seeds
    plain = [Cell("beta", 1, 1.0, seed) for seed in seeds]
    shallow = [Cell("tc", 1, *each) for each in product(betas, seeds)]
    deep = product(("tc-dlgm", "seatbelt"), settings.layers, betas, seeds)
    return [*plain, *shallow, *(Cell(*each) for each in deep)]


def trained(cell: Cell, data: FactorData, settings: RobustnessSettings, run: Path) -> None:
    """Train the model of a cell unless it is there."""
    if (run / "card.toml").exists():
        return
    model = {
        "architecture": "hierarchy", "network": "burgess", "image_shape": list(data.shape),
        "latent_sizes": list(LATENT_SIZES[-cell.layers :]),
        "likelihood_on": LIKELIHOOD_ON[cell.kind],
    }  # fmt: skip
    bits = {"free_bits": settings.free_bits} if cell.layers > 1 else {}
    objective = {"name": cell.kind, "beta": cell.beta, **bits}
    values = {**settings.training, "model": model, "objective": objective, "seed": cell.seed}
    resume = (run / "resume" / "state.pt").exists()
    train(data.to_training(), changed_config(values, {}), run, resume=resume)


def measured(run: Path, data: FactorData, settings: RobustnessSettings) -> Robustness:
    """Attack a trained model and add noise, on the same images for all models."""
    chosen = data.sample(settings.images, np.random.default_rng(1))
    return measure_robustness(
        load_checkpoint(run).model, torch.from_numpy(chosen.images()).float(),
        factors=chosen.factors, pairs=settings.pairs, scales=settings.noise,
        strengths=2.0 ** np.linspace(-20, 20, settings.strengths),
    )  # fmt: skip


def draw(found: dict[Cell, Robustness], out: Path) -> None:
    """Resistance against price and likelihood against noise, seeds and images in the bands."""
    prices, scales = {}, {}
    for cell in sorted(found):
        name = f"{cell.kind}, L = {cell.layers}, beta = {cell.beta:g}"
        same = [one for other, one in found.items() if other[:3] == cell[:3]]
        kept = np.concatenate([one.by_pair(one.attacks.relative_divergence) for one in same])
        of_noise = np.stack([one.noise.log_likelihood for one in same])
        grid = found[cell].attacks.strength[: kept.shape[1]]
        prices[name] = Curve(grid, kept.mean(0), *np.quantile(kept, (0.25, 0.75), axis=0))
        scales[name] = Curve(
            same[0].noise.scale, of_noise.mean(0), of_noise.min(0), of_noise.max(0)
        )
    left = "divergence left of that without attack"
    curves(prices, out / "attacks.png", xscale="log", xlabel="lambda", ylabel=left)
    likely = "log p(x | z of the noisy image) (nats)"
    curves(scales, out / "noise.png", xlabel="noise", ylabel=likely)
