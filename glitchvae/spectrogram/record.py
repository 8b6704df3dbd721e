"""The record of images: four views of each trigger, and the origin of the images."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.shapes import ENERGY_CEILING, IMAGE_SHAPE, VIEWS
from glitchvae.status import Status, renew_states
from glitchvae.store import Record, attribute, column


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagedEvents(Record):
    """N triggers and the settings of their images, common to images and codes.

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
        flags: (N,) remarks (`FLAGS`): sorted words between blanks, "" for none.
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
    flags: NDArray[np.object_] = column(str, optional=True)
    label: NDArray[np.object_] | None = column(str, optional=True)
    split: NDArray[np.object_] | None = column(str, optional=True)
    imaging: dict[str, Any] = attribute({})
    sources: dict[str, str] = attribute({})

    schema_version: ClassVar[int] = 2  # 1 had remarks among the states, and no flags

    def __post_init__(self) -> None:
        if self.flags is None:
            object.__setattr__(self, "flags", np.full(len(self.event_id), "", dtype=object))
        super().__post_init__()

    @classmethod
    def renewed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Convert states of earlier versions that are now remarks to `flags`."""
        if "status" not in values:
            return values
        return {**values, **renew_states(values["status"], values.get("flags"))}

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(N,) whether a row has an image, and so a code."""
        return np.array([Status(value).usable for value in self.status], dtype=bool)

    def event_columns(self) -> dict[str, Any]:
        """Columns common to images and codes."""
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
                "the images have the wrong shape",
                expected=("N", *expected),
                found=self.images.shape,
            )

    @classmethod
    def of_images(
        cls,
        images: NDArray[np.floating],
        *,
        label: NDArray[np.object_] | None = None,
        split: NDArray[np.object_] | None = None,
    ) -> SpectrogramSet:
        """A set of images without further knowledge; identifiers are row numbers.

        Args:
            images: (N, 4, F, T) normalised energy; NaN in rows that were not computed.
            label: (N,) class names, "" where unknown.
            split: (N,) names of splits.

        Raises:
            InputError: another shape, no event, or a row with a negative energy or with NaN or
                infinity elsewhere than in whole rows of all views from the top.
        """
        energies = np.asarray(images)
        if energies.shape[1:] != (len(VIEWS), *IMAGE_SHAPE) or len(energies) == 0:
            raise InputError(
                "the array is not one of images of glitches",
                expected=("N", len(VIEWS), *IMAGE_SHAPE),
                found=energies.shape,
            )
        bad = damaged(energies) | (energies < 0).any(axis=(1, 2, 3))
        if bad.any():
            raise InputError(
                f"row {int(bad.argmax())} is not an image of a glitch",
                found=f"{bad.sum()} such rows",
                expected="normalised energies, 0 and above, NaN in whole rows from the top alone",
                remedy="Leave those rows out.",
            )
        count = len(energies)
        unknown, nothing = np.full(count, np.nan, np.float32), np.full(count, "", dtype=object)
        return cls(
            images=np.minimum(energies, ENERGY_CEILING).astype(np.float16),
            event_id=np.arange(count).astype(str).astype(object),
            ifo=nothing,
            gps=unknown.astype(np.float64),
            snr=unknown,
            peak_frequency=unknown,
            q=unknown,
            duration=unknown,
            bandwidth=unknown,
            f_max=unknown,
            block_duration=unknown,
            label=label,
            split=split,
            status=np.full(count, Status.OK.value, dtype=object),
        )


def damaged(images: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) whether an energy is NaN or infinite where it should be a number.

    What a low sample rate leaves out are whole rows of all views (N, 4, F, T), from the top.
    """
    finite = np.isfinite(images)
    whole, some = finite.all(axis=(1, 3)), finite.any(axis=(1, 3))
    from_the_top = (np.diff(whole.astype(np.int8), axis=1) <= 0).all(axis=1)
    return ~(from_the_top & np.all(whole == some, axis=1) & np.any(whole, axis=1))
