"""How far strain must be disturbed before a glitch is taken for another class.

The attack moves samples of whitened strain, whose noise has unit variance: the Euclidean
norm of a disturbance is the signal-to-noise ratio it would have as a signal of its own.
Its gradient runs through the Q-transform (`FrozenScan`), the picture and the encoder. Three
steps have no useful gradient and are held or replaced while it descends: the plane of the
loudest tile and the medians of the rows are those of the undisturbed strain, and the
picture has a colour for every energy instead of 256. Energies above the ceiling of the
scale have no gradient. What comes out is then imaged and classified as any strain is, and
only that counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.checkpoint import Checkpoint
from glitchvae.errors import InputError, ModelError
from glitchvae.models import prepare
from glitchvae.prototypes import Classes, Prototypes
from glitchvae.qtransform import FrozenScan, Tiling, scan
from glitchvae.shapes import ENERGY_CEILING, VIEWS
from glitchvae.spectrogram import ImagingSettings
from glitchvae.spectrogram.blocks import cut_block
from glitchvae.spectrogram.canvas import view_canvas
from glitchvae.store import Record, attribute, column
from glitchvae.strain import StrainSource
from glitchvae.whitening import resample, whiten

REACH = 1.0
"""Seconds on either side of the event in which strain is disturbed."""

SHARES = tuple(np.linspace(0.125, 1.0, 8).tolist())
"""Of each disturbance found, these multiples are tried too."""

_FAINTEST = 1e-4  # of the energy scale: the root in `prepare` has no gradient at zero


@dataclass(frozen=True, kw_only=True)
class StrainAttacks(Record):
    """Attacks on one event, rows for each price of disturbance: `SHARES` of what was found.

    Attributes:
        price: Nats of class score that a unit of signal-to-noise ratio costs.
        snr: Signal-to-noise ratio of the disturbance.
        class_name: What the disturbed strain, imaged as any other, is taken for.
        class_probability: With which probability.
        original: Class of the undisturbed strain.
        target: Class that was aimed at.
    """

    schema: ClassVar[str] = "strain-attacks"

    price: NDArray[Any] = column("f8")
    snr: NDArray[Any] = column("f8")
    class_name: NDArray[Any] = column(str)
    class_probability: NDArray[Any] = column("f4")
    original: str = attribute("")
    target: str = attribute("")

    @property
    def smallest(self) -> float:
        """Smallest signal-to-noise ratio that made the target of the event; NaN if none did."""
        reached = self.snr[self.class_name == self.target]
        return float(reached.min()) if len(reached) else float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class WhitenedEvent:
    """Whitened strain around one event.

    Attributes:
        block: (1, T) whitened strain.
        sample_rate: Hz.
        centre: Seconds from the start of the block.
        search: Width of the window in which the loudest tile chooses the plane (s).
        trim: Seconds at both ends that the medians leave out.
    """

    block: Tensor
    sample_rate: float
    centre: float
    search: float = 0.5
    trim: float = 1.0

    @property
    def tiling(self) -> Tiling:
        """Of blocks of this length."""
        return Tiling(
            duration=self.block.shape[-1] / self.sample_rate, sample_rate=self.sample_rate
        )

    def images(self, block: Tensor) -> Tensor:
        """Energies (B, 4, F, T) of blocks (B, T) in place of this one, as embedding images them."""
        centre = torch.full((len(block),), self.centre, dtype=torch.float64)
        canvases = [view_canvas(duration) for duration in VIEWS]
        found = scan(
            block, self.tiling, centre=centre, grids=[c.grid for c in canvases],
            search=self.search, trim=self.trim,
        )  # fmt: skip
        views = zip(canvases, found.views, strict=True)
        return torch.stack([canvas.image(energy) for canvas, energy in views], dim=1)


def whiten_event(source: StrainSource, gps: float, imaging: ImagingSettings) -> WhitenedEvent:
    """Whitened strain around a time, as imaging it begins.

    Raises:
        InputError: there is no such strain; the status says why.
    """
    block = cut_block(source, gps, imaging)
    if block.strain is None:
        raise InputError(
            f"no strain to disturb: {block.status}", where=f"{source.ifo} at {gps}",
            expected=f"{imaging.min_block:g} s of finite strain around it",
        )  # fmt: skip
    strain = block.strain
    rate = min(strain.sample_rate, imaging.sample_rate)
    values = torch.from_numpy(resample(strain.values, strain.sample_rate, rate))
    whitened = whiten(
        values[None], rate, fftlength=imaging.fftlength, overlap=imaging.overlap,
        fduration=imaging.fduration,
    )  # fmt: skip
    return WhitenedEvent(
        block=whitened, sample_rate=rate, centre=gps - strain.start, search=imaging.search,
        trim=imaging.trim,
    )  # fmt: skip


def attack_strain(
    checkpoint: Checkpoint,
    event: WhitenedEvent,
    target: str,
    *,
    prices: Sequence[float] = (20.0, 10.0, 5.0, 2.0, 1.0, 0.5),
    steps: int = 60,
    learning_rate: float = 0.1,
) -> StrainAttacks:
    """Disturb strain so that the event is taken for another class, as cheaply as possible.

    Minimises `margin + price |d|` by Adam, the margin being how much the best other class
    scores above the target, not below -1: a clear success is not improved further. Each
    price starts where the one before, a higher one, ended.

    Args:
        checkpoint: A model with class prototypes.
        event: What to disturb.
        target: The class it is to be taken for.
        prices: Descending.
        steps: Of each descent.
        learning_rate: Of each descent's first step, in units of the noise.

    Raises:
        ModelError: the model has no prototypes.
        InputError: no such class, the event is of that class already, or prices that do
            not fall.
    """
    prototypes = _prototypes(checkpoint)
    original = str(classify_blocks(checkpoint, event, event.block).class_name[0])
    if target not in prototypes.names or target == original:
        raise InputError(
            "no class to aim at", expected=f"a class other than {original} of this model",
            found=target,
        )  # fmt: skip
    if (np.diff(prices) >= 0).any() or min(prices) <= 0:
        raise InputError("prices do not fall", found=list(prices))
    goal = _Margin(checkpoint, event, prototypes.names.index(target))
    disturbance, found = torch.zeros(1, goal.samples), []
    for price in prices:
        disturbance = goal.descend(disturbance, price, steps, learning_rate)
        found.append(disturbance)
    # The scaled copies find how much of each disturbance is needed.
    scaled = torch.cat([share * one for one in found for share in SHARES])
    classes = classify_blocks(checkpoint, event, goal.disturbed(scaled))
    return StrainAttacks(
        price=np.repeat(prices, len(SHARES)), snr=scaled.norm(dim=1).numpy(),
        class_name=classes.class_name, class_probability=classes.class_probability,
        original=original, target=target,
    )  # fmt: skip


@torch.no_grad()  # not inference mode, which the threads of the scan would not share
def encode_blocks(checkpoint: Checkpoint, event: WhitenedEvent, blocks: Tensor) -> Tensor:
    """Codes (B, Z) of whitened strain (B, T) in place of an event's."""
    x, _ = prepare(event.images(blocks))
    return checkpoint.model.encode(x).mean


