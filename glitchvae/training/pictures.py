"""Pictures of any shape for training, in compact form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding

from glitchvae.errors import InputError
from glitchvae.objectives import Batch
from glitchvae.training.augmentation import Augmentation
from glitchvae.training.data import digest_of, rows_of, text_or_empty

_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class PictureData:
    """Pictures in [0, 1] on the device: one bit a pixel if they are black and white.

    A batch is unpacked when it is asked for: byte by byte through a table of the 256
    patterns of eight pixels, which reads 1/32 of the memory that floats would take.

    Attributes:
        pixels: (N, bytes of a picture) uint8 of packed bits, else (N, C, H, W) of uint8
            or float32.
        shape: Channels, rows and columns of a picture.
        packed: Whether `pixels` are bits.
        labels: (N,) class names, "" where unknown.
        split: (N,) train, validation or test; "" counts as train.
        description: What the set is, for the model card.
        digest: SHA-256 of pixels, shape, labels and split.
        imaging: Nothing: pictures are not imaged from strain.
        resident: True: all pictures move to the device.
        weights: None: all pictures are drawn as often.
    """

    pixels: Tensor
    shape: tuple[int, int, int]
    packed: bool
    labels: NDArray[np.object_]
    split: NDArray[np.object_]
    description: str
    digest: str
    imaging: tuple[dict[str, Any], ...] = ()
    resident: bool = True
    weights: None = None

    @classmethod
    def from_images(
        cls,
        images: NDArray[np.generic],
        *,
        labels: NDArray[np.object_] | None = None,
        split: NDArray[np.object_] | None = None,
        description: str = "",
    ) -> PictureData:
        """Convert pictures (N, C, H, W), or (N, H, W) of one channel.

        They are bool, uint8 (0 to 255 are read as 0 to 1) or floats in [0, 1].

        Raises:
            InputError: no picture, another shape or type, or a value outside [0, 1].
        """
        where = description or None
        images = images[:, None] if images.ndim == 3 else images
        _check(images, where)
        packed = images.dtype == np.bool_
        pixels = _pack(images) if packed else _as_stored(images)
        labels, split = text_or_empty(labels, len(images)), text_or_empty(split, len(images))
        shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
        return cls(
            pixels=torch.from_numpy(pixels),
            shape=shape,
            packed=packed,
            labels=labels,
            split=split,
            description=description,
            digest=digest_of(pixels, np.asarray(shape), labels, split),
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: NDArray[np.int64] | slice) -> PictureData:
        """Select some of the pictures."""
        pixels = np.ascontiguousarray(self.pixels.numpy(force=True)[rows])
        labels, split = self.labels[rows], self.split[rows]
        return replace(
            self,
            pixels=torch.from_numpy(pixels),
            labels=labels,
            split=split,
            digest=digest_of(pixels, np.asarray(self.shape), labels, split),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures."""
        return self.pixels.nbytes

    def to(self, device: str | torch.device) -> PictureData:
        """Move the pictures to a device."""
        return replace(self, pixels=self.pixels.to(device))

    def rows(self, *splits: str) -> NDArray[np.int64]:
        """Indices of the pictures of some splits."""
        return rows_of(self.split, splits)

    def images(self, rows: Tensor | slice) -> Tensor:
        """Some pictures (B, C, H, W) as float32 in [0, 1]."""
        some = self.pixels[rows]
        if self.packed:
            bits = embedding(some.int(), _patterns(some.device)).flatten(1)
            return bits[:, : np.prod(self.shape)].unflatten(1, self.shape)
        return some.float() / 255 if some.dtype == torch.uint8 else some

    def batch(self, rows: Tensor | slice) -> Batch:
        """Some pictures as input and target, all of their pixels valid."""
        x = self.images(rows)
        return Batch(x, x, torch.ones(len(x), 1, 1, 1, dtype=torch.bool, device=x.device))

    def training_batch(
        self, rows: Tensor, augmentation: Augmentation, rng: np.random.Generator
    ) -> Batch:
        """Some pictures without changes: `augmentation` is for images of glitches."""
        return self.batch(rows)


def _check(images: NDArray[np.generic], where: object) -> None:
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(
            "no pictures",
            where=where,
            expected="an array (N, C, H, W) or (N, H, W)",
            found=images.shape,
        )
    if images.dtype in (np.bool_, np.uint8):
        return
    if not np.issubdtype(images.dtype, np.floating):
        raise InputError(
            "pictures of another type",
            where=where,
            expected="bool, uint8 or floats in [0, 1]",
            found=images.dtype,
        )
    for start in range(0, len(images), _CHUNK):
        _check_range(images[start : start + _CHUNK], start, where)


def _check_range(images: NDArray[Any], start: int, where: object) -> None:
    inside = ((images >= 0) & (images <= 1)).all(axis=(1, 2, 3))
    if not inside.all():
        row = int(np.flatnonzero(~inside)[0])
        if np.isnan(images[row]).any():
            raise InputError(
                f"pixels that are not a number in row {start + row}",
                where=where,
                expected="0 to 1",
                found=f"{int(np.isnan(images[row]).sum()):,} NaN",
            )
        raise InputError(
            f"pixels outside the range in row {start + row}",
            where=where,
            expected="0 to 1",
            found=f"{images[row].min():g} to {images[row].max():g}",
            remedy="Scale the pictures to [0, 1]; a model that wants [-1, 1] is given that.",
        )


def _pack(images: NDArray[Any]) -> NDArray[np.uint8]:
    parts = [
        np.packbits(images[start : start + _CHUNK].reshape(-1, int(np.prod(images.shape[1:]))), 1)
        for start in range(0, len(images), _CHUNK)
    ]
    return np.concatenate(parts)


def _as_stored(images: NDArray[Any]) -> NDArray[Any]:
    """Bytes as they are, floats as float32, always as a copy."""
    return np.array(images, dtype=np.uint8 if images.dtype == np.uint8 else np.float32, order="C")


def _patterns(device: torch.device) -> Tensor:
    """The eight pixels of every byte (256, 8), the highest bit first as in `packbits`."""
    places = torch.arange(7, -1, -1, device=device)
    return (torch.arange(256, device=device)[:, None] >> places & 1).float()
