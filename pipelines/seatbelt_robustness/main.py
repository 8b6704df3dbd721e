"""The program of the study: see the package's docstring for what it writes."""

import sys
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator

from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.config import Settings, parse, read_toml
from glitchvae.errors import DivergenceError, InputError
from glitchvae.models import LATENT_SIZES, build, scale_to_range
from glitchvae.models.networks import NetworkName
from glitchvae.recipes.settings import enter
from glitchvae.store import replacing, write_rows
from glitchvae.training import TrainingConfig, changed_config, train
from glitchvae.validation.robustness.measuring import Robustness, measure_robustness

from . import figures
from .claims import Cell, Shortfalls, over_seeds, report
from .material import MATERIALS, Material, MaterialName, Wanted
from .numbers import numbers_of, write_numbers
from .page import write_page

LIKELIHOOD_ON = {"tc": "all", "tc-dlgm": "first", "seatbelt": "all"}
FAILED = "failed.txt"
"""In the folder of a model whose loss diverged: why. Without the file it is tried again."""

CHEN: dict[str, NetworkName] = {"dsprites": "chen-mlp"}
"""Networks of Chen et al. 2018 by images; of all others chen-conv."""

_FREE = ("seeds", "betas", "layers", "kinds", "device")
"""Settings in which a study that goes on may differ."""

PASSES = 100
"""Times that a training sees every image before its length is not what reduces it. The paper
states none."""

Depth = Annotated[int, Field(ge=2, le=len(LATENT_SIZES))]
Found = dict[Cell, Robustness]


class RobustnessSettings(Settings):
    """Keys of `seatbelt_robustness.toml`."""

    data: MaterialName = "dsprites"
    path: str = ""
    device: str = "auto"
    network: Literal["chen"] | NetworkName = "chen"
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    reduction: int = Field(default=1, ge=1)
    events: int = Field(ge=2)
    seeds: tuple[int, ...] = Field(min_length=1)
    betas: tuple[float, ...] = Field(min_length=2)
    layers: tuple[Depth, ...] = Field(min_length=1)
    kinds: tuple[Literal["tc-dlgm", "seatbelt"], ...] = Field(min_length=1)
    free_bits: float = Field(ge=0)
    free_bits_on: Literal["lower", "all"] = "all"
    hierarchy: dict[str, Any] = Field(default_factory=dict)
    attacks: tuple[Literal["output", "layers"], ...] = ("output", "layers")
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

    def reductions(self) -> tuple[str, ...]:
        """What is not as the paper states it; then no value can be compared, ranks can."""
        steps, batch = (self.training.get(key, 0) for key in ("steps", "batch_size"))
        passes = steps * batch / self.events
        found = {
            "images at 1/" + f"{self.reduction} size": self.reduction > 1,
            "images drawn or simulated": not self.path and self.data in ("chairs", "glitches"),
            f"{self.events:,} images": self.data == "dsprites" and self.events < 700_000,
            f"network {self.network}": self.network != "chen",
            "data in [0, 1]": self.likelihood != "gaussian",
            f"each image seen {passes:.3g} times": passes < PASSES,
            f"{self.strengths} penalty weights": self.strengths < 50,
            f"{self.pairs} pairs": self.pairs < 10,
        }
        return tuple(name for name, differs in found.items() if differs)


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Train what is not trained yet, then measure and compare.

    A model whose loss diverges is set aside and named; the others are judged.
    """
    settings = parse(RobustnessSettings, read_toml(config), where=config)
    settings = rehearsal(settings) if tiny else settings
    device = device_of(settings)
    material = MATERIALS[settings.data](wanted(settings, out))
    check_all(settings, material)
    enter(out, settings, free=_FREE)
    found: Found = {}
    failed: dict[Cell, str] = {}
    for cell in cells(settings):
        run = out / "runs" / cell.name
        if said := trained(cell, material, settings, run, device):
            failed[cell] = said
            print(f"set aside: {cell.name}: {said}", file=sys.stderr)
            continue
        found[cell] = measured(run, material, settings, device)
        print(cell.name, f"ELBO {found[cell].evidence.elbo:.2f}", file=sys.stderr)
    write_rows(out / "failed.csv", (*Cell._fields, "failure"), [(*c, w) for c, w in failed.items()])
    if len({cell.beta for cell in found}) < 2:
        raise InputError(
            "too few models are left to compare",
            where=out / "failed.csv",
            found="; ".join(sorted(set(failed.values()))),
            remedy="Lower training.learning_rate, into another folder.",
        )
    short = {cell: read_card(out / "runs" / cell.name).shortfalls for cell in found}
    write_tables(found, short, out)
    figures.draw_study(found, lambda c: load_checkpoint(out / "runs" / c.name).model, out)
    with replacing(out / "claims.md") as temporary:
        numbers = {cell: numbers_of(one) for cell, one in found.items()}
        temporary.write_text(report(numbers, short), encoding="utf-8")
    print(write_page([out], out / "page.md"))


def device_of(settings: RobustnessSettings) -> str:
    """The GPU if there is one, unless a device is named."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


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


