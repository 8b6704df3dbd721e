"""Order of events, determined by seed and step alone."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ORDER: Final = 0
AUGMENTATION: Final = 1
SAMPLES: Final = 2
OTHER_ORDER: Final = 3
OTHER_AUGMENTATION: Final = 4
"""Keys of the random streams; with the seed and a count they determine every draw."""


class DataOrder:
    """Events of each step: each epoch is a new permutation, an incomplete batch is dropped.

    Args:
        rows: The events there are.
        batch_size: Events of a step.
        seed: Of the permutations.
        stream: Key of the random stream: two orders of one seed are independent.
        device: Where the indices are wanted.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        batch_size: int,
        *,
        seed: int,
        stream: int,
        device: torch.device,
    ) -> None:
        self.rows = rows
        self.batch_size = min(batch_size, len(rows))
        self.seed, self.stream, self.device = seed, stream, device
        self._epoch: tuple[int, Tensor] | None = None

    def __call__(self, step: int) -> Tensor:
        """Events of the step after `step` others (B,)."""
        epoch, place = divmod(step, len(self.rows) // self.batch_size)
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng((self.seed, self.stream, epoch))
            order = torch.from_numpy(rng.permutation(self.rows)).to(self.device)
            self._epoch = (epoch, order)
        return self._epoch[1][place * self.batch_size : (place + 1) * self.batch_size]


class WeightedOrder:
    """Events of each step, drawn independently with unequal weights.

    Args:
        rows: The events there are.
        weights: (rows,) relative chance of each to be the next; an event is in a batch once.
        batch_size: Events of a step.
        seed: Of the draws.
        stream: Key of the random stream.
        device: Where the indices are wanted.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        weights: NDArray[np.float64],
        batch_size: int,
        *,
        seed: int,
        stream: int,
        device: torch.device,
    ) -> None:
        self.rows, self.chances = rows, weights / weights.sum()
        self.batch_size = min(batch_size, len(rows))
        self.seed, self.stream, self.device = seed, stream, device

    def __call__(self, step: int) -> Tensor:
        """Events of the step after `step` others (B,)."""
        rng = np.random.default_rng((self.seed, self.stream, step))
        drawn = rng.choice(self.rows, self.batch_size, replace=False, p=self.chances)
        return torch.from_numpy(drawn).to(self.device)


def draw_seed(*key: int) -> int:
    """A seed for torch from seeds, the key of a stream and a step."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
