r"""The distribution of a pixel of normalised energy that is cut at both ends of its scale.

In Gaussian noise the energy of a tile is the squared modulus of a complex Gaussian amplitude, so
that it is exponential, and its root, which models are given (`prepare`), is Rayleigh. A pixel
interpolates neighbouring tiles, whose energies are correlated: it is narrower than an exponential.
A signal makes the energy a non-central chi-squared one, of a larger mean and a smaller relative
width. The Weibull distribution holds the exponential exactly, narrows with its shape, and
has probabilities in closed form, which a pixel at the end of the scale needs and which of a gamma
distribution torch has no gradient for. In the root x of the energy over its ceiling, with shape k
(2 for Gaussian noise) and scale s,

    log p(x) = log(k / s) + (k - 1) log(x / s) - (x / s)^k     between the ends,
    log P(x) = -(c / s)^k                                      at the ceiling, c,
    log P(x) = log(1 - exp(-(f / s)^k))                        at zero, below f.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from glitchvae.shapes import ENERGY_CEILING

NOISE_ENERGY = 1.0 / math.log(2.0)
"""Mean energy of Gaussian noise whose median is 1, as rows of tiles are normalised."""

_STEP = 0.1
"""Energies of images in memory are multiples of this (one byte a pixel)."""

LOWEST = math.sqrt(0.5 * _STEP / ENERGY_CEILING)
"""Root below which an energy is rounded to zero."""

HIGHEST = math.sqrt(1.0 - 0.5 * _STEP / ENERGY_CEILING)
"""Root above which an energy is rounded to the ceiling."""

_NODES = 12


class ClippedWeibull(Distribution):
    """Weibull pixels of which those at zero and at the ceiling are known to lie beyond alone.

    Args:
        log_scale: Of the root of energy over its ceiling, any shape.
        log_shape: Of the root, broadcasts to it.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 # pyright: ignore
    has_rsample = False

    def __init__(self, log_scale: Tensor, log_shape: Tensor) -> None:
        self.log_scale, self.log_shape = log_scale, log_shape.expand_as(log_scale)
        super().__init__(log_scale.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of roots between the ends, log probability of what lies beyond them.

        Args:
            value: Roots x in [0, 1], as `prepare` makes them.
        """
        # A clamp keeps what is not chosen below finite: a NaN there would reach the gradient.
        log_x = value.clamp(LOWEST, HIGHEST).log() - self.log_scale
        power = (self.shape * log_x).exp()
        density = self.log_shape - self.log_scale + (self.shape - 1.0) * log_x - power
        # At the ends of its range `log_x` is that of the end.
        below = (-torch.expm1(-power)).clamp_min(torch.finfo(power.dtype).tiny).log()
        return torch.where(value < LOWEST, below, torch.where(value > HIGHEST, -power, density))

    @property
    def shape(self) -> Tensor:
        """Shape k of the root."""
        return self.log_shape.exp()

    @property
    def mean(self) -> Tensor:
        """Mean of the root, cut at the ceiling: the integral of its survival function."""
        nodes, weights = _legendre()
        found = torch.zeros_like(self.log_scale)
        for node, weight in zip(nodes, weights, strict=True):
            power = (self.shape * (math.log(node) - self.log_scale)).exp()
            found = found + weight * (-power).exp()
        return found

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Roots, cut at the ceiling."""
        shape = self._extended_shape(torch.Size(sample_shape))
        uniform = torch.rand(shape, dtype=self.log_scale.dtype, device=self.log_scale.device)
        with torch.no_grad():
            waiting = (-torch.log1p(-uniform)).clamp_min(torch.finfo(uniform.dtype).tiny)
            return (self.log_scale + waiting.log() / self.shape).exp().clamp_max(1.0)


@cache
def _legendre() -> tuple[list[float], list[float]]:
    """Nodes and weights of Gauss and Legendre's rule in [0, 1]."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()
