"""What a study will take, and how much of it fits into so many hours."""

from __future__ import annotations

import time
from typing import NamedTuple

from glitchvae.errors import ConfigError
from glitchvae.models import build
from glitchvae.training import plan
from glitchvae.validation.images.factors import FactorData

from .table2 import StudySettings, points_of, score_model

FEWEST_STEPS = 1_000
"""Seeds are given up before a model is trained for less."""

FASTEST = 1e-3
"""Highest learning rate that a budget gives, Adam's default; trainings of 1,300 updates of all
rows took it."""


class Cost(NamedTuple):
    """Seconds that all models of one seed take.

    Attributes:
        update: One update of each.
        scoring: Encoding and measuring each.
    """

    update: float
    scoring: float

    def hours(self, settings: StudySettings) -> float:
        """Of all seeds, as long as the settings have them trained."""
        return settings.seeds * (settings.steps * self.update + self.scoring) / 3600


def measure_cost(settings: StudySettings, data: FactorData, *, device: str = "cpu") -> Cost:
    """From a few updates of each objective and the scoring of one model, here and now.

    Not counted are drawing the images, capturing the step of each model on a GPU, and the
    tables and figures at the end.

    Args:
        settings: Of the study.
        data: Images to train on.
        device: Where to train and encode.
    """
    pictures, rows = data.to_training(), settings.rows()
    configs = {row.objective: settings.config(row, 0, data.shape) for row in rows}
    paces = {
        objective: plan(pictures, config, device=device).seconds_per_step
        for objective, config in configs.items()
    }
    update = sum(paces[row.objective] * settings.models_of(row) for row in rows)
    models = settings.models // settings.seeds
    return Cost(update, models * _seconds_of_scoring(settings, data, device))


def within_budget(settings: StudySettings, cost: Cost, hours: float) -> StudySettings:
    """The study scaled to about `hours`: fewer steps, then fewer seeds.

    With the updates the learning rate is scaled, by the root of how many times fewer they are,
    up to `FASTEST`: at the rate of 300,000 updates a few thousand learn next to nothing.

    Args:
        settings: Of the study as it is wanted.
        cost: Of one seed.
        hours: What there is.

    Raises:
        ConfigError: scoring the models of one seed takes longer than that.
    """
    fewest = min(FEWEST_STEPS, settings.steps)
    for seeds in range(settings.seeds, 0, -1):
        steps = int((hours * 3600 / seeds - cost.scoring) / cost.update)
        if steps >= fewest or (seeds == 1 and steps > 0):
            steps = min(settings.steps, steps)
            rate = settings.learning_rate * (settings.steps / steps) ** 0.5
            rate = max(settings.learning_rate, min(rate, FASTEST))
            scaled = {"seeds": seeds, "steps": steps, "learning_rate": rate}
            return settings.model_copy(update=scaled)
    raise ConfigError(
        "the budget is too small for one seed",
        where="budget",
        found=f"{hours:g} h",
        expected=f"more than {cost.scoring / 3600:.2g} h, which scoring its models takes",
        remedy="Give more hours, or score fewer points: study.points and study.protocol.",
    )


def _seconds_of_scoring(settings: StudySettings, data: FactorData, device: str) -> float:
    """One model, untrained."""
    points, config = points_of(settings, data), settings.config(settings.rows()[0], 0, data.shape)
    model = build("image", config.model.model_dump()).to(device).eval()
    start = time.monotonic()
    score_model(model, settings, points, seed=0, device=device)
    return time.monotonic() - start
