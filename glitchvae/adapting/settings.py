"""Settings of the adaptation of a model."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from glitchvae.checkpoint import Checkpoint
from glitchvae.config import Settings
from glitchvae.models import architecture_of
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.training import Augmentation, TrainingConfig, changed_config

FEWEST_EVENTS = 300
"""Least number of pictures from which weights are trained; fewer would be overfitted."""

LARGEST_FALL = 0.02
"""Largest allowed loss of accuracy on the simulated hold-out."""

SIGNIFICANCE = 0.05
"""Significance level of the exact paired test of that loss."""

AUGMENTATION = Augmentation(
    positive_pairs=True,
    other_noise=0.5,
    noise_class="No_Glitch",
    band_limit=0.15,
    loudness=(0.6, 1.7),
    time_shift=0.06,
    hidden_view=0.4,
    most_hidden=3,
    zoomed_views=0.35,
)
"""Augmentation of the pictures: that of the default model's training."""


class AdaptSettings(Settings):
    """Settings of the adaptation of a model.

    Attributes:
        steps: Updates of the weights.
        minutes: Time for the updates, instead of `steps`; their number follows from a few that
            are measured.
        share: Of the events of a batch, how many are the archive's.
        simulated: Simulated events that are shown again (replay) and teach the head.
        hold_out: Further simulated events, on which models are compared.
        imaging: How simulated strain becomes images.
        most_events: Events of the archive that are used at most, at random; labelled ones first.
        batch_size: Events of an update.
        learning_rate: At the first update; it falls linearly to zero.
        largest_fall: Accuracy on the hold-out that may be lost; a model that loses more is refused.
        save_every: Updates between two writes of the state that a killed run goes on from.
        seed: Of all that is drawn.
    """

    steps: int = Field(default=800, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    share: float = Field(default=0.5, gt=0, lt=1)
    simulated: int = Field(default=4000, ge=200)
    hold_out: int = Field(default=500, ge=100)
    imaging: str = "light"
    most_events: int = Field(default=20_000, ge=FEWEST_EVENTS)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=3e-4, gt=0)
    largest_fall: float = Field(default=LARGEST_FALL, ge=0, le=1)
    save_every: int = Field(default=50, ge=1)
    seed: int = Field(default=0, ge=0)


def training_config(
    checkpoint: Checkpoint, settings: AdaptSettings, *, labelled: bool
) -> TrainingConfig:
    """Settings of the training that continues a model.

    Args:
        checkpoint: The model.
        settings: Of the adaptation.
        labelled: Whether the archive's events teach their labels, too.

    Raises:
        ConfigError: bad settings.
    """
    network = checkpoint.model.settings
    # A pixel of a smaller image stands for several: with this beta the loss stays the bound
    # of the full image. The weight of consistency is what `train_default_model` has beside it.
    rows, columns = getattr(network, "image_shape", IMAGE_SHAPE)[-2:]
    beta = rows * columns / (IMAGE_SHAPE[0] * IMAGE_SHAPE[1])
    objective: dict[str, Any] = {
        "name": "labelled" if labelled else "consistent",
        "shape": "constant",
        "beta": beta,
        "consistency": 1000 * beta,
        "temperature": 0.15,
        "ramp": 1,
    }
    table = {
        "objective": objective,
        "model": {"architecture": architecture_of(network), **network.model_dump()},
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "save_every": settings.save_every,
        "seed": settings.seed,
        "augmentation": AUGMENTATION.model_dump(),
    }
    return changed_config(table, {})