def config_of(cell: Cell, material: Material, settings: RobustnessSettings) -> TrainingConfig:
    """The training of a cell.

    Raises:
        ConfigError: an unknown key, in `training` or `hierarchy`.
    """
    network = dict(material.network)
    if network["network"] != "glitch":
        chen = CHEN.get(settings.data, "chen-conv")
        network["network"] = chen if settings.network == "chen" else settings.network
    model = {
        "architecture": "hierarchy",
        **network,
        **likelihood_of(settings),
        "latent_sizes": list(LATENT_SIZES[-cell.layers :]),
        "likelihood_on": LIKELIHOOD_ON[cell.kind],
    }
    objective = {"name": cell.kind, "beta": cell.beta}
    if cell.layers > 1:
        bits = {"free_bits": settings.free_bits, "free_bits_on": settings.free_bits_on}
        objective |= bits | settings.hierarchy
    values = {**settings.training, "model": model, "objective": objective, "seed": cell.seed}
    return changed_config(values, {}, where="training")


def likelihood_of(settings: RobustnessSettings) -> dict[str, Any]:
    """Of the pixels: the paper has data in [-1, 1] and states no likelihood.

    There it is a normal one of unit width around a tanh. Glitches, whose last channel says
    which pixels exist, stay in [0, 1].
    """
    if settings.likelihood == "bernoulli" or settings.data == "glitches":
        return {"likelihood": "bernoulli"}
    return {"likelihood": "gaussian-fixed", "width": 1.0, "data_range": [-1.0, 1.0]}


def check_all(settings: RobustnessSettings, material: Material) -> None:
    """Refuse objectives that do not fit their models before the first is trained.

    Raises:
        ConfigError: an unknown key or a bad value.
        ModelError: an objective that does not fit the architecture.
    """
    for cell in {cell._replace(seed=0): None for cell in cells(settings)}:
        config = config_of(cell, material, settings)
        values = config.model_dump()["model"]
        config.objective.check(build(values.pop("architecture"), values))


def trained(
    cell: Cell, material: Material, settings: RobustnessSettings, run: Path, device: str
) -> str:
    """Train the model of a cell unless it is there; one that was stopped goes on.

    Returns:
        Why its training failed; "" where it did not.
    """
    config = config_of(cell, material, settings)
    if (run / FAILED).exists():
        return (run / FAILED).read_text(encoding="utf-8").strip()
    if not ((run / "card.toml").exists() and read_card(run).steps == config.steps):
        resume = (run / "resume" / "state.pt").exists()
        try:
            train(material.training, config, run, resume=resume, device=device)
        except DivergenceError as error:
            run.mkdir(parents=True, exist_ok=True)
            with replacing(run / FAILED) as temporary:
                temporary.write_text(f"{error}\n", encoding="utf-8")
            return str(error)
    return ""


def measured(
    run: Path, material: Material, settings: RobustnessSettings, device: str
) -> Robustness:
    """Attack a trained model and add noise, on the same images for all models."""
    model = load_checkpoint(run, device).model
    return measure_robustness(
        model,
        scale_to_range(material.images, model.likelihood).to(device),
        factors=material.factors,
        pairs=settings.pairs,
        strengths=2.0 ** np.linspace(-20, 20, settings.strengths),
        scales=settings.noise,
        evaluations=settings.evaluations,
        output="output" in settings.attacks,
        each_layer="layers" in settings.attacks,
    )


def write_tables(found: Found, short: Shortfalls, out: Path) -> None:
    """Every model and pair, and over the seeds: norms of encoder and decoder, gap of the top."""
    write_numbers(found, short, out)
    numbers = {cell: numbers_of(one) for cell, one in found.items()}
    for name, columns, measure in (
        ("norms", ("encoder", "decoder"), lambda one: one.norms),
        ("mig", ("mig_top",), lambda one: (one.mig_top,)),
    ):
        names = [f"{column}_{part}" for column in columns for part in ("mean", "lowest", "highest")]
        header = (*Cell._fields[:3], *names)
        write_rows(out / f"{name}.csv", header, over_seeds(numbers, measure))
