"""One model with its optimiser and its position in the data: the state of a run."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from glitchvae.errors import ConfigError, DivergenceError, ModelError
from glitchvae.models import Model, UserVAE, architecture_of, build, takes_views
from glitchvae.objectives import Batch, Objective
from glitchvae.training import order
from glitchvae.training.config import TrainingConfig
from glitchvae.training.images import TrainingImages
from glitchvae.training.launch import ALONE, Ranks
from glitchvae.training.log import kl_columns
from glitchvae.training.order import DataOrder, WeightedOrder, draw_seed
from glitchvae.training.step import DiscriminatorStep, Step, StepResult, captured

MOST_DIMENSIONS = 256
"""Largest number of latent dimensions whose single KL is logged."""

_WEIGHTS_AHEAD = 1000
"""Steps whose weights are copied to the device together."""


class Trainer:
    """Takes steps. Data order, augmentation and posterior samples depend on seed and step alone.

    Args:
        data: Images in [0, 1].
        config: Settings of the run.
        device: Where to train.
        ranks: This process among those that share each batch.
        network: A model to start from, copied; unless given one is built with fresh weights.

    Raises:
        ModelError: no event to train on, or data, model and objective do not fit together.
    """

    def __init__(
        self,
        data: TrainingImages,
        config: TrainingConfig,
        device: str | torch.device = "cpu",
        ranks: Ranks = ALONE,
        network: Model[Any] | None = None,
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.ranks = ranks
        check_share(config, ranks)
        self.data = data.to(self.device)
        self.rows = training_rows(data)
        self.model, self.discriminator = fresh_networks(
            config, self.data, self.device, network=network
        )
        self.optimizer = optimizer_of(self.model.parameters(), config, self.device)
        discriminator_weights = (
            [] if self.discriminator is None else list(self.discriminator.parameters())
        )
        self.discriminator_optimizer = adam_of_discriminator(
            discriminator_weights, config, self.device
        )
        self.step = 0
        self._plain_step = Step(self.model, config.objective, config.precision)
        shared = ranks.share(self._plain_step, self.device)
        self.forward = captured(shared, config, self.device)
        self._discriminator_step = None
        if self.discriminator is not None:
            self._discriminator_step = ranks.share(
                DiscriminatorStep(self.discriminator, config.objective), self.device
            )
        self._batches = Batches(self.data, self.rows, config, self.device, ranks)
        self._weights = WeightTable([config], self.device)
        self._pending = Pending(config.objective)

    def advance(self) -> None:
        """One update, without copies to the host."""
        batch = self._batches(self.step)
        seed = draw_seed(self.config.seed, order.SAMPLES, self.step, *self.ranks.key)
        seed_samples(seed, self.device)
        outcome = self.forward(batch, self._weights(self.step, 0), self.discriminator)
        self.optimizer.zero_grad(set_to_none=True)
        outcome.terms["loss"].backward()
        # An infinite threshold leaves the gradient as it is; the norm is wanted for the log.
        longest = self.config.gradient_clip or torch.inf
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), longest)
        set_learning_rate(self.optimizer, self.config.learning_rate_at(self.step))
        self.optimizer.step()
        extra = self._train_discriminator(outcome) | {"gradient_norm": norm}
        self._pending.add(outcome, extra)
        self.step += 1

    def read_terms(self) -> dict[str, float] | None:
        """Mean terms of the steps since the last call, with step, weights and learning rate.

        Raises:
            ModelError: one of them is not finite.
        """
        names, values = self._pending.take(self.ranks)
        return None if len(values) == 0 else log_row(values, names, self.config, self.step)

    def probe(self, events: int) -> StepResult:
        """The forward part of a step on some events, to measure its cost."""
        weights = self._weights(self.step, 0)
        return self._plain_step(self._batches.first(events), weights, self.discriminator)

    def state(self) -> dict[str, Any]:
        """Tensors and plain values from which `restore` continues bit by bit."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self.discriminator is not None and self.discriminator_optimizer is not None:
            state["discriminator"] = self.discriminator.state_dict()
            state["discriminator_optimizer"] = self.discriminator_optimizer.state_dict()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.discriminator is not None and self.discriminator_optimizer is not None:
            self.discriminator.load_state_dict(state["discriminator"])
            self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])

    def _train_discriminator(self, outcome: StepResult) -> dict[str, Tensor]:
        """One update of the discriminator on detached codes, without effect on the model."""
        settings = self.config.objective.discriminator_optimizer()
        if (
            self._discriminator_step is None
            or self.discriminator_optimizer is None
            or settings is None
        ):
            return {}
        loss = self._discriminator_step(*outcome.codes)
        if settings.steps == 0 or self.step < settings.steps:
            self.discriminator_optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.discriminator_optimizer.step()
        return {"discriminator_loss": loss}


