"""Distributions of an image given the decoder's output, chosen by name."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Normal

LikelihoodName = Literal["bernoulli", "gaussian"]


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision widened: densities and KL terms lose too many digits in it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class BernoulliLikelihood(nn.Module):
    """Independent Bernoulli pixels; images anywhere in [0, 1] are read as probabilities."""

    def forward(self, logits: Tensor) -> Distribution:
        """Bernoulli with these logits, of their shape."""
        return Bernoulli(logits=at_least_float32(logits), validate_args=False)


class GaussianLikelihood(nn.Module):
    """Normal pixels around `sigmoid(logits)` with one learned width for the whole image.

    The width converges to the root mean square residual, so that distortion and rate
    are weighed without a hand-set constant (Rybkin et al. 2021, sigma-VAE, section 3).
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-2.0))

    def forward(self, logits: Tensor) -> Distribution:
        """Normal with mean in (0, 1), of the shape of `logits`."""
        mean = at_least_float32(logits).sigmoid()
        return Normal(mean, self.log_scale.exp().expand_as(mean), validate_args=False)


LIKELIHOODS: dict[str, type[nn.Module]] = {
    "bernoulli": BernoulliLikelihood,
    "gaussian": GaussianLikelihood,
}
