"""Energies of tiles: one inverse FFT per group of rows that have equally many tiles.

The energy of a tile is the squared modulus of the band-passed analytic signal, so any
common phase is free: windows are laid at the start of the buffer instead of around
its middle as gwpy does, with the same energies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from glitchvae.errors import InputError
from glitchvae.qtransform.fourier import rfft
from glitchvae.qtransform.medians import row_medians
from glitchvae.qtransform.tiling import Tiling

_LEAST_ROWS = 8  # of one inverse FFT: with them its tables cost a fifth of it


@dataclass(frozen=True, kw_only=True, eq=False)
class RowGroup:
    """Frequency rows with equal numbers of tiles, of one or several planes.

    Attributes:
        tiles: Tiles per row.
        planes: Index of each row's plane (R,), ascending.
        rows: Index of each row inside its plane (R,).
        frequencies: Centre of each row (R,) in Hz.
        starts: First bin of the spectrum under each row's window (R,).
        windows: The windows (R, W) for a one-sided spectrum, that is doubled; zero beyond a
            row's own width. Complex, as a product with the spectrum would make them each time.
    """

    tiles: int
    planes: np.ndarray
    rows: np.ndarray
    frequencies: np.ndarray
    starts: Tensor
    windows: Tensor


@lru_cache(maxsize=8)  # of 64 s at 16 kHz they take 40 MB
@torch.inference_mode(mode=False)  # kept for others, who may want gradients through them
def row_groups(
    tiling: Tiling, device: torch.device, plane: int | None = None
) -> tuple[RowGroup, ...]:
    """Rows of a tiling, or of one of its planes, grouped by number of tiles."""
    chosen = range(len(tiling.planes)) if plane is None else [plane]
    labels = [(p, r) for p in chosen for r in range(len(tiling.planes[p].tiles))]
    tiles = np.array([tiling.planes[p].tiles[r] for p, r in labels])
    members = [[labels[i] for i in np.flatnonzero(tiles == n)] for n in np.unique(tiles)]
    return tuple(_row_group(tiling, device, group) for group in members)


def _row_group(tiling: Tiling, device: torch.device, labels: list[tuple[int, int]]) -> RowGroup:
    windows = [tiling.planes[p].windows[r] for p, r in labels]
    frequencies = [tiling.planes[p].frequencies[r] for p, r in labels]
    width = max(len(w) for w in windows)
    begins = np.array([tiling.planes[p].starts[r] for p, r in labels])
    # A padded window that would leave the spectrum starts earlier, behind zeros.
    starts = np.minimum(begins, tiling.samples // 2 + 1 - width)
    padded = np.zeros((len(labels), width), dtype=np.complex64)
    for row, (window, shift) in enumerate(zip(windows, begins - starts, strict=True)):
        padded[row, shift : shift + len(window)] = 2 * window
    planes, rows = (np.array(index) for index in zip(*labels, strict=True))
    return RowGroup(
        tiles=int(tiling.planes[planes[0]].tiles[rows[0]]),
        planes=planes,
        rows=rows,
        frequencies=np.array(frequencies),
        starts=torch.from_numpy(starts).to(device),
        windows=torch.from_numpy(padded).to(device),
    )


def amplitude_spectrum(whitened: Tensor, tiling: Tiling) -> Tensor:
    """Half of `gwpy`'s `TimeSeries.fft` of blocks (B, T), as amplitudes (B, T / 2 + 1).

    Raises:
        InputError: the blocks are not of the tiling's length.
    """
    if whitened.ndim != 2 or whitened.shape[-1] != tiling.samples:
        raise InputError(
            "the tiling is for blocks of another length",
            expected=f"(batch, {tiling.samples})",
            found=tuple(whitened.shape),
        )
    return rfft(whitened, norm="forward").to(torch.complex64)


def group_energies(spectrum: Tensor, group: RowGroup, rows: slice = slice(None)) -> Tensor:
    """Energies (B, R, tiles) of some rows of a group, not normalised."""
    windows = group.windows[rows]
    width = windows.shape[-1]
    if spectrum.requires_grad:  # the gradient of `unfold` would fill all of its windows
        bins = group.starts[rows, None] + torch.arange(width, device=spectrum.device)
        analytic = torch.fft.ifft(spectrum[:, bins] * windows, n=group.tiles)
        return analytic.real**2 + analytic.imag**2
    chosen = spectrum.unfold(-1, width, 1)[:, group.starts[rows]]
    padded = spectrum.new_zeros((len(spectrum), len(windows), group.tiles))
    torch.mul(chosen, windows, out=padded[..., :width])
    squares = torch.view_as_real(torch.fft.ifft(padded)).square_()
    return squares[..., 0] + squares[..., 1]


def tile_energies(
    whitened: Tensor, tiling: Tiling, *, plane: int, norm: str | None = "median"
) -> list[Tensor]:
    """Energies of all tiles of one plane, `gwpy`'s `QPlane.transform`.

    Args:
        whitened: Whitened strain (B, T).
        tiling: The tiling of such blocks.
        plane: Index into `tiling.planes`.
        norm: Divide each row by its "median" or "mean" over the block, or None.

    Returns:
        For each row of the plane the energies (B, tiles of the row) in float32.

    Raises:
        InputError: blocks of another length, or an unknown `norm`.
    """
    if norm not in ("median", "mean", None):
        raise InputError("unknown norm", expected="'median', 'mean' or None", found=norm)
    spectrum = amplitude_spectrum(whitened, tiling)
    energies: dict[int, Tensor] = {}
    for group in row_groups(tiling, whitened.device, plane):
        values = group_energies(spectrum, group)
        if norm == "median":
            values = values / row_medians(values)[..., None]
        elif norm == "mean":
            values = values / values.mean(-1, keepdim=True)
        energies.update(zip(group.rows.tolist(), values.unbind(1), strict=True))
    return [energies[row] for row in range(len(energies))]


def chunks(group: RowGroup, batch: int, device: torch.device) -> Iterator[tuple[slice, slice]]:
    """Parts (events, rows) of a group whose buffers fit the processor's cache.

    They have several rows at least: for each call the inverse FFT makes its tables anew.
    """
    target = 2**17 if device.type == "cpu" else 2**26
    count = len(group.rows)
    rows = min(count, max(_LEAST_ROWS, target // group.tiles))
    events = max(1, target // (group.tiles * rows)) if rows == count else 1
    for event in range(0, batch, events):
        for row in range(0, count, rows):
            yield slice(event, min(event + events, batch)), slice(row, min(row + rows, count))
