"""The multi-Q scan: plane of the loudest tile, and images in that plane.

`gwpy.timeseries.TimeSeries.q_transform` for a batch of whitened blocks. Every event
chooses its own plane; its images depend on its own block alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.errors import InputError
from glitchvae.qtransform.energies import (
    RowGroup,
    amplitude_spectrum,
    chunks,
    group_energies,
    row_groups,
    row_medians,
)
from glitchvae.qtransform.splines import (
    MARGIN,
    FrequencySpline,
    evaluate_spline,
    spline_coefficients,
)
from glitchvae.qtransform.tiling import Tiling
from glitchvae.threads import run


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Times and frequencies at which an image is sampled.

    Attributes:
        times: Seconds from the event's centre (nt,).
        frequencies: Hz (nf,).
    """

    times: NDArray[np.float64]
    frequencies: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """Result of a scan; NaN for events whose block is not finite.

    Attributes:
        q: Q of the plane with the loudest tile (B,) float64.
        peak_energy: Normalised energy of that tile (B,).
        peak_time: Its time, in seconds from the start of the block (B,) float64.
        peak_frequency: Its frequency in Hz (B,).
        views: For each grid the normalised energies (B, nf, nt) float32 of that plane;
            NaN outside the tiling's band and outside the block.
    """

    q: Tensor
    peak_energy: Tensor
    peak_time: Tensor
    peak_frequency: Tensor
    views: list[Tensor]


@dataclass(frozen=True, eq=False)
class _Cutouts:
    """Normalised energies of a group's rows near the events.

    Attributes:
        group: The rows.
        first: Index of the first tile kept (B,).
        energies: (B, R, L).
    """

    group: RowGroup
    first: Tensor
    energies: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class _Peaks:
    """The loudest tile of each event (B,); plane -1 and NaN where there is none."""

    plane: Tensor
    q: Tensor
    energy: Tensor
    time: Tensor
    frequency: Tensor


def scan(
    whitened: Tensor,
    tiling: Tiling,
    *,
    centre: Tensor,
    grids: Sequence[Grid],
    search: float = 0.5,
    trim: float = 0.0,
) -> Scan:
    """Q-transform of whitened blocks, each imaged in the plane of its own loudest tile.

    Args:
        whitened: Whitened strain (B, T).
        tiling: The tiling of such blocks.
        centre: The events' times (B,) float64, in seconds from the start of their blocks.
        grids: Where to sample the images; a view is one grid.
        search: Width of the window around the centre in which the loudest tile
            chooses the plane (s).
        trim: Seconds at both ends of the block that the rows' medians leave out: there
            whitening makes the data quieter. gwpy takes them in.

    Returns:
        Planes, peaks and images.

    Raises:
        InputError: blocks of another length, a centre outside its block, or a trim
            that leaves nothing.
    """
    if not 0 <= 2 * trim < tiling.duration:
        raise InputError(
            "the trim leaves nothing of the block",
            expected=f"a trim of less than half of {tiling.duration:g} s",
            found=f"{trim:g} s",
        )
    centre = centre.to(whitened.device, torch.float64)
    if not ((centre >= 0) & (centre <= tiling.duration)).all():
        raise InputError(
            "an event lies outside its block",
            expected=f"0 to {tiling.duration:g} s",
            found=centre.tolist(),
        )
    views = [
        whitened.new_empty(
            (len(whitened), len(grid.frequencies), len(grid.times)), dtype=torch.float32
        )
        for grid in grids
    ]
    row_groups(tiling, whitened.device)  # made once, before the threads ask for them

    def scan_part(part: slice) -> _Peaks:
        images = [view[part] for view in views]
        return _scan_part(whitened[part], centre[part], images, tiling, grids, search, trim)

    # Events are independent: on the CPU each is done by one thread, from its spectrum to
    # its images, in memory that does not grow with the batch.
    size = 1 if whitened.device.type == "cpu" else max(1, len(whitened))
    parts = [slice(first, first + size) for first in range(0, len(whitened), size)]
    peaks = run(scan_part, parts, whitened.device)
    return Scan(
        q=torch.cat([p.q for p in peaks]),
        peak_energy=torch.cat([p.energy for p in peaks]),
        peak_time=torch.cat([p.time for p in peaks]),
        peak_frequency=torch.cat([p.frequency for p in peaks]),
        views=views,
    )


def _scan_part(
    whitened: Tensor,
    centre: Tensor,
    images: list[Tensor],
    tiling: Tiling,
    grids: Sequence[Grid],
    search: float,
    trim: float,
) -> _Peaks:
    """Scan some events, fill their images (b, nf, nt) and return their loudest tiles."""
    finite = whitened.isfinite().all(-1)
    spectrum = amplitude_spectrum(torch.where(finite[:, None], whitened, 0), tiling)
    cutouts = _cut_out(spectrum, tiling, centre, _extent(grids, search), trim)
    peaks = _find_peaks(cutouts, tiling, centre, search)
    _fill_images(images, cutouts, tiling, centre, peaks.plane, grids)
    return peaks


def _extent(grids: Sequence[Grid], search: float) -> tuple[float, float]:
    """Earliest and latest second from the centre that grids or search need."""
    times = np.concatenate([*(grid.times for grid in grids), np.array([-search, search]) / 2])
    return float(times.min()), float(times.max())


def _cut_out(
    spectrum: Tensor,
    tiling: Tiling,
    centre: Tensor,
    extent: tuple[float, float],
    trim: float,
) -> list[_Cutouts]:
    """Energies of all rows near the events, divided by the rows' medians over the block."""
    cutouts = []
    for group in row_groups(tiling, spectrum.device):
        first, length = _stretch(group.tiles, tiling.duration, centre, extent)
        near = spectrum.new_empty((len(centre), len(group.rows), length), dtype=torch.float32)
        cutouts.append(_Cutouts(group, first, near))
        for events, rows in chunks(group, len(centre), spectrum.device):
            _fill(spectrum, trim / tiling.duration, cutouts[-1], events, rows)
    return cutouts


