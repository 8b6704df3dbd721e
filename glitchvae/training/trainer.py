"""One model, its optimiser and its place in the data: the state that a run carries on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from glitchvae.errors import ModelError
from glitchvae.models import GlitchVAE
from glitchvae.objectives import Batch, Linear
from glitchvae.training.config import TrainingConfig
from glitchvae.training.data import TrainingData

_ORDER, _AUGMENTATION = 0, 1
"""Keys of the random streams; with the seed and a count they make every draw repeatable."""


class Trainer:
    """Takes steps. Data order and augmentation depend on seed and step alone.

    Posterior samples come from torch's own generator, whose state is part of `state`.
    """

    def __init__(
        self, data: TrainingData, config: TrainingConfig, device: str | torch.device = "cpu"
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = torch.device(device)
        self.data = data.to(self.device)
        self.rows = data.rows("train", "")
        if len(self.rows) == 0:
            raise ModelError(
                "no event to train on", expected="rows of the split train",
                found=f"splits {sorted(set(data.split))}",
            )  # fmt: skip
        model = GlitchVAE(config.model)
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate)
        self.learning_rate = Linear(config.learning_rate, 0.0, config.steps)
        self.step = 0
        self._pending: list[Tensor] = []
        self._names: tuple[str, ...] = ()
        self._epoch: tuple[int, Tensor] | None = None

    def advance(self) -> None:
        """One update. Nothing is copied to the host."""
        batch = self._batch()
        self._set_learning_rate()
        terms = self._terms(batch)
        self.optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        # An infinite threshold leaves the gradient as it is; the norm is wanted for the log.
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), torch.inf)
        self.optimizer.step()
        self.step += 1
        self._names = (*terms, "gradient_norm")
        self._pending.append(torch.stack([*(t.detach() for t in terms.values()), norm]))

    def read_terms(self) -> dict[str, float] | None:
        """Mean terms of the steps since the last call, with step, weights and learning rate.

        Raises:
            ModelError: one of them is not finite.
        """
        if not self._pending:
            return None
        values = torch.stack(self._pending).double().cpu()
        self._pending = []
        bad = np.flatnonzero(~torch.isfinite(values).all(dim=1).numpy())
        if len(bad):
            raise ModelError(
                f"the loss is not finite at step {self.step - len(values) + int(bad[0]) + 1}",
                found=dict(zip(self._names, values[bad[0]].tolist(), strict=True)),
                remedy="Lower learning_rate (or use precision float32) and resume.",
            )
        terms = dict(zip(self._names, values.mean(dim=0).tolist(), strict=True))
        weights = self.config.objective.weights(self.step - 1)
        rate = self.learning_rate(self.step - 1)
        return {"step": float(self.step), **terms, **weights, "learning_rate": rate}

    def state(self) -> dict[str, Any]:
        """Tensors and plain values from which `restore` continues bit by bit."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self._generator().get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._generator().set_state(state["generator"])

    def _terms(self, batch: Batch) -> dict[str, Tensor]:
        half = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            objective = self.config.objective
            return objective(self.model, batch, objective.weights(self.step))

    def _batch(self) -> Batch:
        rng = np.random.default_rng((self.config.seed, _AUGMENTATION, self.step))
        batch = self.data.training_batch(self._next_rows(), self.config.augmentation, rng)
        return batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))

    def _next_rows(self) -> Tensor:
        """Events of this step: each epoch is its own permutation, an incomplete batch is left."""
        size = min(self.config.batch_size, len(self.rows))
        epoch, place = divmod(self.step, len(self.rows) // size)
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng((self.config.seed, _ORDER, epoch))
            order = torch.from_numpy(rng.permutation(self.rows)).to(self.device)
            self._epoch = (epoch, order)
        return self._epoch[1][place * size : (place + 1) * size]

    def _set_learning_rate(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)

    def _generator(self) -> torch.Generator:
        if self.device.type == "cuda":
            return torch.cuda.default_generators[torch.cuda.current_device()]
        return torch.default_generator
