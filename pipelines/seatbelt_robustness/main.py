"""The program of the study: see the package's docstring for what it writes."""

import sys
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.config import Settings, parse, read_toml
from glitchvae.models import LATENT_SIZES, scale_to_range
from glitchvae.store import replacing, write_rows
from glitchvae.training import changed_config, train
from glitchvae.validation.robustness.measuring import COLUMNS, Robustness, measure_robustness

from . import figures
from .claims import Cell, Found, Shortfalls, over_seeds, report
from .material import MATERIALS, Material, MaterialName, Wanted

LIKELIHOOD_ON = {"tc": "all", "tc-dlgm": "first", "seatbelt": "all"}
Depth = Annotated[int, Field(ge=2, le=len(LATENT_SIZES))]


class RobustnessSettings(Settings):
    """Keys of `seatbelt_robustness.toml`."""

    data: MaterialName = "dsprites"
    path: str = ""
    reduction: int = Field(default=1, ge=1)
    events: int = Field(ge=2)
    seeds: tuple[int, ...] = Field(min_length=1)
    betas: tuple[float, ...] = Field(min_length=2)
    layers: tuple[Depth, ...] = Field(min_length=1)
    kinds: tuple[Literal["tc-dlgm", "seatbelt"], ...] = Field(min_length=1)
    free_bits: float = Field(ge=0)
    pairs: int = Field(ge=1)
    strengths: int = Field(ge=2)
    evaluations: int = Field(ge=1)
    noise: tuple[float, ...] = Field(min_length=2)
    images: int = Field(ge=2)
    training: dict[str, Any]

    @field_validator("betas")
    @classmethod
    def _with_the_plain(cls, betas: tuple[float, ...]) -> tuple[float, ...]:
        if min(betas) != 1:
            raise ValueError("the lowest has to be 1: beta-TCVAE is then the plain VAE")
        return betas


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Train what is not trained yet, then measure and compare."""
    settings = parse(RobustnessSettings, read_toml(config), where=config)
    settings = rehearsal(settings) if tiny else settings
    material = MATERIALS[settings.data](wanted(settings, out))
    found: dict[Cell, Robustness] = {}
    for cell in cells(settings):
        trained(cell, material, settings, out / "runs" / cell.name)
        found[cell] = measured(out / "runs" / cell.name, material, settings)
        print(cell.name, f"ELBO {found[cell].evidence.elbo:.2f}", file=sys.stderr)
    short = {cell: read_card(out / "runs" / cell.name).shortfalls for cell in found}
    write_tables(found, short, out)
    figures.draw_study(found, lambda c: load_checkpoint(out / "runs" / c.name).model, out)
    with replacing(out / "claims.md") as temporary:
        temporary.write_text(report(found, short), encoding="utf-8")
    print(out / "claims.md")


def rehearsal(settings: RobustnessSettings) -> RobustnessSettings:
    """The same on a few images and steps."""
    return settings.model_copy(
        update={
            "events": 96,
            "seeds": (0,),
            "betas": (1.0, 4.0),
            "layers": (2,),
            "pairs": 2,
            "strengths": 4,
            "evaluations": 6,
            "images": 24,
            "reduction": max(settings.reduction, 2),
            "training": {**settings.training, "steps": 4, "batch_size": 16},
        }
    )


def wanted(settings: RobustnessSettings, out: Path) -> Wanted:
    """Which images."""
    return Wanted(
        path=Path(settings.path) if settings.path else None,
        events=settings.events,
        images=settings.images,
        reduction=settings.reduction,
        folder=out / "sets",
    )


def cells(settings: RobustnessSettings) -> list[Cell]:
    """Every model of the study; beta-TCVAE has one layer and is the plain VAE at beta 1."""
    betas, seeds = settings.betas, settings.seeds
    shallow = [Cell("tc", 1, *each) for each in product(betas, seeds)]
    deep = product(settings.kinds, settings.layers, betas, seeds)
    return [*shallow, *(Cell(*each) for each in deep)]


def trained(cell: Cell, material: Material, settings: RobustnessSettings, run: Path) -> None:
    """Train the model of a cell unless it is there; one that was stopped goes on."""
    model = {
        "architecture": "hierarchy",
        **material.network,
        "latent_sizes": list(LATENT_SIZES[-cell.layers :]),
        "likelihood_on": LIKELIHOOD_ON[cell.kind],
    }
    bits = {"free_bits": settings.free_bits, "free_bits_on": "all"} if cell.layers > 1 else {}
    objective = {"name": cell.kind, "beta": cell.beta, **bits}
    values = {**settings.training, "model": model, "objective": objective, "seed": cell.seed}
    config = changed_config(values, {})
    if not ((run / "card.toml").exists() and read_card(run).steps == config.steps):
        resume = (run / "resume" / "state.pt").exists()
        train(material.training, config, run, resume=resume)


def measured(run: Path, material: Material, settings: RobustnessSettings) -> Robustness:
    """Attack a trained model and add noise, on the same images for all models."""
    model = load_checkpoint(run).model
    return measure_robustness(
        model,
        scale_to_range(material.images, model.likelihood),
        factors=material.factors,
        pairs=settings.pairs,
        strengths=2.0 ** np.linspace(-20, 20, settings.strengths),
        scales=settings.noise,
        evaluations=settings.evaluations,
    )


def write_tables(found: Found, short: Shortfalls, out: Path) -> None:
    """Every model, and over its seeds: norms of encoder and decoder, gap of the top layer."""
    rows = [(*cell, *one.row(), "; ".join(short[cell])) for cell, one in found.items()]
    write_rows(out / "models.csv", (*Cell._fields, *COLUMNS, "shortfalls"), rows)
    for name, columns, measure in (
        ("norms", ("encoder", "decoder"), lambda one: one.norms),
        ("mig", ("mig_top",), lambda one: (one.mig_top,)),
    ):
        names = [f"{column}_{part}" for column in columns for part in ("mean", "lowest", "highest")]
        header = (*Cell._fields[:3], *names)
        write_rows(out / f"{name}.csv", header, over_seeds(found, measure))
