"""Corruptions of strain that occur at detectors and in analyses.

Each has a strength, acts on strain before it is whitened, and what comes of it is imaged as
any strain is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.checkpoint import Checkpoint
from glitchvae.errors import InputError
from glitchvae.models import prepare
from glitchvae.progress import Progress
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.simulate import FAMILIES, strain_of
from glitchvae.simulate.injection import add_at
from glitchvae.simulate.noise import Asd, measured_asd, simulate_noise
from glitchvae.spectrogram import ImagingSettings, image_strain
from glitchvae.spectrogram.blocks import cut_block
from glitchvae.strain import Strain
from glitchvae.validation.robustness.corruption_test import CorruptionTest, compare_codes
from glitchvae.validation.robustness.strain_events import Event
from glitchvae.validation.robustness.whitened_events import cut_event, prototypes_of


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """Base of corruptions.

    Attributes:
        name: What it is called in tables.
        unit: Of its strengths.
        strengths: To try, ascending.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]

    def settings(self, imaging: ImagingSettings, strength: float) -> ImagingSettings:
        """Imaging settings for the corrupted strain."""
        return imaging

    def time(self, gps: float, strength: float, rng: np.random.Generator) -> float:
        """Time at which the event is imaged."""
        return gps

    def added(
        self, strain: Strain, gps: float, strength: float, rng: np.random.Generator
    ) -> NDArray[np.float64] | float:
        """Samples (T,) to add to the block around the event."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class OtherSegments(Corruption):
    """Noise spectrum averaged over segments of another length."""

    name: str = "segments of the noise spectrum"
    unit: str = "s"
    strengths: tuple[float, ...] = (0.5, 1.0, 4.0)

    def settings(self, imaging: ImagingSettings, strength: float) -> ImagingSettings:
        """Settings with segments of this length, half overlapping."""
        return imaging.model_copy(update={"fftlength": strength, "overlap": strength / 2})


@dataclass(frozen=True, kw_only=True)
class LongerBlock(Corruption):
    """Noise spectrum and medians from a longer stretch around the event."""

    name: str = "length of the block"
    unit: str = "s"
    strengths: tuple[float, ...] = (12.0, 16.0, 24.0, 32.0)

    def settings(self, imaging: ImagingSettings, strength: float) -> ImagingSettings:
        """Settings with blocks of this length and no shorter ones."""
        return imaging.model_copy(update={"block": strength, "min_block": strength})


@dataclass(frozen=True, kw_only=True)
class Shift(Corruption):
    """Error of the trigger time."""

    name: str = "time shift"
    unit: str = "ms"
    strengths: tuple[float, ...] = (1.0, 3.0, 10.0, 20.0, 30.0, 50.0)

    def time(self, gps: float, strength: float, rng: np.random.Generator) -> float:
        """Time moved earlier or later."""
        return gps + 1e-3 * strength * rng.choice((-1, 1))


@dataclass(frozen=True, kw_only=True)
class DriftingLine(Corruption):
    """Spectral line through the whole block with drifting frequency.

    Its strength is the signal-to-noise ratio that it gains in a second: its amplitude over the
    amplitude spectral density of the noise.

    Attributes:
        band: Frequencies at the event are uniform in their logarithm over this (Hz).
        drift: And drift up or down by a rate uniform over this (Hz/s).
    """

    name: str = "drifting line"
    unit: str = "SNR in 1 s"
    strengths: tuple[float, ...] = (5.0, 10.0, 20.0, 40.0, 80.0)
    band: tuple[float, float] = (40.0, 300.0)
    drift: tuple[float, float] = (0.5, 5.0)

    def added(
        self, strain: Strain, gps: float, strength: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Samples of the line."""
        times = strain.start + np.arange(len(strain)) / strain.sample_rate - gps
        centre = np.exp(rng.uniform(*np.log(self.band)))
        rate, phase = rng.choice((-1, 1)) * rng.uniform(*self.drift), rng.uniform(0, 2 * np.pi)
        track = np.maximum(centre + rate * times, 1.0)
        cycles = np.cumsum(track) / strain.sample_rate
        density = _noise(strain).background(track)
        return strength * density * np.cos(2 * np.pi * cycles + phase)