def classify_blocks(checkpoint: Checkpoint, event: WhitenedEvent, blocks: Tensor) -> Classes:
    """Classes of whitened strain (B, T) in place of an event's, as embedding finds them.

    Raises:
        ModelError: the model has no prototypes.
    """
    codes = encode_blocks(checkpoint, event, blocks)
    return _prototypes(checkpoint).classify(codes.numpy())


def _prototypes(checkpoint: Checkpoint) -> Prototypes:
    if checkpoint.prototypes is None:
        raise ModelError(
            "a model without class prototypes", where=checkpoint.path,
            remedy="Train on labelled images, or use the default model.",
        )  # fmt: skip
    return checkpoint.prototypes


class _Margin:
    """Score of the best other class over the target's, as a function of a disturbance (1, S)."""

    def __init__(self, checkpoint: Checkpoint, event: WhitenedEvent, target: int) -> None:
        self.checkpoint, self.event, self.target = checkpoint, event, target
        self.canvases = [view_canvas(duration) for duration in VIEWS]
        self.frozen = FrozenScan.of(
            event.block, event.tiling, centre=event.centre,
            grids=[c.grid for c in self.canvases], search=event.search, trim=event.trim,
        )  # fmt: skip
        prototypes = _prototypes(checkpoint)
        self.metric = torch.from_numpy(prototypes.class_metric).float()
        self.centres = torch.from_numpy(prototypes.centres).float() @ self.metric
        self.owners = torch.from_numpy(prototypes.owners)
        first = round((event.centre - REACH) * event.sample_rate)
        last = round((event.centre + REACH) * event.sample_rate)
        self.where = slice(max(first, 0), min(last, event.block.shape[-1]))

    @property
    def samples(self) -> int:
        """Number S of samples that are disturbed."""
        return self.where.stop - self.where.start

    def disturbed(self, disturbance: Tensor) -> Tensor:
        """The block with a disturbance added."""
        before, after = self.where.start, self.event.block.shape[-1] - self.where.stop
        return self.event.block + torch.nn.functional.pad(disturbance, (before, after))

    def __call__(self, disturbance: Tensor) -> Tensor:
        views = self.frozen.views(self.disturbed(disturbance))
        images = torch.stack(
            [c.image(v, smooth=True) for c, v in zip(self.canvases, views, strict=True)], dim=1
        )
        valid = ~images.isnan().any(dim=1, keepdim=True)
        share = (images.nan_to_num(0.0) / ENERGY_CEILING).clamp(_FAINTEST, 1.0)
        x = torch.cat([share.sqrt() * valid, valid.float()], dim=1)
        scores = self._scores(self.checkpoint.model.encode(x).mean)
        others = scores.clone()
        others[:, self.target] = -torch.inf
        return (others.amax(dim=1) - scores[:, self.target]).sum()

    def descend(self, start: Tensor, price: float, steps: int, learning_rate: float) -> Tensor:
        """The best disturbance of one descent."""
        disturbance = start.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([disturbance], lr=learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best, lowest = start, torch.inf
        for _ in range(steps):
            size = (disturbance.square().sum() + 1e-12).sqrt()
            loss = self(disturbance).clamp(min=-1.0) + price * size
            if loss.item() < lowest:
                best, lowest = disturbance.detach().clone(), loss.item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return best

    def _scores(self, codes: Tensor) -> Tensor:
        """(B, K) log-densities of the classes up to a constant, as `Prototypes` has them."""
        squared = (codes @ self.metric)[:, None].sub(self.centres).square().sum(dim=-1)
        names = _prototypes(self.checkpoint).names
        return torch.stack(
            [
                torch.logsumexp(-0.5 * squared[:, own], dim=1) - own.sum().log()
                for own in (self.owners == k for k in range(len(names)))
            ],
            dim=1,
        )
