"""Ensemble of members with stacked weights, which take one step together.

`torch.func.vmap` maps the step over the first axis of all weights, and one Adam over the
stacked tensors is Adam for each member: its update is element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from glitchvae.models import Model
from glitchvae.objectives import Batch
from glitchvae.training import order
from glitchvae.training.config import TrainingConfig
from glitchvae.training.ensemble.matrix import with_matrix_products
from glitchvae.training.images import TrainingImages
from glitchvae.training.order import DataOrder, WeightedOrder, draw_seed
from glitchvae.training.step import DiscriminatorStep, Step, StepResult, captured
from glitchvae.training.trainer import (
    Pending,
    WeightTable,
    adam,
    adam_of_discriminator,
    data_order,
    fresh_networks,
    log_row,
    seed_samples,
    set_learning_rate,
    training_rows,
)

Tensors = dict[str, Tensor]


class Member(nn.Module):
    """One member's step with its discriminator inside, so that one call can replace all weights."""

    def __init__(self, step: Step, discriminator: nn.Module | None) -> None:
        super().__init__()
        self.step = step
        self.discriminator = discriminator

    def forward(self, batch: Batch, weights: Tensors) -> StepResult:
        """The terms of a batch."""
        return self.step(batch, weights, self.discriminator)


class StackedEnsemble:
    """Members of one size and objective that differ in seed and weights of terms.

    Each member sees the events in the order that its seed gives; augmentation and posterior
    samples of all members come from one stream.

    Args:
        data: Images in [0, 1].
        configs: Settings of the members (`obstacle_to_stacking` has to be empty).
        device: Where to train.
        matrix: Write convolutions as matrix products.

    Raises:
        ModelError: no event to train on, or data, model and objective do not fit together.
        ValueError: a convolution that cannot be written as a matrix product.
    """

    def __init__(
        self,
        data: TrainingImages,
        configs: Sequence[TrainingConfig],
        device: torch.device,
        *,
        matrix: bool = False,
    ) -> None:
        self.configs, self.config, self.device = configs, configs[0], device
        self.data = data.to(device)
        # vmap knows normalisation in groups for images channel by channel alone.
        layout = torch.contiguous_format
        networks = [fresh_networks(config, self.data, device, layout) for config in configs]
        self.networks = [model for model, _ in networks]
        discriminators = [
            discriminator for _, discriminator in networks if discriminator is not None
        ]
        self.weights, self.buffers = stack_module_state(list(self.networks))
        self.discriminator_weights = stack_module_state(discriminators)[0] if discriminators else {}
        self._member = _template(self.networks[0], discriminators, self.config, matrix)
        self.discriminator_forward = _mapped_discriminator(discriminators, self.config)
        self.optimizer = adam(self.weights.values(), self.config.learning_rate, device)
        self.discriminator_optimizer = adam_of_discriminator(
            self.discriminator_weights.values(), self.config, device
        )
        self.forward = captured(vmap(self._loss, randomness="different"), self.config, device)
        self.step = 0
        rows = training_rows(data)
        self._population = len(rows)
        self._orders = [
            [data_order(data, rows, config, stream, device) for config in configs]
            for stream in (order.ORDER, order.OTHER_ORDER)
        ]
        self._seeds = [config.seed for config in configs]
        self._schedules = WeightTable(configs, device)
        self._pending = Pending(self.config.objective)

    @property
    def models(self) -> list[Model[Any]]:
        """The model of each member, with its present weights."""
        for i, model in enumerate(self.networks):
            model.load_state_dict(_member(self.weights | self.buffers, i))
        return self.networks

    def advance(self) -> None:
        """One update of all members, without copies to the host."""
        images, scale = self._images(), self._schedules(self.step, slice(None))
        seed_samples(draw_seed(*self._seeds, order.SAMPLES, self.step), self.device)
        outcome = self.forward(
            self.weights, self.buffers, self.discriminator_weights, images, scale
        )
        self.optimizer.zero_grad(set_to_none=True)
        outcome.terms["loss"].sum().backward()
        norms = gradient_norms(self.weights.values())
        set_learning_rate(self.optimizer, self.config.learning_rate_at(self.step))
        self.optimizer.step()
        self._pending.add(outcome, self._train_discriminators(outcome) | {"gradient_norm": norms})
        self.step += 1

    def read_terms(self) -> list[dict[str, float]] | None:
        """Mean terms of each member since the last call, as `Trainer.read_terms`.

        Raises:
            ModelError: one of them is not finite.
        """
        names, values = self._pending.take()
        if len(values) == 0:
            return None
        return [
            log_row(values[:, i], names, config, self.step) for i, config in enumerate(self.configs)
        ]

    def states(self) -> list[dict[str, Any]]:
        """State of each member, as of a `Trainer`."""
        return [self._state(i) for i in range(len(self.configs))]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """Continue from what `states` returned."""
        self.step = states[0]["step"]
        _fill(self.weights | self.buffers, [state["model"] for state in states])
        _restore_adam(self.optimizer, [state["optimizer"] for state in states])
        if self.discriminator_optimizer is not None:
            _fill(self.discriminator_weights, [state["discriminator"] for state in states])
            _restore_adam(
                self.discriminator_optimizer, [s["discriminator_optimizer"] for s in states]
            )

    def _state(self, index: int) -> dict[str, Any]:
        state = {
            "step": self.step,
            "model": _member(self.weights | self.buffers, index),
            "optimizer": _adam_state(self.optimizer, index),
        }
        if self.discriminator_optimizer is not None:
            state["discriminator"] = _member(self.discriminator_weights, index)
            state["discriminator_optimizer"] = _adam_state(self.discriminator_optimizer, index)
        return state

    def _images(self) -> Tensors:
        """The batches of all members side by side: fields (members, B, …)."""
        batch = self._draw(self._orders[0], order.AUGMENTATION)
        images = {k: v for k, v in batch._asdict().items() if isinstance(v, Tensor)}
        if self.config.objective.second_batch:
            images["other"] = self._draw(self._orders[1], order.OTHER_AUGMENTATION).x
        return {name: value.unflatten(0, (len(self.configs), -1)) for name, value in images.items()}

    def _draw(self, orders: list[DataOrder | WeightedOrder], stream: int) -> Batch:
        rows = torch.cat([one(self.step) for one in orders])
        rng = np.random.default_rng((*self._seeds, stream, self.step))
        return self.data.training_batch(rows, self.config.augmentation, rng)

    def _train_discriminators(self, outcome: StepResult) -> Tensors:
        settings = self.config.objective.discriminator_optimizer()
        if (
            self.discriminator_forward is None
            or self.discriminator_optimizer is None
            or settings is None
        ):
            return {}
        loss = self.discriminator_forward(self.discriminator_weights, outcome.codes)
        if settings.steps == 0 or self.step < settings.steps:
            self.discriminator_optimizer.zero_grad(set_to_none=True)
            loss.sum().backward()
            self.discriminator_optimizer.step()
        return {"discriminator_loss": loss}

    def _loss(
        self,
        weights: Tensors,
        buffers: Tensors,
        discriminator: Tensors,
        images: Tensors,
        scale: Tensors,
    ) -> StepResult:
        values = _prefixed("step.model.", weights | buffers) | _prefixed(
            "discriminator.", discriminator
        )
        batch = Batch(**images, population=self._population)
        return functional_call(self._member, values, (batch, scale))


