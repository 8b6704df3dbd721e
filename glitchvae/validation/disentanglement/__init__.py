"""Disentanglement: agreement of single code dimensions with factors, by six metrics.

Codes are (N, D) numbers and factors (N, K) whole numbers, which of its values each factor
has; nothing here knows where they come from.
"""

from glitchvae.validation.disentanglement.dci import dci, dci_exact, gain_importance
from glitchvae.validation.disentanglement.information import (
    entropy,
    mig,
    modularity,
    mutual_information,
)
from glitchvae.validation.disentanglement.mixture import mig_chen
from glitchvae.validation.disentanglement.protocol import Protocol, check
from glitchvae.validation.disentanglement.scores import (
    METRICS,
    Metric,
    Score,
    find_metric,
    measure,
    name_dimensions,
    steps_of,
)
from glitchvae.validation.disentanglement.separation import sap
from glitchvae.validation.disentanglement.votes import beta_vae_score, factor_vae_score

__all__ = [
    "METRICS",
    "Metric",
    "Protocol",
    "Score",
    "beta_vae_score",
    "check",
    "dci",
    "dci_exact",
    "entropy",
    "factor_vae_score",
    "find_metric",
    "gain_importance",
    "measure",
    "mig",
    "mig_chen",
    "modularity",
    "mutual_information",
    "name_dimensions",
    "sap",
    "steps_of",
]