@dataclass(frozen=True, kw_only=True)
class SecondGlitch(Corruption):
    """Second, simulated glitch beside the event.

    Attributes:
        label: Its class.
        delay: Seconds before or after the event.
    """

    name: str = "Tomte 0.3 s away"
    unit: str = "SNR"
    strengths: tuple[float, ...] = (5.0, 10.0, 20.0, 40.0)
    label: str = "Tomte"
    delay: float = 0.3

    def added(
        self, strain: Strain, gps: float, strength: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Samples of the other glitch."""
        family, side = FAMILIES[self.label], rng.choice((-1, 1))
        parameters = {**family.draw(rng), "snr": strength}
        glitch = strain_of(family, parameters, strain.sample_rate, _noise(strain))
        values = np.zeros(len(strain))
        place = round((gps + side * self.delay - strain.start) * strain.sample_rate)
        add_at(values, place, glitch)
        return values


@dataclass(frozen=True, kw_only=True)
class AddedNoise(Corruption):
    """Additional noise of the same spectrum, which lowers the SNR."""

    name: str = "added noise"
    unit: str = "of the noise"
    strengths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)

    def added(
        self, strain: Strain, gps: float, strength: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Samples of the noise."""
        noise = simulate_noise(strain.duration, strain.sample_rate, _noise(strain), rng)
        return strength * noise[: len(strain)]


CORRUPTIONS: tuple[Corruption, ...] = (
    OtherSegments(),
    LongerBlock(),
    Shift(),
    DriftingLine(),
    SecondGlitch(),
    SecondGlitch(name="Tomte 1 s away", delay=1.0),
    AddedNoise(),
)


AS_IT_IS = Corruption(name="none", unit="", strengths=(0.0,))


def corrupt_strain(
    checkpoint: Checkpoint,
    events: Sequence[Event],
    imaging: ImagingSettings,
    *,
    corruptions: Sequence[Corruption] = CORRUPTIONS,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> CorruptionTest:
    """Apply every corruption to every event, and classify the results.

    What a corruption draws (the frequency of a line, the side of a shift) is the same at all of its
    strengths. Where the strain is too short for a corruption its row has no class.

    Args:
        checkpoint: A model with class prototypes.
        events: Glitches.
        imaging: How strain becomes images.
        corruptions: What to do.
        seed: Of what the corruptions draw.
        progress: Called with 1 after each event.

    Raises:
        ModelError: the model has no prototypes, or takes no glitches.
        InputError: there is no event, or one that cannot be imaged as it is.
    """
    prototypes = prototypes_of(checkpoint)
    if not events:
        raise InputError("no event to corrupt", expected="at least one")
    for event in events:
        cut_event(event.source, event.gps, imaging)
    parts = []
    for number, event in enumerate(events):
        before, top = _codes(checkpoint, event, imaging, AS_IT_IS, (seed, number))
        original = prototypes.classify(before, top).class_name
        for kind, corruption in enumerate(corruptions):
            after, top = _codes(checkpoint, event, imaging, corruption, (seed, number, kind))
            old = before.repeat(len(after), axis=0)
            named = original.repeat(len(after)), prototypes.classify(after, top).class_name
            part = compare_codes(
                old,
                after,
                named,
                prototypes.whitener,
                event=np.full(len(after), number),
                corruption=corruption.name,
                unit=corruption.unit,
                strength=np.array(corruption.strengths),
            )
            parts.append(part)
        progress(1)
    return CorruptionTest.join(parts)


def _codes(
    checkpoint: Checkpoint,
    event: Event,
    imaging: ImagingSettings,
    corruption: Corruption,
    stream: tuple[int, ...],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Codes and highest frequencies of an event corrupted at every strength.

    Returns:
        (strengths, Z), NaN where it has no image, and (strengths,) Hz.
    """
    drawn = [
        _views(event, imaging, corruption, strength, np.random.default_rng(stream))
        for strength in corruption.strengths
    ]
    views, top = zip(*drawn, strict=True)
    images = torch.from_numpy(np.stack(views))
    with torch.inference_mode():
        codes = checkpoint.model.encode(prepare(images)[0]).mean
    codes = codes.masked_fill(images.isnan().flatten(1).all(dim=1)[:, None], torch.nan)
    return codes.numpy(), np.array(top, dtype=np.float32)


def _views(
    event: Event,
    imaging: ImagingSettings,
    corruption: Corruption,
    strength: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], float]:
    """Energies (4, F, T) of a corrupted event, NaN if its strain is too short, and `f_max`."""
    settings, gps = (
        corruption.settings(imaging, strength),
        corruption.time(event.gps, strength, rng),
    )
    strain = cut_block(event.source, gps, settings).strain
    if strain is None:
        return np.full((len(VIEWS), *IMAGE_SHAPE), np.nan, dtype=np.float32), np.nan
    values = strain.values + corruption.added(strain, event.gps, strength, rng)
    images = image_strain([replace(strain, values=values)], [gps], settings)
    return images.views[0], images.f_max


def _noise(strain: Strain) -> Asd:
    return measured_asd(strain.values, strain.sample_rate)