class Pending:
    """Terms of the last steps, kept on the device until they are read.

    Args:
        objective: Whose terms they are.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._values: list[Tensor] = []
        self._names: tuple[str, ...] = ()

    def add(self, outcome: StepResult, extra: dict[str, Tensor]) -> None:
        """Store the scalars of a step (of one model, or (M,) of several) and its KL.

        Raises:
            ModelError: two columns of the log would have one name.
        """
        if not self._names:
            names = column_names([*outcome.terms, *extra], outcome.kl.shape[-1])
            check_columns(names, self._objective)
            self._names = names
        scalars = outcome.terms | extra
        values = torch.stack([value.detach().float() for value in scalars.values()], dim=-1)
        kl = outcome.kl[..., : len(self._names) - len(scalars)]
        self._values.append(torch.cat([values, kl.float()], dim=-1))

    def take(self, ranks: Ranks = ALONE) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the columns, and the values (steps, …, columns) since the last call.

        Values are means over the processes, which therefore find the same.
        """
        kept, self._values = self._values, []
        if not kept:
            return self._names, np.empty(0)
        return self._names, ranks.mean(torch.stack(kept)).double().cpu().numpy()


class Batches:
    """The batches of a run step by step, with a second batch if needed.

    Of several processes each gets its share of the events of a batch.
    """

    def __init__(
        self,
        data: TrainingImages,
        rows: np.ndarray,
        config: TrainingConfig,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.data, self.config, self.device, self.ranks = data, config, device, ranks
        self.rows = rows
        self._order = data_order(data, rows, config, order.ORDER, device)
        self._other = data_order(data, rows, config, order.OTHER_ORDER, device)

    def __call__(self, step: int) -> Batch:
        """The batch of the step after `step` others."""
        share = slice(self.ranks.rank, None, self.ranks.count)
        return self._drawn(self._order(step)[share], self._other(step)[share], step)

    def first(self, events: int) -> Batch:
        """A batch of the first events, in no random order."""
        rows = torch.from_numpy(np.resize(self.rows, events)).to(self.device)
        return self._drawn(rows, rows, 0)

    def _drawn(self, rows: Tensor, other: Tensor, step: int) -> Batch:
        batch = self._images(rows, order.AUGMENTATION, step)
        second = None
        if self.config.objective.second_batch:
            second = self._images(other, order.OTHER_AUGMENTATION, step).x
        return batch._replace(population=len(self.rows), other=second)

    def _images(self, rows: Tensor, stream: int, step: int) -> Batch:
        rng = np.random.default_rng((self.config.seed, stream, step, *self.ranks.key))
        batch = self.data.training_batch(rows, self.config.augmentation, rng)
        return batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))


class WeightTable:
    """Weights of objectives on the device, copied for many steps at a time.

    Args:
        configs: One for each model that is trained together.
        device: Where the weights are wanted.
    """

    def __init__(self, configs: Sequence[TrainingConfig], device: torch.device) -> None:
        self.configs, self.device = configs, device
        self._names = tuple(configs[0].objective.schedules())
        self._first, self._table = 0, self._filled(0)

    def __call__(self, step: int, member: int | slice) -> dict[str, Tensor]:
        """Weights by name after `step` steps, of one model () or of several (members,)."""
        if not 0 <= step - self._first < _WEIGHTS_AHEAD:
            self._first, self._table = step, self._filled(step)
        row = self._table[step - self._first, :, member]
        return dict(zip(self._names, row.unbind(0), strict=True))

    def _filled(self, first: int) -> Tensor:
        """(steps, names, members) weights from one step on."""
        schedules = [config.objective.schedules() for config in self.configs]
        values = [
            [[each[name](step) for each in schedules] for name in self._names]
            for step in range(first, first + _WEIGHTS_AHEAD)
        ]
        table = torch.tensor(values, dtype=torch.float32)
        return table.view(_WEIGHTS_AHEAD, len(self._names), len(self.configs)).to(self.device)


def data_order(
    data: TrainingImages,
    rows: np.ndarray,
    config: TrainingConfig,
    stream: int,
    device: torch.device,
) -> DataOrder | WeightedOrder:
    """The order in which a run sees its events, or draws its second batches."""
    options: Any = {"seed": config.seed, "stream": stream, "device": device}
    if data.weights is None:
        return DataOrder(rows, config.batch_size, **options)
    return WeightedOrder(rows, data.weights[rows], config.batch_size, **options)


def training_rows(data: TrainingImages) -> np.ndarray:
    """Rows that are trained on.

    Raises:
        ModelError: there is none.
    """
    rows = data.rows("train", "")
    if len(rows) == 0:
        raise ModelError(
            "no event to train on",
            expected="rows of the split train",
            found=f"splits {sorted(set(data.split))}",
        )
    return rows


