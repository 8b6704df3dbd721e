"""Goals of an attack: divergences between a perturbed input and the target.

Upper layers of a hierarchy follow from the means of the lower ones, and reconstructions
from the mean of every layer: equation 15 of "Disentangling improves VAEs' robustness to
adversarial attacks" has no closed form beyond the first layer, and means make the goal
deterministic, so that a line search can trust it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from glitchvae.errors import InputError, ModelError
from glitchvae.models import Latents, Model, UserEncoder
from glitchvae.objectives import layer_rates_of
from glitchvae.validation.robustness.attacks.pairs import Pairs

GoalName = Literal["latent", "mean", "output"]


class Goal:
    """Divergence (B,) of inputs from the targets of some pairs, which an attack minimises.

    Args:
        model: In evaluation mode; an encoder alone does for goals that draw nothing.
        pairs: Inputs and targets.
        layers: The attacked latent layers, counted from 1 at the bottom; None: see
            `attacked_layers`.

    Raises:
        InputError: the model has no such layer.
    """

    def __init__(
        self, model: Model | UserEncoder, pairs: Pairs, layers: tuple[int, ...] | None = None
    ) -> None:
        self.model, self.pairs = model, pairs
        self.layers = attacked_layers(model, layers)
        with torch.no_grad():
            self.targets = model.infer(pairs.targets, sample=False)

    @property
    def decoder(self) -> Model | None:
        """The model if it has a decoder; None for an encoder alone."""
        return None if isinstance(self.model, UserEncoder) else self.model

    def __call__(self, x: Tensor, pair: Tensor) -> Tensor:
        """Divergence (B,) of inputs `x` (B, C, F, T) from the targets of the pairs `pair` (B,)."""
        return self.divergence(self.model.infer(x, sample=False), pair)

    def divergence(self, latents: Latents, pair: Tensor) -> Tensor:
        """Divergence (B,) of inferred latents from the targets."""
        raise NotImplementedError

    def _target(self, layer: int, pair: Tensor) -> Normal:
        target = self.targets.posteriors[layer - 1]
        return Normal(target.mean[pair], target.stddev[pair], validate_args=False)


class LatentGoal(Goal):
    """Sum over layers of KL(q(z|x + d) || q(z|x_t)): the code approaches the target's."""

    def divergence(self, latents: Latents, pair: Tensor) -> Tensor:
        """The KL divergence in nats."""
        parts = [
            kl_divergence(latents.posteriors[layer - 1], self._target(layer, pair)).sum(dim=1)
            for layer in self.layers
        ]
        return torch.stack(parts).sum(dim=0)


class MeanGoal(Goal):
    """Squared distance of posterior means (Kos, Fischer & Song 2017, latent attack)."""

    def divergence(self, latents: Latents, pair: Tensor) -> Tensor:
        """The squared Euclidean distance, summed over layers."""
        parts = [
            (latents.posteriors[layer - 1].mean - self._target(layer, pair).mean).square().sum(1)
            for layer in self.layers
        ]
        return torch.stack(parts).sum(dim=0)


class OutputGoal(Goal):
    """-ELBO of the target under the code of the perturbed input.

    The paper's equation 12 as printed adds the ELBO; an attack has to lower its negative.
    """

    def divergence(self, latents: Latents, pair: Tensor) -> Tensor:
        """The negative evidence lower bound in nats.

        Raises:
            ModelError: the model is an encoder alone.
        """
        if self.decoder is None:
            raise ModelError(
                "an encoder without a decoder makes no images",
                expected="a model that decodes",
                remedy="Attack its codes: the goal latent or mean.",
            )
        log_likelihood = self.pairs.log_likelihood(self.decoder.decode(latents.z), pair)
        return layer_rates_of(self.decoder, latents).sum(dim=1) - log_likelihood


GOALS: dict[GoalName, type[Goal]] = {"latent": LatentGoal, "mean": MeanGoal, "output": OutputGoal}


def attacked_layers(model: Model | UserEncoder, layers: tuple[int, ...] | None) -> tuple[int, ...]:
    """Layers that are attacked; None stands for those of the likelihood.

    Of a DLGM and a beta-TCDLGM that is z_1 alone (equation 14 of the paper): what it draws
    follows from nothing else. Of all other models it is every layer (equation 15).

    Raises:
        InputError: the model has no such layer.
    """
    count = len(model.layers)
    if layers is None:
        first = _likelihood_on(model) == "first"
        return (1,) if first else tuple(range(1, count + 1))
    if not layers or not all(1 <= layer <= count for layer in layers):
        raise InputError(
            "the latent layer does not exist",
            expected=f"1 to {count}",
            found=layers,
            remedy="Layers are counted from 1 at the bottom; leave them out to attack those that "
            "the likelihood is on.",
        )
    return tuple(layers)


def _likelihood_on(model: Model | UserEncoder) -> str:
    return getattr(getattr(model, "settings", None), "likelihood_on", "all")
