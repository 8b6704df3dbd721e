"""What a training run asks of the images it learns from."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.objectives import Batch
from glitchvae.training.augmentation import Augmentation


class TrainingImages(Protocol):
    """A set of images in [0, 1], each with a label and a split: glitches or pictures.

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
        """(N,) relative chance of each event to be drawn; None where all are as likely."""
        ...

    @property
    def imaging(self) -> tuple[dict[str, Any], ...]:
        """The settings that glitches were imaged with; none for pictures."""
        ...

    @property
    def description(self) -> str:
        """What the set is, for the model card."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of all that enters a training."""
        ...

    @property
    def resident(self) -> bool:
        """Whether `to` moves the images to the device."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes the images take there."""
        ...

    def __len__(self) -> int: ...

    def to(self, device: str | torch.device) -> Self:
        """The same images on a device."""
        ...

    def rows(self, *splits: str) -> NDArray[np.int64]:
        """Indices of the events of some splits."""
        ...

    def batch(self, rows: Tensor | slice) -> Batch:
        """Some events as they are."""
        ...

    def training_batch(
        self, rows: Tensor, augmentation: Augmentation, rng: np.random.Generator
    ) -> Batch:
        """Some events with the small random changes of `augmentation`, where they apply."""
        ...
