"""Pictures of glitches, trainings and scores."""

from glitchvae.plots.captions import caption, captions_of, class_names, loudest
from glitchvae.plots.glitches import EVENTS_PER_SHEET, contact_sheet, reconstructions
from glitchvae.plots.scores import confusion_matrix, marginals

__all__ = [
    "EVENTS_PER_SHEET", "caption", "captions_of", "class_names", "confusion_matrix",
    "contact_sheet", "loudest", "marginals", "reconstructions",
]  # fmt: skip
