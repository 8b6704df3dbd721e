"""Settings of images: length and sample rate of the strain, and tiles."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import Field, model_validator

from glitchvae.config import Settings, nearest
from glitchvae.errors import ConfigError
from glitchvae.shapes import AXIS_FREQUENCIES, VIEWS

Positive = Field(gt=0)


class ImagingSettings(Settings):
    """Settings of the imaging of strain. The defaults are Gravity Spy's.

    Attributes:
        name: What the archive calls these settings.
        sample_rate: Strain above this rate is resampled down to it, never up (Hz).
        block: Strain whitened and normalised together around one trigger (s).
        min_block: Shortest block allowed where the data are shorter (s).
        qrange: Lowest and highest Q of the tiling.
        frange: Lowest and highest frequency of the tiling (Hz).
        mismatch: Largest loss of energy between neighbouring tiles.
        search: Width of the window in which the loudest tile chooses the plane (s).
        fftlength: Length of the averaged periodograms of the noise spectrum (s).
        overlap: Overlap of those periodograms (s).
        fduration: Length of the whitening filter (s).
        trim: Seconds at both ends of a block that the medians leave out. Whitening
            tapers `fduration / 2` there: of 64 s this hardly matters, and Gravity Spy
            takes them in; of 8 s it would raise all energies by a third.
    """

    name: str
    sample_rate: float = Positive
    block: float = Positive
    min_block: float = Positive
    qrange: tuple[float, float] = (4.0, 64.0)
    frange: tuple[float, float] = AXIS_FREQUENCIES
    mismatch: float = Field(default=0.2, gt=0, lt=1)
    search: float = Field(default=0.5, gt=0)
    fftlength: float = Field(default=2.0, gt=0)
    overlap: float = Field(default=1.0, ge=0)
    fduration: float = Field(default=2.0, gt=0)
    trim: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _check_durations(self) -> ImagingSettings:
        if not max(VIEWS) <= self.min_block <= self.block:
            raise ValueError(f"needs {max(VIEWS):g} s (longest view) <= min_block <= block")
        if 2 * self.trim >= self.min_block:
            raise ValueError("trim must leave something of min_block")
        if self.overlap >= self.fftlength:
            raise ValueError("overlap must be shorter than fftlength")
        return self


IMAGING: Mapping[str, ImagingSettings] = MappingProxyType(
    {
        "gravity-spy": ImagingSettings(
            name="gravity-spy", sample_rate=16384.0, block=64.0, min_block=16.0
        ),
        "light": ImagingSettings(
            name="light", sample_rate=8192.0, block=8.0, min_block=8.0, trim=1.0
        ),
    }
)
"""The named settings: Gravity Spy's own, and a lighter one for long stretches of strain."""


def imaging_settings(name: str) -> ImagingSettings:
    """The settings called `name`.

    Raises:
        ConfigError: no settings of that name; the valid names are listed.
    """
    if name not in IMAGING:
        raise ConfigError(
            f"no imaging settings {name!r}{nearest(name, list(IMAGING))}",
            expected=f"one of {', '.join(IMAGING)}",
        )
    return IMAGING[name]
