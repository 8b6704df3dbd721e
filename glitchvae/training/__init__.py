"""Training of a VAE: data resident on the device, a loop that can stop and go on anywhere."""

from glitchvae.training.augmentation import Augmentation
from glitchvae.training.config import TrainingConfig, changed_config, read_training_config
from glitchvae.training.data import TrainingData
from glitchvae.training.images import TrainingImages
from glitchvae.training.pictures import PictureData
from glitchvae.training.reading import read_training_data, resident_limit
from glitchvae.training.run import Plan, plan, train
from glitchvae.training.state import refuse_existing, resumed_config

__all__ = [
    "Augmentation",
    "PictureData",
    "Plan",
    "TrainingConfig",
    "TrainingData",
    "TrainingImages",
    "changed_config",
    "plan",
    "read_training_config",
    "read_training_data",
    "refuse_existing",
    "resident_limit",
    "resumed_config",
    "train",
]
