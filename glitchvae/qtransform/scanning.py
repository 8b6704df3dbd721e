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
)
from glitchvae.qtransform.medians import row_medians
from glitchvae.qtransform.splines import (
    MARGIN,
    FrequencySpline,
    spline_coefficients,
    spline_weights,
    sum_taps,
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
    """Energies of a group's rows near the events, and what normalises them.

    Attributes:
        group: The rows.
        first: Index of the first tile kept (B,).
        energies: (B, R, L).
        medians: Of the rows over the block (B, R).
    """

    group: RowGroup
    first: NDArray[np.int64]
    energies: Tensor
    medians: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class _Peaks:
    """The loudest tile of each event (B,); plane -1 and NaN where there is none."""

    plane: NDArray[np.int64]
    q: NDArray[np.float64]
    energy: NDArray[np.float32]
    time: NDArray[np.float64]
    frequency: NDArray[np.float64]


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
    centres = centre.to("cpu", torch.float64).numpy()
    if not ((centres >= 0) & (centres <= tiling.duration)).all():
        raise InputError(
            "an event lies outside its block",
            expected=f"0 to {tiling.duration:g} s",
            found=centres.tolist(),
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
        return _scan_part(whitened[part], centres[part], images, tiling, grids, search, trim)

    # Events are independent: on the CPU each is done by one thread, from its spectrum to
    # its images, in memory that does not grow with the batch.
    size = 1 if whitened.device.type == "cpu" else max(1, len(whitened))
    parts = [slice(first, first + size) for first in range(0, len(whitened), size)]
    peaks = run(scan_part, parts, whitened.device)

    def column(parts: list[NDArray[np.floating]]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts)).to(whitened.device)

    return Scan(
        q=column([p.q for p in peaks]),
        peak_energy=column([p.energy for p in peaks]),
        peak_time=column([p.time for p in peaks]),
        peak_frequency=column([p.frequency for p in peaks]),
        views=views,
    )


def _scan_part(
    whitened: Tensor,
    centre: NDArray[np.float64],
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
    centre: NDArray[np.float64],
    extent: tuple[float, float],
    trim: float,
) -> list[_Cutouts]:
    """Energies of all rows near the events, and the rows' medians over the block."""
    cutouts = []
    for group in row_groups(tiling, spectrum.device):
        first, length = _stretch(group.tiles, tiling.duration, centre, extent)
        size = (len(centre), len(group.rows))
        near = spectrum.new_empty((*size, length), dtype=torch.float32)
        medians = spectrum.new_empty(size, dtype=torch.float32)
        cutouts.append(_Cutouts(group, first, near, medians))
        for events, rows in chunks(group, len(centre), spectrum.device):
            _fill(spectrum, trim / tiling.duration, cutouts[-1], events, rows)
    return cutouts


def _stretch(
    tiles: int, duration: float, centre: NDArray[np.float64], extent: tuple[float, float]
) -> tuple[NDArray[np.int64], int]:
    """First tile (B,) and number of tiles that cover a time range with the spline's margins."""
    rate = tiles / duration
    length = min(tiles, int(np.ceil((extent[1] - extent[0]) * rate)) + 2 * MARGIN + 2)
    first = np.floor((centre + extent[0]) * rate).astype(np.int64) - MARGIN
    return first.clip(0, tiles - length), length


def _fill(spectrum: Tensor, trim: float, cutouts: _Cutouts, events: slice, rows: slice) -> None:
    """Compute one chunk of `cutouts`; `trim` is the fraction of the block cut at each end."""
    energies = group_energies(spectrum[events], cutouts.group, rows)
    ends = int(np.ceil(trim * cutouts.group.tiles))
    cutouts.medians[events, rows] = row_medians(energies[..., ends : cutouts.group.tiles - ends])
    for near, whole, begin in zip(
        cutouts.energies[events, rows], energies, cutouts.first[events].tolist(), strict=True
    ):
        near.copy_(whole[:, begin : begin + near.shape[-1]])


def _find_peaks(
    cutouts: list[_Cutouts], tiling: Tiling, centre: NDArray[np.float64], search: float
) -> _Peaks:
    """The loudest tile of all planes inside the search window, as in gwpy's `QGram`."""
    step = np.array([tiling.duration / part.group.tiles for part in cutouts])
    start = np.floor((centre - search / 2).clip(min=0) / step[:, None])
    stop = np.floor((centre + search / 2).clip(max=tiling.duration) / step[:, None])
    first = np.stack([part.first for part in cutouts])
    windows = zip(cutouts, (start - first).astype(int), (stop - first).astype(int), strict=True)
    loudest = [_loudest_tiles(part.energies, begin, end) for part, begin, end in windows]
    energies, tiles = (torch.cat(columns, dim=1).cpu() for columns in zip(*loudest, strict=True))
    energies /= torch.cat([part.medians for part in cutouts], dim=1).cpu()
    energy, row = (column.numpy() for column in energies.max(dim=1))
    found = energy > 0  # False for the NaN that empty data leave
    place = np.repeat(np.arange(len(cutouts)), [len(part.group.rows) for part in cutouts])[row]
    event = np.arange(len(row))
    plane = np.concatenate([part.group.planes for part in cutouts])[row]
    frequency = np.concatenate([part.group.frequencies for part in cutouts])[row]
    time = (first[place, event] + tiles.numpy()[event, row]) * step[place]
    return _Peaks(
        plane=np.where(found, plane, -1),
        q=np.where(found, np.array([p.q for p in tiling.planes])[plane], np.nan),
        energy=np.where(found, energy, np.float32(np.nan)),
        time=np.where(found, time, np.nan),
        frequency=np.where(found, frequency, np.nan),
    )


def _loudest_tiles(
    energies: Tensor, start: NDArray[np.int_], stop: NDArray[np.int_]
) -> tuple[Tensor, Tensor]:
    """Energy and index (B, R) of the loudest tile of rows (B, R, L) from `start` to `stop` (B,)."""
    begin = int(start.min())  # the windows of all events lie between it and `end`
    end = max(int(stop.max()), begin + 1)
    window = energies[..., begin:end]
    if (start != begin).any() or (stop != end).any():
        index = np.arange(begin, end)
        outside = (index < start[:, None]) | (index >= stop[:, None])
        window = window.masked_fill(torch.from_numpy(outside).to(window.device)[:, None], 0)
    energy, tile = window.max(dim=-1)
    return energy, tile + begin


def _fill_images(
    images: list[Tensor],
    cutouts: list[_Cutouts],
    tiling: Tiling,
    centre: NDArray[np.float64],
    plane: NDArray[np.int64],
    grids: Sequence[Grid],
) -> None:
    """Fill the images (b, nf, nt) of every grid, each event in its own plane."""
    if not grids:
        return
    times = np.concatenate([grid.times for grid in grids])
    for index in np.unique(plane).tolist():
        chosen = plane == index
        events = slice(None) if chosen.all() else np.flatnonzero(chosen)  # a slice copies nothing
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
    cutouts: list[_Cutouts],
    tiling: Tiling,
    plane: int,
    events: slice | NDArray[np.intp],
    times: NDArray[np.float64],
) -> Tensor:
    """All rows of a plane (b, N, R) at times (b, N) in seconds from the start of the block."""
    parts = [part for part in cutouts if plane in part.group.planes]
    rows = [slice(*np.searchsorted(part.group.planes, (plane, plane + 1))) for part in parts]
    rates = np.array([part.group.tiles / tiling.duration for part in parts])
    first = np.stack([part.first[events] for part in parts])
    lengths = np.array([part.energies.shape[-1] for part in parts])
    device = parts[0].energies.device
    positions = times * rates[:, None, None] - first[..., None]
    taps, weights = spline_weights(
        torch.from_numpy(positions).to(device), torch.from_numpy(lengths).to(device)[:, None, None]
    )
    outside = (times < 0) | (times > tiling.duration)
    weights = weights.float().masked_fill_(
        torch.from_numpy(outside).to(device)[..., None], torch.nan
    )
    # Groups ascend in tiles and so in frequency: side by side they are the plane's rows in order.
    values = [
        sum_taps(_coefficients(part, events, chosen).mT, taps[place], weights[place])
        for place, (part, chosen) in enumerate(zip(parts, rows, strict=True))
    ]
    medians = [part.medians[events, chosen] for part, chosen in zip(parts, rows, strict=True)]
    return torch.cat(values, dim=-1).div_(torch.cat(medians, dim=-1)[:, None])


def _coefficients(part: _Cutouts, events: slice | NDArray[np.intp], rows: slice) -> Tensor:
    """Of the splines through some rows (b, R, L); those of cut ends are not to be used."""
    near = part.energies[events, rows]
    whole = (part.first == 0) | (part.first + near.shape[-1] == part.group.tiles)
    return spline_coefficients(near, ends=bool(whole.any()))


@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # kept for others, who may want gradients through it
def frequency_spline(
    tiling: Tiling, plane: int, frequencies: bytes, device: torch.device
) -> FrequencySpline:
    """The spline of a plane through its rows, at frequencies given as float64 bytes."""
    knots = tiling.planes[plane].frequencies
    return FrequencySpline.through(knots, np.frombuffer(frequencies), tiling.band, device)
