"""Training of a VAE: data resident on the device, a loop that can stop and resume anywhere."""

from glitchvae.training.augmentation import Augmentation
from glitchvae.training.config import TrainingConfig, changed_config, read_training_config
from glitchvae.training.data import TrainingData
from glitchvae.training.ensemble import (
    expand_members,
    is_ensemble,
    member_config,
    resumed_ensemble,
    train_ensemble,
)
from glitchvae.training.images import TrainingImages
from glitchvae.training.launch import launched_ranks
from glitchvae.training.pictures import PictureData
from glitchvae.training.plan import TrainingPlan, plan
from glitchvae.training.reading import read_training_data, resident_limit
from glitchvae.training.run import train
from glitchvae.training.state import refuse_existing, resumed_config
from glitchvae.training.tracking import TensorBoard, Tracker

__all__ = [
    "Augmentation",
    "PictureData",
    "TensorBoard",
    "Tracker",
    "TrainingConfig",
    "TrainingData",
    "TrainingImages",
    "TrainingPlan",
    "changed_config",
    "expand_members",
    "is_ensemble",
    "launched_ranks",
    "member_config",
    "plan",
    "read_training_config",
    "read_training_data",
    "refuse_existing",
    "resident_limit",
    "resumed_config",
    "resumed_ensemble",
    "train",
    "train_ensemble",
]
