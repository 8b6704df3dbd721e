"""Images of triggers in strain, batch by batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae import threads
from glitchvae.errors import InputError
from glitchvae.qtransform import Tiling, scan
from glitchvae.qtransform.whitening import resample, whiten
from glitchvae.shapes import AXIS_FREQUENCIES, IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram.blocks import Block, cut_block
from glitchvae.spectrogram.canvas import Canvas, view_canvas
from glitchvae.spectrogram.record import SpectrogramSet
from glitchvae.spectrogram.settings import ImagingSettings
from glitchvae.status import Status, join_flags
from glitchvae.store import digest
from glitchvae.strain import Strain, StrainSource
from glitchvae.triggers import Triggers

MEAN_OF_MEDIAN = 1 / np.log(2)
"""Mean over median of exponentially distributed energies, as of tiles of Gaussian noise."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images and loudest tiles of B triggers.

    Attributes:
        views: (B, 4, F, T) normalised energy, frequency ascending.
        peak_energy: (B,) energy of the loudest tile over the median of its row.
        peak_frequency: (B,) frequency of that tile (Hz).
        q: (B,) quality factor of the plane shown.
        f_max: Highest frequency that the sample rate allows on the axis (Hz).
    """

    views: NDArray[np.float32]
    peak_energy: NDArray[np.float32]
    peak_frequency: NDArray[np.float32]
    q: NDArray[np.float32]
    f_max: float


def make_spectrograms(
    source: StrainSource,
    triggers: Triggers,
    imaging: ImagingSettings,
    *,
    device: str = "cpu",
    batch_size: int = 16,
) -> Iterator[SpectrogramSet]:
    """Image `triggers` in their order, in sets of at most `batch_size`.

    Every trigger gets a row. One that cannot be imaged has NaN images and a status
    that says why; no problem of one trigger stops the others. An event's image does
    not depend on its batch. What limits a search limits no picture: images use the
    samples of `source.whole`.

    What the triggers know of themselves is kept. Where they do not (times alone),
    `peak_frequency` and `q` are those of the loudest tile within half the search
    window, and `snr` is its sqrt(2 E / mean - 2), with the mean of noise energies
    taken as median / ln 2 (see `tile_snr`).

    Args:
        source: Strain of one detector.
        triggers: N events of that detector.
        imaging: How strain becomes images.
        device: Where the images are computed.
        batch_size: Most events held at once.

    Yields:
        Sets whose rows together are those of `triggers`.

    Raises:
        InputError: a trigger of another detector than the strain's.
    """
    if others := sorted(set(triggers.ifo) - {source.ifo}):
        raise InputError(
            "the triggers are of another detector than the strain",
            where="column ifo",
            expected=source.ifo,
            found=", ".join(others),
            remedy=f"Select the triggers of {source.ifo}, or give strain of {others[0]}.",
        )
    source = source.whole
    sources = _digests(source)
    for first in range(0, len(triggers), batch_size):
        batch = triggers.take(slice(first, first + batch_size))
        blocks = [cut_block(source, gps, imaging) for gps in batch.gps]
        yield _image_batch(batch, blocks, imaging, sources, device)


def image_strain(
    blocks: Sequence[Strain],
    gps: Sequence[float] | NDArray[np.float64],
    imaging: ImagingSettings,
    *,
    device: str = "cpu",
) -> Images:
    """Image blocks of one length and rate, each at its own time.

    Args:
        blocks: B blocks of finite strain.
        gps: (B,) time at the centre of the views (s).
        imaging: How strain becomes images; its block lengths are not looked at.
        device: Where the images are computed.

    Raises:
        InputError: a block is too short for the noise spectrum.
    """
    rate = min(blocks[0].sample_rate, imaging.sample_rate)
    strain = np.stack([resample(b.values, b.sample_rate, rate) for b in blocks])
    centre = np.array([t - b.start for t, b in zip(gps, blocks, strict=True)])
    tiling = Tiling(
        duration=strain.shape[-1] / rate,
        sample_rate=rate,
        qrange=imaging.qrange,
        frange=imaging.frange,
        mismatch=imaging.mismatch,
    )
    canvases = [view_canvas(duration) for duration in VIEWS]
    with torch.no_grad():
        whitened = whiten(
            torch.as_tensor(strain, device=device),
            rate,
            fftlength=imaging.fftlength,
            overlap=imaging.overlap,
            fduration=imaging.fduration,
        )
        found = scan(
            whitened,
            tiling,
            centre=torch.as_tensor(centre, device=device),
            grids=[canvas.grid for canvas in canvases],
            search=imaging.search,
            trim=imaging.trim,
        )
        views = [_draw(c, energy) for c, energy in zip(canvases, found.views, strict=True)]
    return Images(
        views=torch.stack(views, dim=1).cpu().numpy(),
        peak_energy=_column(found.peak_energy),
        peak_frequency=_column(found.peak_frequency),
        q=_column(found.q),
        f_max=min(tiling.band[1], AXIS_FREQUENCIES[1]),
    )


def _draw(canvas: Canvas, energy: torch.Tensor) -> torch.Tensor:
    """Images (B, F, T) from sampled energies; on the CPU with one thread per event."""
    pieces = energy.split(1) if energy.device.type == "cpu" else [energy]
    return torch.cat(threads.run(canvas.image, pieces, energy.device))


def tile_snr(energy: NDArray[np.floating]) -> NDArray[np.float32]:
    """SNR of tiles from their energy over the median of their row.

    SNR^2 = 2 E / mean - 2 is zero on average in noise (Chatterji 2005, eq. 5.109
    ff.; Omicron and gwpy use the same); mean = median / ln 2 for exponential energies
    and, unlike the mean itself, is not moved by the glitch.
    """
    squared = 2 * np.asarray(energy, dtype=np.float64) / MEAN_OF_MEDIAN - 2
    return np.sqrt(np.maximum(squared, 0.0)).astype(np.float32)


def _image_batch(
    batch: Triggers,
    blocks: list[Block],
    imaging: ImagingSettings,
    sources: dict[str, str],
    device: str,
) -> SpectrogramSet:
    count = len(batch)
    images = np.full((count, len(VIEWS), *IMAGE_SHAPE), np.nan, dtype=np.float16)
    energy, frequency, q, f_max, duration = np.full((5, count), np.nan, dtype=np.float32)
    status = [block.status for block in blocks]
    for rows, strains in _of_one_length(blocks):
        made = image_strain(strains, batch.gps[rows], imaging, device=device)
        images[rows], energy[rows], q[rows] = made.views, made.peak_energy, made.q
        frequency[rows], f_max[rows] = made.peak_frequency, made.f_max
        duration[rows] = strains[0].duration
        for row in rows:
            if not np.isfinite(energy[row]):  # `whiten` answers so where there is no noise
                status[row] = Status.ZERO_PSD
    for row, value in enumerate(status):
        if not value.usable:
            images[row] = energy[row] = frequency[row] = q[row] = np.nan
    return SpectrogramSet(
        images=images,
        event_id=batch.event_id,
        gps=batch.gps,
        ifo=batch.ifo,
        snr=_filled(batch.snr, tile_snr(energy)),
        peak_frequency=_filled(batch.peak_frequency, frequency),
        q=_filled(batch.q, q),
        duration=batch.duration,
        bandwidth=batch.bandwidth,
        f_max=f_max,
        block_duration=duration,
        status=np.array(status, dtype=object),
        flags=np.array(
            [
                join_flags([known, block.flags if s.usable else ""])
                for known, block, s in zip(batch.flags, blocks, status, strict=True)
            ],
            dtype=object,
        ),
        label=batch.label,
        imaging=imaging.model_dump(mode="json"),
        sources=sources,
    )


def _of_one_length(blocks: list[Block]) -> Iterator[tuple[list[int], list[Strain]]]:
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for row, block in enumerate(blocks):
        if block.strain is not None:
            groups[len(block.strain.values)].append(row)
    for rows in groups.values():
        yield rows, [strain for row in rows if (strain := blocks[row].strain) is not None]


def _filled(known: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isfinite(known), known, found)


def _column(values: torch.Tensor) -> NDArray[np.float32]:
    return values.to("cpu", torch.float32).numpy()


def _digests(source: StrainSource) -> dict[str, str]:
    """Digest of each file by its name; missing files have none."""
    digests = {}
    for path in source.files:
        with suppress(OSError):  # whoever needs its samples is told why there are none
            digests[path.name] = _digest(path, path.stat().st_mtime_ns)
    return digests


@lru_cache(maxsize=256)
def _digest(path: Path, _modified: int) -> str:  # a changed file is read again
    return digest(path)
