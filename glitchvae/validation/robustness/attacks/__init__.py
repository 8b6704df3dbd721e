"""Latent and output attacks: the least perturbation that turns one image into another.

"Disentangling improves VAEs' robustness to adversarial attacks", section 6 and appendix E.
"""

from glitchvae.validation.robustness.attacks.goals import (
    GOALS,
    GoalName,
    LatentGoal,
    MeanGoal,
    OutputGoal,
)
from glitchvae.validation.robustness.attacks.pairs import Pairs
from glitchvae.validation.robustness.attacks.record import NOT_FINITE, OK, Attacks
from glitchvae.validation.robustness.attacks.study import (
    EVALUATIONS,
    STRENGTHS,
    attack,
)

__all__ = [
    "EVALUATIONS",
    "GOALS",
    "NOT_FINITE",
    "OK",
    "STRENGTHS",
    "Attacks",
    "GoalName",
    "LatentGoal",
    "MeanGoal",
    "OutputGoal",
    "Pairs",
    "attack",
]
