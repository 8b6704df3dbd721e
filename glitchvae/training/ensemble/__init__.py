"""Ensembles: many models in one training, with different seeds and weights of terms."""

from glitchvae.training.ensemble.members import expand_members, member_config
from glitchvae.training.ensemble.run import is_ensemble, resumed_ensemble, train_ensemble
from glitchvae.training.ensemble.strategy import choose_strategy

__all__ = [
    "choose_strategy",
    "expand_members",
    "is_ensemble",
    "member_config",
    "resumed_ensemble",
    "train_ensemble",
]
