"""Interface of images for training."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.objectives import Batch
from glitchvae.training.augmentation import Augmentation


class TrainingImages(Protocol):
    """Images in [0, 1] with labels and splits: glitches or pictures.

    Members are properties, so that frozen records fit.
    """

    @property
    def labels(self) -> NDArray[np.object_]:
        """(N,) class names, "" where unknown."""
        ...

    @property
    def split(self) -> NDArray[np.object_]:
        """(N,) train, validation or test; "" counts as train."""
        ...

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """(N,) relative weight of each event in random draws; None for equal weights."""
        ...

    @property
    def imaging(self) -> tuple[dict[str, Any], ...]:
        """Imaging settings of glitches; none for pictures."""
        ...

    @property
    def description(self) -> str:
        """Description of the set for the model card."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of all data that enter a training."""
        ...

    @property
    def resident(self) -> bool:
        """Whether `to` moves the images to the device."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of the images on the device."""
        ...

    def __len__(self) -> int: ...

    def to(self, device: str | torch.device) -> Self:
        """Move the images to a device."""
        ...

    def rows(self, *splits: str) -> NDArray[np.int64]:
        """Indices of the events of some splits."""
        ...

    def batch(self, rows: Tensor | slice) -> Batch:
        """Some events without changes."""
        ...

    def training_batch(
        self, rows: Tensor, augmentation: Augmentation, rng: np.random.Generator
    ) -> Batch:
        """Some events with the random changes of `augmentation`, if these apply."""
        ...
