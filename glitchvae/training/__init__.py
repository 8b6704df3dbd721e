"""Training of a VAE: data resident on the device, a loop that can stop and go on anywhere."""

from glitchvae.training.config import (
    Augmentation,
    TrainingConfig,
    changed_config,
    read_training_config,
)
from glitchvae.training.data import TrainingData
from glitchvae.training.reading import read_training_data, resident_limit
from glitchvae.training.run import Plan, plan, train
from glitchvae.training.state import refuse_existing, resumed_config

__all__ = [
    "Augmentation",
    "Plan",
    "TrainingConfig",
    "TrainingData",
    "changed_config",
    "plan",
    "read_training_config",
    "read_training_data",
    "refuse_existing",
    "resident_limit",
    "resumed_config",
    "train",
]
