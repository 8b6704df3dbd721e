"""Pictures of glitches, trainings and scores."""

from glitchvae.plots.captions import (
    caption,
    captions_of,
    class_names,
    dimension_name,
    headlines_of,
    loudest,
)
from glitchvae.plots.curves import Curve, curves, picture_grid
from glitchvae.plots.glitches import (
    EVENTS_PER_SHEET,
    contact_sheet,
    glitch_picture,
    glitch_traversals,
    reconstructions,
)
from glitchvae.plots.scores import confusion_matrix, marginals
from glitchvae.plots.training import (
    kl_per_dimension,
    layer_kl,
    opening_order,
    rate_distortion,
)
from glitchvae.plots.traversals import traversals, traverse

__all__ = [
    "EVENTS_PER_SHEET",
    "Curve",
    "caption",
    "captions_of",
    "class_names",
    "confusion_matrix",
    "contact_sheet",
    "curves",
    "dimension_name",
    "glitch_picture",
    "glitch_traversals",
    "headlines_of",
    "kl_per_dimension",
    "layer_kl",
    "loudest",
    "marginals",
    "opening_order",
    "picture_grid",
    "rate_distortion",
    "reconstructions",
    "traversals",
    "traverse",
]
