"""Whitened strain around one event, its images and its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glitchvae.checkpoint import Checkpoint
from glitchvae.classes.prototypes import Classes, Prototypes
from glitchvae.errors import InputError
from glitchvae.models import prepare
from glitchvae.qtransform import Scan, Tiling, scan
from glitchvae.qtransform.whitening import resample, whiten
from glitchvae.shapes import AXIS_FREQUENCIES, VIEWS
from glitchvae.spectrogram import ImagingSettings, tile_snr
from glitchvae.spectrogram.blocks import cut_block
from glitchvae.spectrogram.canvas import Canvas, view_canvas
from glitchvae.status import Status
from glitchvae.strain import Strain, StrainSource

_ROOM = f"{max(VIEWS) / 2:g} s of strain on either side, as the longest view shows"
_CURES = {
    Status.OUTSIDE_DATA: "Give the file that covers this time, or another --gps.",
    Status.EDGE_OF_SEGMENT: "Give the file that adjoins, or another --gps.",
    Status.ZERO_PSD: "Samples that are all equal hold no event.",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class WhitenedEvent:
    """Whitened strain around one event.

    Attributes:
        gps: Time of the event (s).
        block: (1, T) whitened strain.
        sample_rate: Hz.
        centre: Seconds from the start of the block.
        search: Width of the window in which the loudest tile chooses the plane (s).
        trim: Seconds at both ends that the medians leave out.
    """

    gps: float
    block: Tensor
    sample_rate: float
    centre: float
    search: float = 0.5
    trim: float = 1.0

    @property
    def tiling(self) -> Tiling:
        """Q tiling of blocks of this length."""
        return Tiling(
            duration=self.block.shape[-1] / self.sample_rate, sample_rate=self.sample_rate
        )

    @property
    def f_max(self) -> float:
        """Highest frequency of its images (Hz)."""
        return min(self.tiling.band[1], AXIS_FREQUENCIES[1])

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio of the loudest tile near the event."""
        return float(tile_snr(self._scan(self.block, []).peak_energy.numpy())[0])

    def images(self, block: Tensor) -> Tensor:
        """Energies (B, 4, F, T) of blocks (B, T) in place of this one, imaged as by `embed`."""
        drawn = canvases()
        views = zip(drawn, self._scan(block, drawn).views, strict=True)
        return torch.stack([canvas.image(energy) for canvas, energy in views], dim=1)

    def _scan(self, block: Tensor, drawn: Sequence[Canvas]) -> Scan:
        centre = torch.full((len(block),), self.centre, dtype=torch.float64)
        return scan(
            block,
            self.tiling,
            centre=centre,
            grids=[canvas.grid for canvas in drawn],
            search=self.search,
            trim=self.trim,
        )


def canvases() -> list[Canvas]:
    """Sampling points and weights of the four views."""
    return [view_canvas(duration) for duration in VIEWS]


def cut_event(source: StrainSource, gps: float, imaging: ImagingSettings) -> Strain:
    """Cut the strain from which an event is imaged.

    Raises:
        InputError: it cannot be imaged; why, and what the files hold.
    """
    block = cut_block(source, gps, imaging)
    if block.strain is None:
        covered = ", ".join(f"{start:.3f} to {end:.3f}" for start, end in source.segments)
        room = {Status.EDGE_OF_SEGMENT: _ROOM}
        raise InputError(
            f"this event has no image: {block.status}",
            where=f"{source.ifo} at GPS {gps:.3f}",
            expected=room.get(block.status, f"{imaging.min_block:g} s of finite strain around it"),
            found=f"strain from GPS {covered}",
            remedy=_CURES.get(block.status, "Give longer strain, or another --imaging."),
        )
    return block.strain


def whiten_event(source: StrainSource, gps: float, imaging: ImagingSettings) -> WhitenedEvent:
    """Whiten the strain around a time, as the first step of imaging.

    Raises:
        InputError: there is no such strain, or nothing in it to whiten by.
    """
    strain = cut_event(source, gps, imaging)
    rate = min(strain.sample_rate, imaging.sample_rate)
    values = torch.from_numpy(resample(strain.values, strain.sample_rate, rate))
    whitened = whiten(
        values[None],
        rate,
        fftlength=imaging.fftlength,
        overlap=imaging.overlap,
        fduration=imaging.fduration,
    )
    if not whitened.isfinite().all():
        raise InputError(
            "the strain cannot be whitened",
            where=f"{source.ifo} at GPS {gps:.3f}",
            expected="strain of a detector",
            found="a noise spectrum with a zero",
        )
    return WhitenedEvent(
        gps=gps,
        block=whitened,
        sample_rate=rate,
        centre=gps - strain.start,
        search=imaging.search,
        trim=imaging.trim,
    )


@torch.no_grad()  # not inference mode, which the threads of the scan would not share
def encode_blocks(checkpoint: Checkpoint, event: WhitenedEvent, blocks: Tensor) -> Tensor:
    """Codes (B, Z) of whitened strain (B, T) in place of an event's."""
    x, _ = prepare(event.images(blocks))
    return checkpoint.model.encode(x).mean


def classify_blocks(checkpoint: Checkpoint, event: WhitenedEvent, blocks: Tensor) -> Classes:
    """Classify whitened strain (B, T) in place of an event's, as `embed` does.

    Raises:
        ModelError: the model has no prototypes.
    """
    prototypes = prototypes_of(checkpoint)
    codes = encode_blocks(checkpoint, event, blocks).numpy()
    return prototypes.classify(codes, np.full(len(codes), event.f_max))


def prototypes_of(checkpoint: Checkpoint) -> Prototypes:
    """The prototypes of a model.

    Raises:
        ModelError: it has none, or is no model of glitches.
    """
    checkpoint.require_views()
    return checkpoint.require_prototypes()
