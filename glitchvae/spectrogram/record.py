"""The record of images: four views around each trigger, and what they were made of."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.status import Status
from glitchvae.store import Record, attribute, column


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagedEvents(Record):
    """N triggers and how their images were made: what images and codes of them share.

    Attributes:
        event_id: (N,) the trigger's identifier.
        gps: (N,) time at the centre of every view (s), NaN where the source gives none.
        ifo: (N,) detector.
        snr: (N,) of the trigger, NaN where nobody gave it and none was imaged.
        peak_frequency: (N,) Hz.
        q: (N,) quality factor of the trigger's loudest tile.
        duration: (N,) of the trigger (s).
        bandwidth: (N,) of the trigger (Hz).
        f_max: (N,) highest frequency the image holds (Hz).
        block_duration: (N,) strain whitened and normalised together (s).
        status: (N,) `Status` values.
        label: (N,) class given by a person or a simulation.
        split: (N,) train, validation or test, where the source says it.
        imaging: The imaging settings, empty for images made elsewhere.
        sources: Digest of each file that was read.
    """

    event_id: NDArray[np.object_] = column(str)
    gps: NDArray[np.float64] = column(np.float64)
    ifo: NDArray[np.object_] = column(str)
    snr: NDArray[np.float32] = column(np.float32)
    peak_frequency: NDArray[np.float32] = column(np.float32)
    q: NDArray[np.float32] = column(np.float32)
    duration: NDArray[np.float32] = column(np.float32)
    bandwidth: NDArray[np.float32] = column(np.float32)
    f_max: NDArray[np.float32] = column(np.float32)
    block_duration: NDArray[np.float32] = column(np.float32)
    status: NDArray[np.object_] = column(str)
    label: NDArray[np.object_] | None = column(str, optional=True)
    split: NDArray[np.object_] | None = column(str, optional=True)
    imaging: dict[str, Any] = attribute({})
    sources: dict[str, str] = attribute({})

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(N,) which rows carry an image, and so a code."""
        return np.array([Status(value).usable for value in self.status], dtype=bool)

    def event_columns(self) -> dict[str, Any]:
        """The columns that images and codes of the same events share."""
        return {field.name: getattr(self, field.name) for field in ImagedEvents.columns()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrogramSet(ImagedEvents):
    """N events, each seen in four views (0.5, 1, 2 and 4 s).

    Attributes:
        images: (N, 4, F, T) normalised energy clipped to 0..25.5, frequency
            ascending. NaN in the rows above `f_max` and in unusable events.
        left_out: How many entries of a source could not become a row, by reason.
    """

    schema: ClassVar[str] = "glitchvae.spectrograms"

    images: NDArray[np.float16] = column(np.float16, compress=True)
    left_out: dict[str, int] = attribute({})

    def __post_init__(self) -> None:
        super().__post_init__()
        expected = (len(VIEWS), *IMAGE_SHAPE)
        if self.images.shape[1:] != expected:
            raise InputError(
                "images of another shape", where="SpectrogramSet",
                expected=("N", *expected), found=self.images.shape,
            )  # fmt: skip
