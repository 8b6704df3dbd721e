"""FactorVAE: total correlation estimated by a discriminator."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from glitchvae.errors import ModelError
from glitchvae.models import Latents
from glitchvae.objectives.base import VAE, Batch, DiscriminatorOptimizer, Objective, Weights
from glitchvae.objectives.fitting import require_one_layer
from glitchvae.objectives.schedules import Constant, Schedule


class Factor(Objective):
    """FactorVAE (Kim & Mnih 2018, equation 2): D + R + gamma TC.

    A discriminator learns to tell codes from codes whose dimensions were permuted across the
    batch, a draw of the product of their marginals; the difference of its two logits is the
    log of the ratio of densities, whose mean over the codes is the total correlation.
    `discriminator_steps` ends the discriminator's training early (0: never); that of
    the reference study (Locatello et al. 2019) probably took half of the model's steps.

    Example:
        >>> objective = Factor(gamma=10, discriminator_width=8, discriminator_depth=2)
        >>> objective.discriminator(latent_size=3)(torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """

    second_batch: ClassVar[bool] = True
    of_the_weights: ClassVar[frozenset[str]] = frozenset({"gamma"})

    name: Literal["factor"] = "factor"
    gamma: float = Field(default=30.0, ge=0.0)
    discriminator_width: int = Field(default=1000, ge=1)
    discriminator_depth: int = Field(default=6, ge=1)
    discriminator_learning_rate: float = Field(default=1e-4, gt=0.0)
    discriminator_betas: tuple[float, float] = (0.5, 0.9)
    discriminator_steps: int = Field(default=0, ge=0)

    def schedules(self) -> dict[str, Schedule]:
        """A constant gamma."""
        return {"gamma": Constant(self.gamma)}

    def check(self, model: VAE) -> None:
        """Refuse a hierarchy, whose layers depend on each other by design."""
        require_one_layer(self, model)

    def discriminator(self, latent_size: int) -> nn.Sequential:
        """A perceptron with leaky ReLU and the logits of "code" and "permuted"."""
        widths = (latent_size, *[self.discriminator_width] * self.discriminator_depth)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
        return nn.Sequential(*layers, nn.Linear(widths[-1], 2))

    def discriminator_optimizer(self) -> DiscriminatorOptimizer:
        """Adam with the settings of the discriminator."""
        return DiscriminatorOptimizer(
            self.discriminator_learning_rate, self.discriminator_betas, self.discriminator_steps
        )

    def discriminator_loss(self, discriminator: nn.Module, codes: Tensor, other: Tensor) -> Tensor:
        """Cross-entropy of codes (B, D) and of permuted codes of the other batch.

        Both are detached here as well: the discriminator's step does not reach the encoder.
        """
        code = log_ratio(discriminator, codes.detach())
        permuted = log_ratio(discriminator, permute_dimensions(other.detach()))
        return 0.5 * (softplus(-code).mean() + softplus(permuted).mean())

    def latent_terms(
        self, latents: Latents, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`rate`, and the discriminator's `total_correlation`.

        Raises:
            ModelError: there is no discriminator.
        """
        if discriminator is None:
            raise ModelError("the objective 'factor' needs a discriminator", found=None)
        return {
            **super().latent_terms(latents, batch, discriminator),
            "total_correlation": log_ratio(_frozen(discriminator), latents.z).mean(),
        }

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + R + gamma TC."""
        elbo = terms["reconstruction"] + terms["rate"]
        return elbo + weights["gamma"] * terms["total_correlation"]


def log_ratio(discriminator: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Log of q(z) over the product of its marginals (B,), estimated by the discriminator.

    The discriminator runs in the precision of the codes (B, D) also under autocast: the ratio is a
    difference of logits.
    """
    with torch.autocast(z.device.type, enabled=False):
        logits = discriminator(z)
    return logits[:, 0] - logits[:, 1]


def permute_dimensions(codes: Tensor) -> Tensor:
    """Permute each dimension of codes (B, D) across the batch independently."""
    order = torch.rand_like(codes).argsort(dim=0)
    return codes.gather(0, order)


def _frozen(discriminator: nn.Module) -> Callable[[Tensor], Tensor]:
    """The discriminator with gradients of its weights switched off."""
    weights = {name: weight.detach() for name, weight in discriminator.named_parameters()}
    return lambda z: functional_call(discriminator, weights, (z,))
