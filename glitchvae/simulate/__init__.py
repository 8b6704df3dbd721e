"""Simulated glitches: a family per class, injected into coloured noise.

`FAMILIES` holds the models by label; `simulate_strain` makes a stretch of strain with
glitches in it and the table of what they are.
"""

from glitchvae.simulate.balance import BALANCES, draw_labels, weights
from glitchvae.simulate.families import FAMILIES
from glitchvae.simulate.family import Family
from glitchvae.simulate.injection import optimal_snr, strain_of
from glitchvae.simulate.strain import inject, simulate_strain
from glitchvae.simulate.truth import Truth

__all__ = [
    "BALANCES",
    "FAMILIES",
    "Family",
    "Truth",
    "draw_labels",
    "inject",
    "optimal_snr",
    "simulate_strain",
    "strain_of",
    "weights",
]
