"""The smallest perturbation of strain that changes the class of a glitch.

The attack moves samples of whitened strain, whose noise has unit variance: the Euclidean
norm of a perturbation is the signal-to-noise ratio it would have as a signal of its own.
Its gradient runs through the Q-transform (`FrozenScan`), the picture and the encoder. Three
steps have no useful gradient and are held or replaced while it descends: the plane of the
loudest tile and the medians of the rows are those of the strain at the start of each round,
and the picture has a colour for every energy instead of 256. Energies above the ceiling of the
scale have no gradient. What this gets wrong at the start of a round is added to its margin
throughout. What comes out is then imaged and classified as any strain is, and only that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.checkpoint import Checkpoint
from glitchvae.config import nearest
from glitchvae.errors import InputError
from glitchvae.qtransform import FrozenScan
from glitchvae.shapes import ENERGY_CEILING
from glitchvae.store import Record, column
from glitchvae.validation.robustness.boundaries import ClassScores, cross, lead
from glitchvae.validation.robustness.whitened_events import (
    WhitenedEvent,
    canvases,
    classify_blocks,
    encode_blocks,
    prototypes_of,
)

REACH = 1.0
"""Seconds before and after the event in which strain is perturbed."""

SHARES = tuple(np.linspace(0.7, 1.3, 13).tolist())
"""Multiples of each perturbation that are imaged."""

SIZES = tuple((2.0 ** np.arange(3, 11)).tolist())
"""SNRs of white noise that are tried."""

_FAINTEST = 1e-4  # of the energy scale: the root in `prepare` has no gradient at zero


@dataclass(frozen=True, kw_only=True)
class StrainAttacks(Record):
    """Attacks on events; rows are events times rounds times `SHARES` of the perturbation.

    Attributes:
        gps: Time of the event (s).
        event_snr: Signal-to-noise ratio of its loudest tile.
        original: Class of the unperturbed strain.
        target: Class that was aimed at.
        snr: Signal-to-noise ratio of the perturbation.
        class_name: What the perturbed strain, imaged as any other, is taken for.
        class_probability: With which probability.
    """

    schema: ClassVar[str] = "strain-attacks"
    schema_version: ClassVar[int] = 2

    gps: NDArray[Any] = column("f8")
    event_snr: NDArray[Any] = column("f8")
    original: NDArray[Any] = column(str)
    target: NDArray[Any] = column(str)
    snr: NDArray[Any] = column("f8")
    class_name: NDArray[Any] = column(str)
    class_probability: NDArray[Any] = column("f4")

    def events(self) -> list[StrainAttacks]:
        """Rows by event and target, in the order of first occurrence."""
        keys = list(zip(self.gps, self.target, strict=True))
        return [
            self.take([row for row, found in enumerate(keys) if found == key])
            for key in dict.fromkeys(keys)
        ]

    @property
    def smallest(self) -> float:
        """Smallest SNR that reached the target in the rows of one event; NaN if none did."""
        reached = self.snr[self.class_name == self.target]
        return float(reached.min()) if len(reached) else float("nan")


def attack_strain(
    checkpoint: Checkpoint,
    event: WhitenedEvent,
    target: str,
    *,
    rounds: int = 3,
    steps: int = 30,
    first_step: float = 2.0,
) -> StrainAttacks:
    """Find the smallest perturbation of strain that changes the class of an event to another.

    Args:
        checkpoint: A model with class prototypes.
        event: What to perturb.
        target: The class it is to be taken for.
        rounds: Descents one after the other, each from where the one before ended and with
            the plane and the medians there.
        steps: Of each descent.
        first_step: Length of its first step, in units of signal-to-noise ratio.

    Raises:
        ModelError: the model has no prototypes, or takes no glitches.
        InputError: no such class, or the event is of that class already.
    """
    original = str(classify_blocks(checkpoint, event, event.block).class_name[0])
    index = _target(prototypes_of(checkpoint).names, original, target)
    perturbation, found = torch.zeros(1, _window(event).stop - _window(event).start), []
    for _ in range(rounds):
        margin = _Margin(checkpoint, event, index, perturbation)
        perturbation = cross(margin, perturbation, steps=steps, first_step=first_step).perturbation
        found.append(perturbation)
    scaled = torch.cat([share * one for one in found for share in SHARES])
    classes = classify_blocks(checkpoint, event, perturbed(event, scaled))
    count = len(scaled)
    return StrainAttacks(
        gps=np.full(count, event.gps),
        event_snr=np.full(count, event.snr),
        original=np.full(count, original, object),
        target=np.full(count, target, object),
        snr=scaled.norm(dim=1).numpy(),
        class_name=classes.class_name,
        class_probability=classes.class_probability,
    )


def noise_limit(
    checkpoint: Checkpoint,
    event: WhitenedEvent,
    rng: np.random.Generator,
    *,
    draws: int = 8,
) -> float:
    """Smallest of `SIZES` at which white noise changes the class in half of the draws.

    The noise lies where attacks do, and its size is measured as theirs is. Infinite where the
    largest does not change it either.

    Raises:
        ModelError: the model has no prototypes, or takes no glitches.
    """
    samples = _window(event).stop - _window(event).start
    noise = torch.from_numpy(rng.standard_normal((draws, samples))).float()
    noise /= noise.norm(dim=1, keepdim=True)
    (original,) = classify_blocks(checkpoint, event, event.block).class_name
    for size in SIZES:
        found = classify_blocks(checkpoint, event, perturbed(event, size * noise))
        if np.mean(found.class_name != original) >= 0.5:
            return size
    return float("inf")


def perturbed(event: WhitenedEvent, perturbation: Tensor) -> Tensor:
    """Blocks (B, T) of an event with perturbations (B, S) added around it."""
    where = _window(event)
    ends = (where.start, event.block.shape[-1] - where.stop)
    return event.block + torch.nn.functional.pad(perturbation, ends)


def _window(event: WhitenedEvent) -> slice:
    """The range of samples that is perturbed."""
    first = round((event.centre - REACH) * event.sample_rate)
    last = round((event.centre + REACH) * event.sample_rate)
    return slice(max(first, 0), min(last, event.block.shape[-1]))


def _target(names: tuple[str, ...], original: str, target: str) -> int:
    if target not in names:
        raise InputError(f"no class {target!r} in this model{nearest(target, list(names))}")
    if target == original:
        raise InputError(
            "the target is not another class",
            expected=f"a class other than {original}, which it is taken for",
            found=target,
        )
    return names.index(target)


class _Margin:
    """Score of the best other class over the target's, as a function of perturbations (B, S).

    What is held or replaced in it shifts it by an offset; it is right at one perturbation.

    Attributes:
        frozen: The plane and the medians at that perturbation.
        offset: What the margin of the strain as it is imaged has more there.
    """

    def __init__(
        self, checkpoint: Checkpoint, event: WhitenedEvent, target: int, at: Tensor
    ) -> None:
        self.model, self.event, self.target = checkpoint.model, event, target
        self.canvases = canvases()
        self.scores = ClassScores.of_prototypes(prototypes_of(checkpoint))
        self.frozen = FrozenScan.of(
            perturbed(event, at),
            event.tiling,
            centre=event.centre,
            grids=[canvas.grid for canvas in self.canvases],
            search=event.search,
            trim=event.trim,
        )
        self.offset = torch.zeros(1)
        codes = encode_blocks(checkpoint, event, perturbed(event, at))
        with torch.no_grad():
            self.offset = self._of_codes(codes) - self(at)

    def __call__(self, perturbation: Tensor) -> Tensor:
        """(B,) of perturbations (B, S)."""
        return self._of_codes(self.model.encode(self._input(perturbation)).mean) + self.offset

    def _of_codes(self, codes: Tensor) -> Tensor:
        scores = self.scores(codes)
        return -lead(scores, torch.full((len(scores),), self.target))

    def _input(self, perturbation: Tensor) -> Tensor:
        """Network input of the images, with a gradient everywhere below the ceiling."""
        views = self.frozen.views(perturbed(self.event, perturbation))
        images = torch.stack(
            [c.image(v, smooth=True) for c, v in zip(self.canvases, views, strict=True)], dim=1
        )
        valid = ~images.isnan().any(dim=1, keepdim=True)
        share = (images.nan_to_num(0.0) / ENERGY_CEILING).clamp(_FAINTEST, 1.0)
        return torch.cat([share.sqrt() * valid, valid.float()], dim=1)
