"""How much codes, pixels or tables know of the classes: simple classifiers and their scores.

The simple classifiers are on purpose: what they get right is what the codes hold, not
what a clever classifier can make of them.
"""

from glitchvae.probes.calibration import Calibration, calibrate
from glitchvae.probes.classifiers import (
    fit_linear_probe,
    fit_neighbours,
    fit_pixel_probe,
    fit_trigger_trees,
)
from glitchvae.probes.network import (
    Classifier,
    Twin,
    class_probabilities,
    predict_classes,
    reduced_pixels,
    train_classifier,
)
from glitchvae.probes.scores import MEASURES, ClassScore, Scores, score, score_draws
from glitchvae.probes.shots import few_shot, one_shot

__all__ = [
    "MEASURES",
    "Calibration",
    "ClassScore",
    "Classifier",
    "Scores",
    "Twin",
    "calibrate",
    "class_probabilities",
    "few_shot",
    "fit_linear_probe",
    "fit_neighbours",
    "fit_pixel_probe",
    "fit_trigger_trees",
    "one_shot",
    "predict_classes",
    "reduced_pixels",
    "score",
    "score_draws",
    "train_classifier",
]
