"""Images with known factors of variation, for disentanglement metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.training import PictureData
from glitchvae.training.data import digest_of, text_or_empty

_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class FactorData:
    """Images and the value of every factor in each.

    Attributes:
        name: Of the data set.
        pixels: uint8 (N, C, H, W), or (N, C, H, W / 8) with eight pixels in a byte, in the
            order of `numpy.packbits`, where the images are binary.
        binary: Whether `pixels` holds bits.
        factors: (N, K) which of its values each factor has.
        names: (K,) names of the factors; empty where none is known.
        values: For each factor the values it takes, in its own unit.
        description: Where the images come from, in one clause.
    """

    name: str
    pixels: NDArray[np.uint8]
    binary: bool
    factors: NDArray[np.int64]
    names: tuple[str, ...]
    values: tuple[NDArray[np.float64], ...]
    description: str

    def __post_init__(self) -> None:
        check_lengths(self.name, images=len(self.pixels), factors=len(self.factors))
        check_lengths(
            self.name,
            names=len(self.names),
            values=len(self.values),
            columns=self.factors.shape[1],
        )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each factor."""
        return tuple(map(len, self.values))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width * 8 if self.binary else width

    def images(self, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray:
        """(B, C, H, W) selected images: bool if binary, else uint8 up to 255."""
        chosen = self.pixels[rows]
        return np.unpackbits(chosen, axis=-1).astype(bool) if self.binary else chosen

    def take(self, rows: NDArray[np.int64] | slice) -> Self:
        """Select some of the images."""
        return replace(self, pixels=self.pixels[rows], factors=self.factors[rows])

    def sample(self, count: int, rng: np.random.Generator) -> Self:
        """Draw `count` images without replacement, in ascending order; all if there are fewer."""
        if count >= len(self):
            return self
        return self.take(np.sort(rng.choice(len(self), count, replace=False)))

    def reduced(self, factor: int) -> Self:
        """The images with squares of `factor` x `factor` pixels averaged, as bytes.

        Raises:
            InputError: the factor does not divide height and width.
        """
        channels, height, width = self.shape
        if height % factor or width % factor:
            raise InputError(
                "images cannot be reduced by this factor",
                where=self.name,
                expected=f"a divisor of {height} and {width}",
                found=factor,
            )
        pixels = np.empty((len(self), channels, height // factor, width // factor), np.uint8)
        for start in range(0, len(self), _CHUNK):
            rows = slice(start, start + _CHUNK)
            blocks = self.images(rows).reshape(-1, *_blocks(self.shape, factor))
            scale = 255 if self.binary else 1
            pixels[rows] = np.rint(scale * blocks.mean(axis=(3, 5), dtype=np.float32))
        return replace(
            self, pixels=pixels, binary=False, description=f"{self.description}, 1/{factor} size"
        )

    def fitted(self, shape: tuple[int, int, int]) -> Self:
        """The images at the size of a model's input, whole or reduced.

        Raises:
            InputError: they cannot be had at that size.
        """
        factor = max(self.shape[1] // shape[1], 1)
        if (shape[0], shape[1] * factor, shape[2] * factor) != self.shape:
            raise InputError(
                "images do not fit the model",
                where=self.name,
                expected=f"{shape} or a multiple of its pixels",
                found=self.shape,
                remedy="Give images like those that the model was trained on.",
            )
        return self.reduced(factor) if factor > 1 else self

    def to_training(self) -> PictureData:
        """The images in the form of training and encoding; binary pixels stay bits."""
        if not self.binary:
            return PictureData.from_images(self.pixels, description=self.description)
        pixels, none = self.pixels.reshape(len(self), -1), text_or_empty(None, len(self))
        return PictureData(
            pixels=torch.from_numpy(pixels),
            shape=self.shape,
            packed=True,
            labels=none,
            split=none,
            description=self.description,
            digest=digest_of(pixels, np.asarray(self.shape), none, none),
        )


def grid_of(sizes: tuple[int, ...]) -> NDArray[np.int64]:
    """(N, K) every combination of factors of these sizes; the last varies fastest."""
    return np.ascontiguousarray(np.indices(sizes).reshape(len(sizes), -1).T)


def _blocks(shape: tuple[int, int, int], factor: int) -> tuple[int, ...]:
    channels, height, width = shape
    return channels, height // factor, factor, width // factor, factor


def check_lengths(where: object, **lengths: int) -> None:
    """Refuse arrays of different length.

    Raises:
        InputError: the lengths, by name.
    """
    if len(set(lengths.values())) > 1:
        raise InputError(
            "the arrays differ in length", where=where, expected="one length", found=lengths
        )
