"""Train and score the 21 rows of Table 2 on dSprites: annealed beta-VAE beside six others.

Every model goes into a folder of its own under the results; a run that was stopped goes on
where it was. Tables, claims, codes and figures 1 to 3 are written when all models are done.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from glitchvae.config import Settings, read_config
from glitchvae.validation.disentanglement import Protocol
from glitchvae.validation.dsprites import draw_dsprites, read_dsprites
from glitchvae.validation.study import run_study
from glitchvae.validation.table2 import StudySettings, describe, within_budget

TINY = {
    "steps": 6, "seeds": 1, "batch_size": 8, "reduction": 2, "points": 240, "kept": 20,
    "protocol": Protocol(train=160, test=80, batch=8, rounds=1, groups=4, refits=0),
}  # fmt: skip


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
    device = "cuda" if settings.device == "auto" and torch.cuda.is_available() else settings.device
    device = "cpu" if tiny or device == "auto" else device
    data = read_dsprites(settings.dsprites) if settings.dsprites else draw_dsprites()
    data = data.sample(2_000, np.random.default_rng(0)) if tiny else data
    data = data.reduced(study.reduction) if study.reduction > 1 else data
    if settings.budget and not tiny:
        study = within_budget(study, data, settings.budget, device=device)
    print(describe(study), file=sys.stderr)
    claims = run_study(
        study, data, out, published=settings.published, device=device,
        report=lambda text: print(text, file=sys.stderr),
    )  # fmt: skip
    for claim in claims:
        print(f"{claim.claim}: {claim.verdict} ({claim.found}; n = {claim.n})")
