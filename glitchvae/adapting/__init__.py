"""Adapting a model to a detector and a run of the user's own."""

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