def _stretch(
    tiles: int, duration: float, centre: Tensor, extent: tuple[float, float]
) -> tuple[Tensor, int]:
    """First tile (B,) and number of tiles that cover a time range with the spline's margins."""
    rate = tiles / duration
    length = min(tiles, int(np.ceil((extent[1] - extent[0]) * rate)) + 2 * MARGIN + 2)
    first = torch.floor((centre + extent[0]) * rate).long() - MARGIN
    return first.clamp(0, tiles - length), length


def _fill(spectrum: Tensor, trim: float, cutouts: _Cutouts, events: slice, rows: slice) -> None:
    """Compute one chunk of `cutouts`; `trim` is the fraction of the block cut at each end."""
    energies = group_energies(spectrum[events], cutouts.group, rows)
    ends = int(np.ceil(trim * cutouts.group.tiles))
    medians = row_medians(energies[..., ends : cutouts.group.tiles - ends])
    stretches = energies.unfold(-1, cutouts.energies.shape[-1], 1)
    event = torch.arange(len(energies), device=energies.device)
    near = stretches[event, :, cutouts.first[events]]
    torch.div(near, medians[..., None], out=cutouts.energies[events, rows])


def _find_peaks(cutouts: list[_Cutouts], tiling: Tiling, centre: Tensor, search: float) -> _Peaks:
    """The loudest tile of all planes inside the search window, as in gwpy's `QGram`."""
    loudest = [_loudest_tiles(part, tiling.duration, centre, search) for part in cutouts]
    energies, times = (torch.cat(columns, dim=1) for columns in zip(*loudest, strict=True))
    planes = torch.from_numpy(np.concatenate([part.group.planes for part in cutouts]))
    frequencies = torch.cat([part.group.frequencies for part in cutouts])
    energy, row = energies.max(dim=1)
    found = energy > 0  # False for the NaN that empty data leave
    plane = planes.to(row.device)[row]
    q = centre.new_tensor([p.q for p in tiling.planes])[plane]
    time = times.gather(1, row[:, None])[:, 0]
    return _Peaks(
        plane=plane.masked_fill(~found, -1),
        q=q.masked_fill(~found, torch.nan),
        energy=energy.masked_fill(~found, torch.nan),
        time=time.masked_fill(~found, torch.nan),
        frequency=frequencies[row].masked_fill(~found, torch.nan),
    )


def _loudest_tiles(
    cutouts: _Cutouts, duration: float, centre: Tensor, search: float
) -> tuple[Tensor, Tensor]:
    """Energy and time (B, R) of the loudest tile of each row inside the search window."""
    step = duration / cutouts.group.tiles
    index = cutouts.first[:, None] + torch.arange(cutouts.energies.shape[-1], device=centre.device)
    start = torch.floor((centre - search / 2).clamp(min=0) / step)[:, None]
    stop = torch.floor((centre + search / 2).clamp(max=duration) / step)[:, None]
    inside = (index >= start) & (index < stop)
    energy, tile = cutouts.energies.masked_fill(~inside[:, None], 0).max(dim=-1)
    return energy, (cutouts.first[:, None] + tile) * step


def _fill_images(
    images: list[Tensor],
    cutouts: list[_Cutouts],
    tiling: Tiling,
    centre: Tensor,
    plane: Tensor,
    grids: Sequence[Grid],
) -> None:
    """Fill the images (b, nf, nt) of every grid, each event in its own plane."""
    times = centre.new_tensor(np.concatenate([np.empty(0), *(g.times for g in grids)]))
    for index in plane.unique().tolist():
        events = torch.nonzero(plane == index)[:, 0]
        if index < 0:
            for image in images:
                image[events] = torch.nan
            continue
        rows = _rows_at(cutouts, tiling, index, events, centre[events, None] + times)
        parts = rows.split([len(g.times) for g in grids], dim=1)
        for image, grid, part in zip(images, grids, parts, strict=True):
            wanted = np.asarray(grid.frequencies, np.float64).tobytes()
            image[events] = frequency_spline(tiling, index, wanted, part.device)(part.mT)


def _rows_at(
    cutouts: list[_Cutouts], tiling: Tiling, plane: int, events: Tensor, times: Tensor
) -> Tensor:
    """All rows of a plane (b, N, R) at times (b, N) in seconds from the start of the block."""
    values = torch.empty(
        (*times.shape, len(tiling.planes[plane].tiles)), device=times.device, dtype=torch.float32
    )
    for part in cutouts:
        members = np.flatnonzero(part.group.planes == plane)
        if not len(members):
            continue
        near = part.energies[events, members[0] : members[-1] + 1]
        position = times * (part.group.tiles / tiling.duration) - part.first[events, None]
        rows = part.group.rows[members]
        values[..., rows[0] : rows[-1] + 1] = evaluate_spline(spline_coefficients(near), position)
    outside = (times < 0) | (times > tiling.duration)
    return values.masked_fill_(outside[..., None], torch.nan)


@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # kept for others, who may want gradients through it
def frequency_spline(
    tiling: Tiling, plane: int, frequencies: bytes, device: torch.device
) -> FrequencySpline:
    """The spline of a plane through its rows, at frequencies given as float64 bytes."""
    knots = tiling.planes[plane].frequencies
    return FrequencySpline.through(knots, np.frombuffer(frequencies), tiling.band, device)
