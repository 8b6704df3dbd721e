"""Probes: simple classifiers on codes, pixels or trigger tables, and their scores.

The simple classifiers are on purpose: what they get right is what the codes hold, not
what a clever classifier can make of them.
"""

from glitchvae.probes.audit import Doubt, LabelAudit, audit_labels
from glitchvae.probes.calibration import Calibration, calibrate
from glitchvae.probes.classifiers import (
    fit_linear_probe,
    fit_neighbours,
    fit_pixel_probe,
    fit_trigger_trees,
)
from glitchvae.probes.events import ProbeSet, encode_events, join_events, pool_images, read_codes
from glitchvae.probes.heads import (
    ChosenHead,
    LinearHead,
    brier_score,
    choose_head,
    fit_head,
    log_loss,
    probabilities_by_fold,
)
from glitchvae.probes.network import (
    Classifier,
    SupervisedNetwork,
    by_network,
    class_probabilities,
    encode_data,
    predict_classes,
    reduced_pixels,
    train_classifier,
)
from glitchvae.probes.pooled import read_pooled
from glitchvae.probes.protocol import (
    LINEAR_PROBE,
    Guess,
    Method,
    ProbeResult,
    ProbeTask,
    methods_for,
    run_probes,
    split_events,
)
from glitchvae.probes.ranking import (
    Entry,
    RankedMethod,
    check_order,
    rank,
    ranking_markdown,
    read_predictions,
    write_predictions,
    write_ranking,
)
from glitchvae.probes.report import write_report
from glitchvae.probes.scores import MEASURES, ClassScore, Scores, score, score_draws
from glitchvae.probes.shots import few_shot, one_shot

__all__ = [
    "LINEAR_PROBE",
    "MEASURES",
    "Calibration",
    "ChosenHead",
    "ClassScore",
    "Classifier",
    "Doubt",
    "Entry",
    "Guess",
    "LabelAudit",
    "LinearHead",
    "Method",
    "ProbeResult",
    "ProbeSet",
    "ProbeTask",
    "RankedMethod",
    "Scores",
    "SupervisedNetwork",
    "audit_labels",
    "brier_score",
    "by_network",
    "calibrate",
    "check_order",
    "choose_head",
    "class_probabilities",
    "encode_data",
    "encode_events",
    "few_shot",
    "fit_head",
    "fit_linear_probe",
    "fit_neighbours",
    "fit_pixel_probe",
    "fit_trigger_trees",
    "join_events",
    "log_loss",
    "methods_for",
    "one_shot",
    "pool_images",
    "predict_classes",
    "probabilities_by_fold",
    "rank",
    "ranking_markdown",
    "read_codes",
    "read_pooled",
    "read_predictions",
    "reduced_pixels",
    "run_probes",
    "score",
    "score_draws",
    "split_events",
    "train_classifier",
    "write_predictions",
    "write_ranking",
    "write_report",
]