def gradient_norms(weights: Iterable[Tensor]) -> Tensor:
    """Norm of the gradient of each member (M,)."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    return torch.stack([g.flatten(1).square().sum(dim=1) for g in gradients]).sum(dim=0).sqrt()


def _template(
    model: Model[Any], discriminators: Sequence[nn.Module], config: TrainingConfig, matrix: bool
) -> Member:
    """A member whose weights are given at each call."""
    form = cast("Model[Any]", with_matrix_products(model)) if matrix else model
    step = Step(form, config.objective, config.precision)
    return Member(step, discriminators[0] if discriminators else None)


def _mapped_discriminator(
    discriminators: Sequence[nn.Module], config: TrainingConfig
) -> Callable[..., Tensor] | None:
    """Losses (M,) of the discriminators as a function of weights and codes."""
    if not discriminators:
        return None
    step = DiscriminatorStep(discriminators[0], config.objective)

    def loss(weights: Tensors, codes: tuple[Tensor, ...]) -> Tensor:
        return functional_call(step, _prefixed("discriminator.", weights), codes)

    return vmap(loss, randomness="different")


def _prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: value for name, value in tensors.items()}


def _member(tensors: Tensors, index: int) -> Tensors:
    return {name: value[index].detach().clone() for name, value in tensors.items()}


def _stack(members: Sequence[Tensors]) -> Tensors:
    return {name: torch.stack([member[name] for member in members]) for name in members[0]}


def _fill(tensors: Tensors, members: Sequence[Tensors]) -> None:
    """Copy weights of members in place into stacked ones, to which an optimiser refers."""
    with torch.no_grad():
        for name, value in _stack(members).items():
            tensors[name].copy_(value)


def _adam_state(optimizer: torch.optim.Adam, index: int) -> dict[str, Any]:
    """Adam state of one member: its moments, and the common count of steps."""
    whole = optimizer.state_dict()
    state = {
        key: {k: v.clone() if k == "step" else v[index].clone() for k, v in moments.items()}
        for key, moments in whole["state"].items()
    }
    return {"state": state, "param_groups": whole["param_groups"]}


def _restore_adam(optimizer: torch.optim.Adam, states: Sequence[dict[str, Any]]) -> None:
    moments = [state["state"] for state in states]
    state = {
        key: _stack([own[key] for own in moments]) | {"step": moments[0][key]["step"]}
        for key in moments[0]
    }
    optimizer.load_state_dict({"state": state, "param_groups": states[0]["param_groups"]})
