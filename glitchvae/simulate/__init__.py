"""Simulation of glitches: a family per class, injected into coloured noise.

`FAMILIES` holds the models by label, `UNCATALOGUED` shapes of no class; `simulate_strain` makes
a stretch of strain with glitches in it and the table of what they are.
"""

from glitchvae.simulate.balance import BALANCES, draw_labels, weights
from glitchvae.simulate.families import FAMILIES
from glitchvae.simulate.family import Family
from glitchvae.simulate.injection import optimal_snr, strain_of
from glitchvae.simulate.strain import inject, simulate_strain
from glitchvae.simulate.truth import Truth
from glitchvae.simulate.uncatalogued import UNCATALOGUED, family_of

__all__ = [
    "BALANCES",
    "FAMILIES",
    "UNCATALOGUED",
    "Family",
    "Truth",
    "draw_labels",
    "family_of",
    "inject",
    "optimal_snr",
    "simulate_strain",
    "strain_of",
    "weights",
]