def fresh_networks(
    config: TrainingConfig,
    data: TrainingImages,
    device: torch.device,
    layout: torch.memory_format = torch.channels_last,
    network: Model[Any] | None = None,
) -> tuple[Model[Any], nn.Module | None]:
    """Model and discriminator with the weights that the seed determines, on a device.

    A `network` is copied with the weights it has; one of the user's own keeps its layout in
    memory, which its code may rely on.

    Raises:
        ModelError: data, model and objective do not fit together.
    """
    torch.manual_seed(config.seed)
    if network is None:
        model = build(architecture_of(config.model), config.model.model_dump())
    else:
        model = copy.deepcopy(network).train()
    if isinstance(model, UserVAE):
        layout = torch.preserve_format
    check_fit(model, config, data)
    discriminator = config.objective.discriminator(sum(model.layers))
    model = model.to(device, memory_format=layout)  # type: ignore[call-overload]
    return model, None if discriminator is None else discriminator.to(device)


def check_share(config: TrainingConfig, ranks: Ranks) -> None:
    """Refuse batches that processes cannot share evenly, since means would be biased.

    Raises:
        ConfigError: the batch size is no multiple of the number of processes.
    """
    if config.batch_size % ranks.count:
        raise ConfigError(
            "processes cannot share a batch evenly",
            found=f"batch_size {config.batch_size}",
            expected=f"a multiple of {ranks.count} processes",
        )


def check_fit(model: Model[Any], config: TrainingConfig, data: TrainingImages) -> None:
    """Refuse data or an objective that do not fit the model.

    Raises:
        ModelError: the images have another shape, or the objective needs another model.
    """
    config.objective.check(model)
    channels, *size = config.image_shape
    wanted = (channels + takes_views(model), *size)
    found = tuple(data.batch(slice(0, 1)).x.shape[1:])
    if found != wanted:
        raise ModelError(
            "the images do not fit the model",
            where=data.description or None,
            expected=f"{wanted} for architecture {architecture_of(config.model)!r}",
            found=found,
            remedy="Set architecture and image_shape of [model], or read the images at its size.",
        )


def adam(
    parameters: Any,
    learning_rate: float,
    device: torch.device,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
) -> torch.optim.Adam:
    """Adam in one fused pass over all weights if the device supports it."""
    return torch.optim.Adam(
        parameters, lr=learning_rate, betas=betas, fused=device.type in ("cpu", "cuda")
    )


def optimizer_of(
    parameters: Any, config: TrainingConfig, device: torch.device
) -> torch.optim.Optimizer:
    """The optimiser of a model."""
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(
        parameters,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=device.type in ("cpu", "cuda"),
    )


def adam_of_discriminator(
    parameters: Collection[Tensor], config: TrainingConfig, device: torch.device
) -> torch.optim.Adam | None:
    """Adam for the discriminator as the objective asks; None if it has none."""
    settings = config.objective.discriminator_optimizer()
    if settings is None or not parameters:
        return None
    return adam(parameters, settings.learning_rate, device, betas=settings.betas)


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = value


def seed_samples(seed: int, device: torch.device) -> None:
    """Seed torch's generator of a device, which draws posterior samples."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def column_names(scalars: Sequence[str], dimensions: int) -> tuple[str, ...]:
    """Columns of the log: scalars, then `kl_1` … unless there are too many dimensions."""
    shown = dimensions if dimensions <= MOST_DIMENSIONS else 0
    return (*scalars, *(f"kl_{i + 1}" for i in range(shown)))


def weight_columns(objective: Objective, step: int) -> dict[str, float]:
    """Every weight after `step` steps, by the name of its column: `weight_` and its own.

    Terms and weights of an objective may so have one name.
    """
    return {f"weight_{name}": value for name, value in objective.weights(step).items()}


def check_columns(names: Sequence[str], objective: Objective) -> None:
    """Refuse an objective whose terms would overwrite a column of the log.

    Args:
        names: Terms, what training adds to them, and the KL of dimensions.
        objective: Whose weights stand beside them.

    Raises:
        ModelError: two are of one name.
    """
    counted = Counter(["step", *names, *weight_columns(objective, 0), "learning_rate"])
    if twice := [name for name, count in counted.items() if count > 1]:
        raise ModelError(
            f"terms and weights of the objective {type(objective).__name__} share columns of the "
            "log",
            expected="one name for each",
            found=f"twice {', '.join(twice)}",
            remedy="Rename the term or the schedule. A weight "
            "has its schedule's name behind weight_.",
        )


def log_row(
    values: np.ndarray, names: Sequence[str], config: TrainingConfig, step: int
) -> dict[str, float]:
    """One row of the log from the values (steps, names) of the steps up to `step`.

    Raises:
        DivergenceError: one of them is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        wrong = dict(zip(names, values[bad[0]].tolist(), strict=True))
        raise DivergenceError(
            f"the loss is not finite at step {step - len(values) + int(bad[0]) + 1}",
            found={k: v for k, v in wrong.items() if k not in kl_columns(wrong)},
            remedy="Lower learning_rate, or use precision float32, and start again; a run that has"
            " saved a state can be resumed.",
        )
    terms = dict(zip(names, values.mean(axis=0).tolist(), strict=True))
    weights = weight_columns(config.objective, step - 1)
    rate = config.learning_rate_at(step - 1)
    return {"step": float(step), **terms, **weights, "learning_rate": rate}
