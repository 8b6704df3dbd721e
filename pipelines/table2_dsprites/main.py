"""The program of the study: see the package's docstring for what it writes."""

import sys
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from glitchvae.config import Settings, read_config
from glitchvae.progress import progress_of
from glitchvae.recipes.settings import settings_in
from glitchvae.statistics import claims_markdown
from glitchvae.validation.disentanglement import Protocol
from glitchvae.validation.images.dsprites import draw_dsprites, read_dsprites
from glitchvae.validation.images.factors import FactorData

from .budget import measure_cost, within_budget
from .study import run_study
from .table2 import StudySettings, describe
from .verdicts import published_values

TINY = {
    "steps": 6,
    "seeds": 1,
    "batch_size": 8,
    "reduction": 2,
    "points": 240,
    "kept": 20,
    "protocol": Protocol(train=160, test=80, batch=8, rounds=1, groups=4, refits=0),
}


class Table2Settings(Settings):
    """Keys of `table2_dsprites.toml`."""

    dsprites: str = ""
    device: str = "auto"
    budget: float = Field(default=0.0, ge=0)
    study: StudySettings = StudySettings()
    published: dict[str, dict[str, float]] = Field(default_factory=dict)


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Read or draw the images, run the study, print its claims."""
    settings = read_config(Table2Settings, config)
    study = settings.study.model_copy(update=TINY if tiny else {})
    device = "cpu" if tiny else device_of(settings)
    published_values(study.rows(), settings.published)
    data = images_of(settings, study, tiny=tiny)
    if settings.budget and not tiny:
        study = begun_in(out, study) or scaled(study, data, settings.budget, device)
    tell(describe(study))
    with progress_of("table 2", study.models * study.steps, "updates") as progress:
        claims = run_study(
            study,
            data,
            out,
            published=settings.published,
            device=device,
            progress=progress,
            report=tell,
        )
    print(claims_markdown(claims), end="")


def device_of(settings: Table2Settings) -> str:
    """The GPU if there is one, unless a device is named."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def images_of(settings: Table2Settings, study: StudySettings, *, tiny: bool) -> FactorData:
    """Images of the size that the models are for, few of them for a rehearsal."""
    data = read_dsprites(settings.dsprites) if settings.dsprites else draw_dsprites()
    if tiny:
        data = data.sample(2_000, np.random.default_rng(0))
    return data.reduced(study.reduction) if study.reduction > 1 else data


def begun_in(out: Path, study: StudySettings) -> StudySettings | None:
    """What a budget made of the study when it was begun; None where it was not.

    Measured anew, the cost would give other updates, and no model could go on.
    """
    known = settings_in(out, StudySettings)
    if known is None:
        return None
    tell(f"goes on with what it was begun with: {known.seeds} seeds, {known.steps:,} updates")
    given = ("steps", "seeds", "learning_rate")
    return study.model_copy(update={name: getattr(known, name) for name in given})


def scaled(study: StudySettings, data: FactorData, hours: float, device: str) -> StudySettings:
    """The study within a budget, and what it will take said."""
    cost = measure_cost(study, data, device=device)
    chosen = within_budget(study, cost, hours)
    scoring = chosen.seeds * cost.scoring / 3600
    tell(
        f"budget of {hours:g} h: {chosen.seeds} of {study.seeds} seeds, {chosen.steps:,} of "
        f"{study.steps:,} updates at a learning rate of {chosen.learning_rate:.2g}; "
        f"about {cost.hours(chosen):.2g} h, {scoring:.2g} h of them "
        "for scoring"
    )
    return chosen


def tell(text: str) -> None:
    """A line beside the progress."""
    print(text, file=sys.stderr)
