"""Images as bytes, on the device or mapped from disk, and batches of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.errors import InputError
from glitchvae.models import prepare, reduce, restore
from glitchvae.objectives import Batch
from glitchvae.shapes import ENERGY_CEILING, IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.training.augmentation import Augmentation, augmented

ENERGY_STEP = ENERGY_CEILING / 255
"""Energy of one count: 0.1, well below the noise of a single tile."""

LEFT_OUT = "left out"
"""Split of events that no training uses."""

_CHUNK = 256
_LENDERS = 16  # events whose noise a batch gets


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Usable events of an image set with one byte a pixel (95.2 kB an event).

    Attributes:
        counts: uint8 (N, views, F, T), energy in steps of 0.1.
        computed: bool (N, F), the rows of the frequency axis that hold data.
        labels: (N,) class names, "" where unknown.
        split: (N,) train, validation or test; "" counts as train.
        imaging: The imaging settings the images were made with, each once.
        description: What the set is, for the model card.
        digest: SHA-256 of all of the above that enters the training.
        resident: Whether `counts` moves to the device; else it stays where it is, mapped
            from a file, and each batch is copied from there. The batches are the same.
        weights: (N,) relative chance of each event to be drawn for a batch; None where every
            event is seen once an epoch.
    """

    counts: Tensor
    computed: Tensor
    labels: NDArray[np.object_]
    split: NDArray[np.object_]
    imaging: tuple[dict[str, Any], ...]
    description: str
    digest: str
    resident: bool = True
    weights: NDArray[np.float64] | None = None

    @classmethod
    def from_images(
        cls,
        images: NDArray[np.floating],
        *,
        labels: NDArray[np.object_] | None = None,
        split: NDArray[np.object_] | None = None,
        imaging: dict[str, Any] | None = None,
        description: str = "",
    ) -> TrainingData:
        """Convert energies (N, views, F, T) to bytes; rows that were not computed are NaN.

        Raises:
            InputError: there is no event.
        """
        if len(images) == 0:
            raise InputError("no usable event to train on", where=description or None)
        counts = np.empty(images.shape, dtype=np.uint8)
        computed = np.empty((len(images), images.shape[2]), dtype=bool)
        for start in range(0, len(images), _CHUNK):
            rows = slice(start, start + _CHUNK)
            counts[rows], computed[rows] = count_energies(images[rows])
        labels = text_or_empty(labels, len(images))
        split = text_or_empty(split, len(images))
        return cls(
            counts=torch.from_numpy(counts),
            computed=torch.from_numpy(computed),
            labels=labels,
            split=split,
            imaging=(imaging,) if imaging else (),
            description=description,
            digest=digest_of(counts, computed, labels, split),
        )

    @classmethod
    def from_spectrograms(
        cls,
        spectrograms: SpectrogramSet,
        *,
        shape: tuple[int, int] = IMAGE_SHAPE,
        description: str = "",
    ) -> TrainingData:
        """Convert the usable events of a set, reduced to `shape` if that is smaller.

        Raises:
            InputError: none is usable.
        """
        usable = spectrograms.usable
        events = spectrograms if usable.all() else spectrograms.take(usable)
        return cls.from_images(
            reduced_energies(events.images, shape),
            labels=events.label,
            split=events.split,
            imaging=events.imaging,
            description=description,
        )

    @classmethod
    def join(cls, parts: Sequence[TrainingData]) -> TrainingData:
        """Join the events of several sets; a single set stays unchanged."""
        if len(parts) == 1:
            return parts[0]
        imaging = {json.dumps(one, sort_keys=True): one for part in parts for one in part.imaging}
        return cls(
            counts=torch.cat([part.counts for part in parts]),
            computed=torch.cat([part.computed for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
            split=np.concatenate([part.split for part in parts]),
            imaging=tuple(imaging.values()),
            description=" + ".join(part.description for part in parts),
            digest=joint_digest([part.digest for part in parts]),
            weights=_joint_weights(parts),
        )

    def weighted(self, weights: NDArray[np.floating]) -> TrainingData:
        """Set the weights with which events are drawn.

        Args:
            weights: (N,) relative chance of each event to be drawn; they need not add up to one.

        Raises:
            InputError: another number of weights than of events, or one that is not above zero.
        """
        wanted = np.asarray(weights, dtype=np.float64)
        if wanted.shape != (len(self),) or not (np.isfinite(wanted) & (wanted > 0)).all():
            worst = wanted[~(wanted > 0)][:1]
            raise InputError(
                "events cannot be drawn with these weights",
                where=self.description or None,
                expected=f"{len(self)} numbers above zero",
                found=f"{worst[0]:g}" if len(worst) else f"an array of shape {wanted.shape}",
                remedy="Leave out events that are not to be drawn, or put them in another split.",
            )
        digest = joint_digest([self.digest, digest_of(wanted)])
        return replace(self, weights=wanted, digest=digest)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def nbytes(self) -> int:
        """Bytes of the images on the device, or on disk if they are not resident."""
        return self.counts.nbytes + self.computed.nbytes

    def to(self, device: str | torch.device) -> TrainingData:
        """Move to a device; images that are not resident follow batch by batch."""
        counts = self.counts.to(device) if self.resident else self.counts
        return replace(self, counts=counts, computed=self.computed.to(device))

    def rows(self, *splits: str) -> NDArray[np.int64]:
        """Indices of the events of some splits."""
        return rows_of(self.split, splits)

    @cached_property
    def classes(self) -> Tensor | None:
        """(N,) index of each event's class on the device, -1 without one; None if all lack one."""
        names, index = np.unique(self.labels.astype(str), return_inverse=True)
        known = np.where(self.labels == "", -1, index)
        return torch.from_numpy(known).to(self.computed.device) if any(names) else None

    def leave_out(self, classes: Collection[str]) -> TrainingData:
        """Take the events of some classes out of all splits, so that no training uses them.

        Raises:
            InputError: no event is of one of these classes.
        """
        labels = self.labels.astype(str)
        if unknown := sorted(set(classes) - set(labels)):
            raise InputError(
                f"no event of class {unknown[0]!r} to leave out",
                where=self.description or None,
                expected=f"one of {', '.join(sorted(set(labels) - {''}))}",
            )
        out = np.isin(labels, list(classes))
        names = sorted(set(classes))
        return (
            self
            if not names
            else replace(
                self,
                split=np.where(out, LEFT_OUT, self.split),
                description=f"{self.description} without {', '.join(names)}",
                digest=joint_digest([self.digest, *names]),
            )
        )

    def images(self, rows: Tensor | slice) -> Tensor:
        """Energies (B, views, F, T) of some events, NaN in rows that were not computed."""
        here = self.computed.device
        if not self.resident and isinstance(rows, Tensor):
            rows = rows.to(self.counts.device)
        energies = self.counts[rows].to(here).float().mul_(ENERGY_STEP)
        return energies.masked_fill_(~self.computed[rows][:, None, :, None], torch.nan)

    def batch(self, rows: Tensor | slice) -> Batch:
        """Some events without changes."""
        x, valid = prepare(self.images(rows))
        label = None if self.classes is None else self.classes[rows]
        return Batch(x, x[:, :-1], valid, label=label)

    def training_batch(
        self, rows: Tensor, augmentation: Augmentation, rng: np.random.Generator
    ) -> Batch:
        """Some events with small random changes.

        Raises:
            InputError: noise is to be lent by a class of which no training event has all rows.
        """
        noise = None
        if augmentation.other_noise and augmentation.noise_class:
            lenders = self._lenders(augmentation.noise_class)
            drawn = lenders[rng.integers(0, len(lenders), _LENDERS)]
            noise = self.batch(torch.from_numpy(drawn).to(self.computed.device)).x
        return augmented(self.batch(rows), augmentation, rng, noise=noise)

    def _lenders(self, name: str) -> NDArray[np.int64]:
        if name not in self._whole_events:
            raise InputError(
                f"no event of class {name!r} lends its noise",
                where=self.description or None,
                expected="training events of that class with all rows",
                found=", ".join(sorted(self._whole_events)) or "no labelled event with all rows",
                remedy="Set noise_class of [augmentation] to a class of quiet events.",
            )
        return self._whole_events[name]

    @cached_property
    def _whole_events(self) -> dict[str, NDArray[np.int64]]:
        """Training events with all frequency rows, by class."""
        whole = self.computed.all(dim=1).numpy(force=True)
        rows = self.rows("train", "")
        rows = rows[whole[rows]]
        labels = self.labels[rows].astype(str)
        return {name: rows[labels == name] for name in np.unique(labels).tolist() if name}


def reduced_energies(images: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.floating]:
    """Reduce energies to (N, views, F', T'), NaN in rows that were not computed.

    They are reduced as a model with images of that size would reduce them.
    """
    if images.shape[2:] == shape:
        return images
    x = reduce(prepare(torch.from_numpy(images))[0], shape)
    return restore(x[:, :-1]).masked_fill(x[:, -1:] == 0, torch.nan).numpy()


def count_energies(
    images: NDArray[np.floating],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Energies (N, views, F, T) in steps of 0.1, and the rows (N, F) that were computed."""
    energies = np.asarray(images, dtype=np.float32)
    clipped = np.nan_to_num(energies, nan=0.0).clip(0.0, ENERGY_CEILING)
    computed = np.asarray(np.isfinite(energies).all(axis=(1, 3)))
    return np.rint(clipped / ENERGY_STEP).astype(np.uint8), computed


def _joint_weights(parts: Sequence[TrainingData]) -> NDArray[np.float64] | None:
    """Weights of several sets; events of a set without weights have weight one."""
    if all(part.weights is None for part in parts):
        return None
    return np.concatenate(
        [np.ones(len(part)) if part.weights is None else part.weights for part in parts]
    )


def digest_of(*arrays: NDArray) -> str:
    """SHA-256 over the content of arrays; text is joined by NUL."""
    total = hashlib.sha256()
    for array in arrays:
        text = array.dtype == object
        total.update("\0".join(array).encode() if text else np.ascontiguousarray(array).data)
    return total.hexdigest()


def joint_digest(digests: Sequence[str]) -> str:
    """Digest of several sets in order; for a single set its own digest."""
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def rows_of(split: NDArray[np.object_], splits: Collection[str]) -> NDArray[np.int64]:
    """Indices of the events of some splits."""
    # Texts are compared as they are: a copy with a fixed width takes ten times as long.
    return np.flatnonzero(np.logical_or.reduce([split == one for one in splits]))


def text_or_empty(values: NDArray[np.object_] | None, count: int) -> NDArray[np.object_]:
    """A column of text; empty texts if there is none."""
    return np.full(count, "", dtype=object) if values is None else np.asarray(values, dtype=object)
