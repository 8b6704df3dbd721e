"""Adaptation of a model to the user's own detector and observing run."""

from glitchvae.adapting.adapting import Adapted, adapt_model
from glitchvae.adapting.comparing import Comparison
from glitchvae.adapting.settings import FEWEST_EVENTS, LARGEST_FALL, AdaptSettings

__all__ = [
    "FEWEST_EVENTS",
    "LARGEST_FALL",
    "AdaptSettings",
    "Adapted",
    "Comparison",
    "adapt_model",
]
