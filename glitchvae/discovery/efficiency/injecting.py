"""Simulated glitches in the user's own strain: what discovery would make of them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from glitchvae.checkpoint import Checkpoint
from glitchvae.embedding import Embeddings, encode_spectrograms
from glitchvae.errors import InputError
from glitchvae.progress import Progress
from glitchvae.simulate import FAMILIES, strain_of
from glitchvae.simulate.injection import add_at
from glitchvae.simulate.noise import Asd, measured_asd
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet
from glitchvae.spectrogram.blocks import cut_block
from glitchvae.spectrogram.imaging import image_strain, tile_snr
from glitchvae.status import Status
from glitchvae.strain import Strain, StrainSource

_TRIES = 20  # times drawn for an event before the strain counts as too short


def inject(
    sources: Sequence[StrainSource],
    label: str,
    snrs: Sequence[float],
    checkpoint: Checkpoint,
    imaging: ImagingSettings,
    rng: np.random.Generator,
    *,
    device: str = "cpu",
    progress: Progress = lambda _: None,
) -> Embeddings:
    """Codes of simulated glitches of one class at random times of the user's strain.

    Args:
        sources: Strain; an event falls into each second of it with the same chance.
        label: Class of the simulation.
        snrs: Of each event's loudest tile, in the noise that is there.
        checkpoint: The model.
        imaging: How strain becomes images.
        rng: Draws times and shapes.
        device: Where images and codes are computed.
        progress: Called with 1 after each event.

    Raises:
        InputError: no such class, or no stretch of strain is long enough.
    """
    if label not in FAMILIES:
        raise InputError(f"no simulated class {label!r}", expected=", ".join(FAMILIES))
    parts = []
    for number, snr in enumerate(snrs):
        images = _image(sources, label, number, float(snr), imaging, rng, device)
        parts.append(encode_spectrograms(images, checkpoint, device=device))
        progress(1)
    return Embeddings.join(parts)


def measured_noise(strain: Strain) -> Asd:
    """Median spectrum of a block."""
    return measured_asd(strain.values, strain.sample_rate)


def _draw_block(
    sources: Sequence[StrainSource], imaging: ImagingSettings, rng: np.random.Generator
) -> tuple[float, Strain, str]:
    """A time of the strain, the block around it and its remarks."""
    stretches = [(float(a), float(b)) for source in sources for a, b in source.segments]
    owners = [source for source in sources for _ in source.segments]
    lengths = np.array([end - start for start, end in stretches])
    for _ in range(_TRIES):
        place = int(rng.choice(len(stretches), p=lengths / lengths.sum()))
        gps = float(rng.uniform(*stretches[place]))
        block = cut_block(owners[place], gps, imaging)
        if block.strain is not None:
            return gps, block.strain, block.flags
    raise InputError(
        "no stretch of this strain can be imaged",
        expected=f"{imaging.min_block:g} s without gaps",
        found=f"{lengths.max():g} s at most",
        remedy="Give longer files, or another --imaging.",
    )


def _image(
    sources: Sequence[StrainSource],
    label: str,
    number: int,
    snr: float,
    imaging: ImagingSettings,
    rng: np.random.Generator,
    device: str,
) -> SpectrogramSet:
    """One injected event, as `embed` images what it finds."""
    gps, strain, flags = _draw_block(sources, imaging, rng)
    family, values = FAMILIES[label], strain.values.copy()
    parameters = {**family.draw(rng), "snr": snr}
    glitch = strain_of(family, parameters, strain.sample_rate, measured_noise(strain))
    add_at(values, round((gps - strain.start) * strain.sample_rate), glitch)
    made = image_strain([replace(strain, values=values)], [gps], imaging, device=device)
    unknown = np.full(1, np.nan)
    return SpectrogramSet(
        images=made.views.astype(np.float16),
        event_id=np.array([f"injected-{number}"], object),
        gps=np.array([gps]),
        ifo=np.array([strain.ifo], object),
        snr=tile_snr(made.peak_energy).astype(np.float32),
        peak_frequency=made.peak_frequency,
        q=made.q,
        duration=unknown,
        bandwidth=unknown,
        f_max=np.array([made.f_max], np.float32),
        block_duration=np.array([strain.duration], np.float32),
        status=np.array([Status.OK], object),
        flags=np.array([flags], object),
        label=np.array([label], object),
        imaging=imaging.model_dump(mode="json"),
    )
