"""How hard codes are to move: the smallest change of an image that changes its class.

For models of one kind, trained with different objectives, on the same images. A model whose
codes carry little can be as hard as one likes, so that hardness says something only beside the
accuracy of its classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.checkpoint import Checkpoint
from glitchvae.errors import InputError
from glitchvae.models.model import Model
from glitchvae.progress import Progress
from glitchvae.store import Record, column
from glitchvae.training.augmentation import amplify, replace_noise, shift_time
from glitchvae.validation.robustness.boundaries import ClassScores, cross, lead
from glitchvae.validation.robustness.corruption_test import CorruptionTest, compare_codes
from glitchvae.validation.robustness.whitened_events import prototypes_of

FIRST_STEP = 0.3
"""Length of an attack's first step: a pixel's range is one."""


class ImageCorruption(NamedTuple):
    """A corruption of model input (N, views + 1, F, T) that has a strength."""

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[Tensor, float, np.random.Generator], Tensor]


def add_noise(x: Tensor, scale: float, rng: np.random.Generator) -> Tensor:
    """Gaussian noise of a standard deviation on every computed pixel, cut at its range."""
    noise = torch.from_numpy(rng.standard_normal(x[:, :-1].shape)).to(x)
    return torch.cat([(x[:, :-1] + scale * noise).clamp(0.0, 1.0) * x[:, -1:], x[:, -1:]], dim=1)


def _move(x: Tensor, milliseconds: float, rng: np.random.Generator) -> Tensor:
    return shift_time(x, 1e-3 * milliseconds * rng.choice((-1, 1), len(x)))


def _fade(x: Tensor, factor: float, _: np.random.Generator) -> Tensor:
    return amplify(x, torch.full((len(x),), 1 / factor, dtype=x.dtype))


def _exchange_noise(x: Tensor, _: float, rng: np.random.Generator) -> Tensor:
    return replace_noise(x, torch.ones(len(x), dtype=torch.bool), rng)


IMAGE_CORRUPTIONS = (
    ImageCorruption("noise on pixels", "of their range", (0.02, 0.05, 0.1, 0.2), add_noise),
    ImageCorruption("time shift", "ms", (15.0, 30.0, 60.0), _move),
    ImageCorruption("fainter", "times", (1.5, 2.0, 3.0), _fade),
    ImageCorruption("noise of a quiet event", "times", (1.0,), _exchange_noise),
)


@dataclass(frozen=True, kw_only=True)
class Hardness(Record):
    """Attacks on the images of one model, a row an event.

    Attributes:
        truth: Its class.
        class_name: What the model takes it for.
        distance: Euclidean norm of the smallest change found that makes it another class for
            the model, in units of a pixel's range; infinite where none was found.
    """

    schema: ClassVar[str] = "hardness"

    truth: NDArray[Any] = column(str)
    class_name: NDArray[Any] = column(str)
    distance: NDArray[Any] = column("f8")

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) which events the model names rightly."""
        return self.class_name == self.truth

    @property
    def median(self) -> float:
        """Median distance of the events that are named rightly."""
        return float(np.median(self.distance[self.right]))

    def accuracy_under(self, sizes: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
        """(S,) share of events that no perturbation of each size takes from their right class."""
        reach = np.where(self.right, self.distance, -1.0)
        return np.array([(reach > size).mean() for size in sizes])


def measure_hardness(
    model: Model[Any],
    scores: ClassScores,
    x: Tensor,
    truth: NDArray[np.object_],
    *,
    steps: int = 60,
    batch_size: int = 128,
    progress: Progress = lambda _: None,
) -> Hardness:
    """Attack every image until its class changes, by as little as possible.

    Args:
        model: In evaluation mode.
        scores: What tells classes apart by its codes.
        x: (N, views + 1, F, T) as it takes them; computed pixels are changed, within their range.
        truth: (N,) classes.
        steps: Evaluations of the model and its gradient an image.
        batch_size: Images attacked together.
        progress: Called with the number of images just attacked.

    Raises:
        InputError: images and classes differ in number.
    """
    if len(x) != len(truth) or len(x) == 0:
        raise InputError("images and classes differ in number", found=(len(x), len(truth)))
    distances = []
    for part in x.split(batch_size):
        distances.append(_cross_images(model, scores, part, steps).numpy())
        progress(len(part))
    return Hardness(
        truth=truth,
        class_name=scores.classify(encode_images(model, x)),
        distance=np.concatenate(distances),
    )


def corrupt_images(
    checkpoint: Checkpoint,
    scores: ClassScores,
    x: Tensor,
    *,
    corruptions: Sequence[ImageCorruption] = IMAGE_CORRUPTIONS,
    seed: int = 0,
) -> CorruptionTest:
    """Corrupt every image in every way, and see what it is taken for.

    Args:
        checkpoint: A model with class prototypes, in whose metric distances are.
        scores: What tells classes apart by its codes.
        x: (N, views + 1, F, T) as it takes them.
        corruptions: What to do.
        seed: Of what the corruptions draw: the same for all models.

    Raises:
        ModelError: the model has no prototypes, or takes no glitches.
    """
    whitener, before = prototypes_of(checkpoint).whitener, encode_images(checkpoint.model, x)
    original, parts = scores.classify(before), []
    for kind, corruption in enumerate(corruptions):
        for strength in corruption.strengths:
            corrupted = corruption.apply(x, strength, np.random.default_rng((seed, kind)))
            after = encode_images(checkpoint.model, corrupted)
            part = compare_codes(
                before,
                after,
                (original, scores.classify(after)),
                whitener,
                event=np.arange(len(x)),
                corruption=corruption.name,
                unit=corruption.unit,
                strength=np.full(len(x), strength),
            )
            parts.append(part)
    return CorruptionTest.join(parts)


@torch.no_grad()
def encode_images(model: Model[Any], x: Tensor) -> NDArray[np.float32]:
    """(N, Z) posterior means of images as the model takes them."""
    return torch.cat([model.encode(part).mean for part in x.split(256)]).numpy()


def _cross_images(model: Model[Any], scores: ClassScores, x: Tensor, steps: int) -> Tensor:
    """(B,) distances to the nearest boundary of each image's class."""
    views, computed = x[:, :-1], x[:, -1:]

    def score(perturbation: Tensor) -> Tensor:
        return scores(model.encode(torch.cat([views + perturbation, computed], dim=1)).mean)

    def allowed(perturbation: Tensor) -> Tensor:
        return ((views + perturbation).clamp(0.0, 1.0) - views) * computed

    start = torch.zeros_like(views)
    with torch.no_grad():
        own = score(start).argmax(dim=1)
    return cross(
        lambda perturbation: lead(score(perturbation), own),
        start,
        steps=steps,
        first_step=FIRST_STEP,
        allowed=allowed,
    ).distance
