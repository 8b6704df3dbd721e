"""A prior that is learnt: the mixture of the posteriors of inputs that are learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from glitchvae.models.networks import Shape


class PseudoInputs(nn.Module):
    """K inputs u_k whose posteriors make the prior, p(z) = 1/K sum_k q(z|u_k).

    Tomczak & Welling 2017, "VAE with a VampPrior" (arXiv:1705.07120), equation 9. A sigmoid keeps
    them in [0, 1]; they begin as noise around 0.12.

    Args:
        count: K.
        shape: Channels, rows and columns of what is learnt.
        data_range: Lowest and highest value of the images.
        views: Whether these are views of glitches: the channel that tells the computed band is
            one everywhere.

    Example:
        >>> PseudoInputs(5, (1, 64, 64), data_range=(0.0, 1.0))().shape
        torch.Size([5, 1, 64, 64])
    """

    def __init__(
        self, count: int, shape: Shape, *, data_range: tuple[float, float], views: bool = False
    ) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.randn(count, *shape) - 2.0)
        self.data_range, self.views = data_range, views

    def forward(self) -> Tensor:
        """Input of the encoder (K, C, H, W)."""
        low, high = self.data_range
        inputs = low + (high - low) * self.logits.sigmoid()
        return torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1) if self.views else inputs


def log_mixture(z: Tensor, components: Normal) -> Tensor:
    """Log density (B,) of the mixture in equal parts of K normals (K, Z) at z (B, Z)."""
    densities = components.log_prob(z[:, None]).sum(dim=-1)
    return densities.logsumexp(dim=1) - math.log(len(components.mean))
