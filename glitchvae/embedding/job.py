"""Settings of the encoding of inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from glitchvae.checkpoint import Checkpoint
from glitchvae.spectrogram import ImagingSettings


@dataclass(frozen=True, kw_only=True)
class Job:
    """Settings of the encoding of inputs.

    Attributes:
        checkpoint: Model and prototypes.
        imaging: How strain becomes images.
        snr: Threshold where glitches are searched for.
        device: Where to compute.
        uncertainty: Whether rows say how their codes change with small changes.
        configuration: The options of the run, kept with the rows.
    """

    checkpoint: Checkpoint
    imaging: ImagingSettings
    snr: float = 7.5
    device: str = "cpu"
    uncertainty: bool = True
    configuration: dict[str, Any] = field(default_factory=dict)
