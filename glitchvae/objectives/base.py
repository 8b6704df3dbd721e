"""Base of the objectives, and the two terms that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, kl_divergence

from glitchvae.config import Settings
from glitchvae.errors import ConfigError, ModelError
from glitchvae.models import Latents, log_mixture
from glitchvae.objectives.schedules import Schedule

Weights = Mapping[str, float | Tensor]
"""Weights of a step by name: numbers, or scalars on the device of a captured step."""


LikelihoodOn = Literal["first", "all"]
"""Latent layers of a hierarchy on which the likelihood depends."""


class Batch(NamedTuple):
    """One training batch.

    Args:
        x: Input of the model (B, C, F, T).
        target: What it has to explain (B, views, F, T), in the likelihood's range.
        valid: Pixels of `target` that exist, broadcasts to it (B, 1, F, T).
        population: Events in the training set, of which these are a random draw.
        other: Input of a second, independent draw, for objectives that ask for it.
        positive: Input of the same events changed in another way, for objectives that compare.
        label: Index of the class of each event (B,), -1 where it is not known, for objectives
            that learn from labels; None where no event of the data has one.

    Example:
        >>> x = torch.rand(8, 1, 64, 64)
        >>> batch = Batch(x, x, torch.ones(1, 1, 1, 1, dtype=torch.bool), population=1000)
        >>> list(Beta(beta=4)(ImageVAE(), batch, {"beta": 4.0}))
        ['loss', 'reconstruction', 'rate']
    """

    x: Tensor
    target: Tensor
    valid: Tensor
    population: int = 0
    other: Tensor | None = None
    positive: Tensor | None = None
    label: Tensor | None = None


class DiscriminatorOptimizer(NamedTuple):
    """Settings of the separate Adam optimiser of a discriminator.

    Args:
        learning_rate: Constant throughout.
        betas: Of Adam.
        steps: Updates after which the discriminator stays as it is; 0 for no end.

    Example:
        >>> Factor().discriminator_optimizer()
        DiscriminatorOptimizer(learning_rate=0.0001, betas=(0.5, 0.9), steps=0)
    """

    learning_rate: float
    betas: tuple[float, float]
    steps: int


class VAE(Protocol):
    """Properties of a model that objectives use."""

    @property
    def layers(self) -> tuple[int, ...]: ...  # noqa: D102
    def infer(self, x: Tensor, *, sample: bool = True) -> Latents: ...  # noqa: D102
    def decode(self, z: Tensor) -> Distribution: ...  # noqa: D102


def distortions(likelihood: Distribution, batch: Batch) -> Tensor:
    """Negative log-likelihood of the valid pixels of each event in nats (B,)."""
    log_prob = likelihood.log_prob(batch.target)
    return -(log_prob * batch.valid).flatten(1).sum(dim=1)


def distortion(likelihood: Distribution, batch: Batch) -> Tensor:
    """Negative log-likelihood of the valid pixels in nats, mean over the batch."""
    return distortions(likelihood, batch).mean()


def rate(posterior: Normal, prior: Normal) -> Tensor:
    """KL divergence of posterior and prior in nats, summed over latents, mean over the batch."""
    return kl_divergence(posterior, prior).sum(dim=-1).mean()


def layer_rates_of(model: VAE, latents: Latents) -> Tensor:
    """KL divergence of each layer of each event and its prior in nats (B, L), bottom up.

    In closed form; under a learnt prior, which has none, at the draw.
    """
    components = learnt_prior(model)
    if components is None:
        layers = zip(latents.posteriors, latents.priors, strict=True)
        return torch.stack([kl_divergence(q, p).sum(dim=-1) for q, p in layers], dim=-1)
    density = latents.posterior.log_prob(latents.z).sum(dim=-1)
    return (density - log_mixture(latents.z, components))[:, None]


def learnt_prior(model: VAE) -> Normal | None:
    """Components of the prior of a model that learns it; None of others."""
    ask = getattr(model, "prior_components", None)
    return None if ask is None else ask()


def kl_per_dimension(latents: Latents) -> Tensor:
    """KL divergence of each latent dimension from the standard normal in nats, batch mean.

    In a hierarchy that of a lower layer is from its prior, given the sample of the layer above.

    Returns:
        (sum of Z_i,), the layers side by side, bottom up.
    """
    return kl_divergence(latents.posterior, latents.prior).mean(dim=0)


class Objective(Settings):
    """Base of the objectives: D + beta R unless a subclass has other terms or another total.

    An objective is a frozen setting. It computes named terms (means over the batch, in
    nats) and adds them with weights that follow schedules.

    Example:
        >>> class Squared(Objective):
        ...     name: str = "squared"
        ...
        ...     def schedules(self):
        ...         return {"beta": Constant(0.1)}
        ...
        ...     def total(self, terms, weights):
        ...         return terms["reconstruction"] + weights["beta"] * terms["rate"].square()
        >>> Squared().weights(step=0)
        {'beta': 0.1}
    """

    second_batch: ClassVar[bool] = False
    """Whether `Batch.other` must be given."""

    learns_prior: ClassVar[bool] = False
    """Whether it is for models whose prior is learnt, which all others refuse."""

    hierarchy_on: ClassVar[LikelihoodOn | None] = None
    """Of an objective for hierarchies alone, the layers that the likelihood of the hierarchy
    it brings is on; None of an objective that takes one latent layer."""

    model_defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings of the model that it brings, where a table does not say otherwise."""

    of_the_weights: ClassVar[frozenset[str]] = frozenset()
    """Keys that a class adds and that act through its schedules alone: members of an ensemble
    that differ in nothing else can share one step."""

    @classmethod
    def weight_keys(cls) -> frozenset[str]:
        """`of_the_weights` of the class and of its base classes."""
        return frozenset().union(*(vars(kind).get("of_the_weights", ()) for kind in cls.__mro__))

    def schedules(self) -> dict[str, Schedule]:
        """The weights by name."""
        raise NotImplementedError

    def require_complete(self) -> None:
        """Refuse a class without the members that only a subclass can define.

        Raises:
            ConfigError: it has no schedules.
        """
        if type(self).schedules is Objective.schedules:
            raise ConfigError(
                "an objective without weights",
                where=type(self).__name__,
                expected="a method schedules() -> {name: schedule}",
                remedy="Derive it from Beta, or return {'beta': Constant(1.0)}.",
            )

    def target_rate(self) -> float | None:
        """The target of the rate in nats at the end of a training; None if there is none."""
        return None

    def check(self, model: VAE) -> None:
        """Refuse a model with latent layers for which the objective is not defined.

        Raises:
            ModelError: objective and model are named.
        """

    def discriminator(self, latent_size: int) -> nn.Module | None:
        """A discriminator with fresh weights; None for most objectives."""
        return None

    def discriminator_optimizer(self) -> DiscriminatorOptimizer | None:
        """Optimiser settings of the discriminator, if there is one."""
        return None

    def discriminator_loss(self, discriminator: nn.Module, codes: Tensor, other: Tensor) -> Tensor:
        """Loss of the discriminator on detached codes (B, D) of two independent batches."""
        raise NotImplementedError

    def terms(
        self, model: VAE, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """`reconstruction` and the latent terms of one posterior sample per event."""
        latents = model.infer(batch.x)
        return {
            "reconstruction": distortion(model.decode(latents.z), batch),
            **self.latent_terms(latents, batch, discriminator),
        }

    def latent_terms(
        self, latents: Latents, batch: Batch, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """The `rate`, and other terms of the latent variables."""
        return {"rate": rate(latents.posterior, latents.prior)}

    def total(self, terms: dict[str, Tensor], weights: Weights) -> Tensor:
        """The scalar to be minimised: D + beta R."""
        return terms["reconstruction"] + weights["beta"] * terms["rate"]

    def weights(self, step: int) -> dict[str, float]:
        """Every weight after `step` steps."""
        return {name: schedule(step) for name, schedule in self.schedules().items()}

    def __call__(
        self, model: VAE, batch: Batch, weights: Weights, discriminator: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """The terms of a batch, with their weighted sum under `loss`.

        Raises:
            ModelError: the model is not one that the objective is defined for; a term is
                called `loss` or is no scalar; `total` asks for a term that there is not.
        """
        self.check(model)
        if getattr(model, "pseudo_inputs", None) is not None and not self.learns_prior:
            raise ModelError(
                f"the objective {type(self).__name__} does not fit the model",
                expected="the standard normal as its prior",
                found="a learnt prior (pseudo_inputs)",
                remedy="Train it by vamp, or leave out pseudo_inputs of the model.",
            )
        terms = self.terms(model, batch, discriminator)
        _check_terms(type(self).__name__, terms)
        if "loss" in terms:
            raise ModelError(
                f"a term of the objective {type(self).__name__} has the name of the sum of all",
                found="loss",
                remedy="Give the term another name.",
            )
        try:
            loss = self.total(terms, weights)
        except KeyError as error:
            raise ModelError(
                f"the sum of the objective {type(self).__name__} needs what there is not",
                expected=f"a term or weight {error}",
                found=", ".join([*terms, *weights]),
                remedy="Write a method total() for the terms and schedules it has.",
            ) from error
        _check_terms(type(self).__name__, {"loss": loss})
        return {"loss": loss, **terms}


def _check_terms(objective: str, terms: Mapping[str, object]) -> None:
    """Refuse terms that are not scalars, by their shapes alone: no step waits for a value."""
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim:
            raise ModelError(
                f"the term {name!r} of the objective {objective} is no scalar",
                expected="a tensor of shape (), the mean over the batch",
                found=tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__,
            )
