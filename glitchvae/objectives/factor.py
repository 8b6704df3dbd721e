"""Total correlation told by a critic: FactorVAE."""

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
from glitchvae.objectives.base import VAE, Batch, CriticOptimizer, Objective, Weights
from glitchvae.objectives.fitting import require_one_layer
from glitchvae.objectives.schedules import Constant, Schedule


class Factor(Objective):
    """FactorVAE (Kim & Mnih 2018, equation 2): D + R + gamma TC.

    A critic learns to tell codes from codes whose dimensions were permuted across the
    batch, a draw of the product of their marginals; the difference of its two logits is the
    log of the ratio of densities, whose mean over the codes is the total correlation.
    `critic_steps` ends the critic's training early (0: never); that of the reference study
    (Locatello et al. 2019) probably took half of the model's steps.
    """

    second_batch: ClassVar[bool] = True

    name: Literal["factor"] = "factor"
    gamma: float = Field(default=30.0, ge=0.0)
    critic_width: int = Field(default=1000, ge=1)
    critic_depth: int = Field(default=6, ge=1)
    critic_learning_rate: float = Field(default=1e-4, gt=0.0)
    critic_betas: tuple[float, float] = (0.5, 0.9)
    critic_steps: int = Field(default=0, ge=0)

    def schedules(self) -> dict[str, Schedule]:
        """A constant gamma."""
        return {"gamma": Constant(self.gamma)}

    def check(self, model: VAE) -> None:
        """Refuse a hierarchy, whose layers depend on each other by design."""
        require_one_layer(self, model)

    def critic(self, latent_size: int) -> nn.Sequential:
        """A perceptron of leaky ReLUs with the logits of "code" and "permuted"."""
        widths = (latent_size, *[self.critic_width] * self.critic_depth)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
        return nn.Sequential(*layers, nn.Linear(widths[-1], 2))

    def critic_optimizer(self) -> CriticOptimizer:
        """Adam with the settings of the critic."""
        return CriticOptimizer(self.critic_learning_rate, self.critic_betas, self.critic_steps)

    def critic_loss(self, critic: nn.Module, codes: Tensor, other: Tensor) -> Tensor:
        """Cross-entropy of codes (B, D) and of permuted codes of the other batch.

        Both are detached here as well: the critic's step does not reach the encoder.
        """
        code = log_ratio(critic, codes.detach())
        permuted = log_ratio(critic, permute_dimensions(other.detach()))
        return 0.5 * (softplus(-code).mean() + softplus(permuted).mean())

    def latent_terms(
        self, latents: Latents, batch: Batch, critic: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`rate`, and the critic's `total_correlation`.

        Raises:
            ModelError: there is no critic.
        """
        if critic is None:
            raise ModelError("the objective 'factor' needs a critic", found=None)
        return {
            **super().latent_terms(latents, batch, critic),
            "total_correlation": log_ratio(_frozen(critic), latents.z).mean(),
        }

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """D + R + gamma TC."""
        elbo = terms["reconstruction"] + terms["rate"]
        return elbo + weights["gamma"] * terms["total_correlation"]


def log_ratio(critic: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Log of q(z) over the product of its marginals (B,), as the critic has it.

    The critic runs in the precision of the codes (B, D) also under autocast: the ratio is a
    difference of logits.
    """
    with torch.autocast(z.device.type, enabled=False):
        logits = critic(z)
    return logits[:, 0] - logits[:, 1]


def permute_dimensions(codes: Tensor) -> Tensor:
    """Codes (B, D) whose dimensions are each permuted across the batch, by itself."""
    order = torch.rand_like(codes).argsort(dim=0)
    return codes.gather(0, order)


def _frozen(critic: nn.Module) -> Callable[[Tensor], Tensor]:
    """The critic without gradients of its own weights: the model's step leaves them alone."""
    weights = {name: weight.detach() for name, weight in critic.named_parameters()}
    return lambda z: functional_call(critic, weights, (z,))
