"""Triggers found in strain: tiles of the Q-transform that stand out, joined to events.

Strain is searched in cells of one minute of absolute GPS time. A cell is searched in a
block that reaches past both its ends, and its events are joined from its own tiles and
those of the two cells beside it. What a cell yields therefore depends on the strain
near it alone: a long stretch gives the same triggers in one go, in pieces, or when a
search is taken up again.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from igwn_segments import segment, segmentlist

from glitchvae.errors import InputError
from glitchvae.qtransform import Tiling, tile_energies
from glitchvae.strain import Strain, StrainSource
from glitchvae.triggers.clustering import Tiles, cluster_tiles
from glitchvae.triggers.record import Triggers, triggers_from
from glitchvae.whitening import whiten

CELL = 60.0
"""Seconds of a cell; cells begin at multiples of this in GPS time."""

OVERLAP = 2.0
"""Seconds by which a cell's tiles reach past its ends, so that none is cut there."""

EDGE = 1.0
"""Seconds at either end of a block that the whitening filter spoils (half its length)."""

MIN_BLOCK = 8.0
"""Seconds of contiguous strain below which nothing is searched."""

TILE_SNR = 5.0
"""SNR from which tiles are joined, Omicron's own; events need the SNR asked for."""

_log = logging.getLogger(__name__)


def find_triggers(
    strain: Strain,
    *,
    snr: float = 7.5,
    frange: tuple[float, float] = (10.0, 2048.0),
    qrange: tuple[float, float] = (4.0, 64.0),
    within: segmentlist | None = None,
    device: str = "cpu",
) -> Triggers:
    """Glitches in one stretch of strain.

    Strain is whitened by its own median spectrum, cut into gwpy's tiling (mismatch
    0.2), and each row of tiles compared with its own noise. With E the energy of a tile
    and <E> the mean energy of Gaussian noise, SNR^2 = 2 E / <E> - 2 estimates the
    square of the matched-filter SNR of a burst with the shape of the tile; <E> is the
    median of the row over ln 2, the ratio in exponentially distributed noise. Loud
    tiles are joined and split by the rule of `glitchvae.triggers.clustering`.

    The first and the last second of each stretch without gaps are not searched, nor are
    stretches shorter than `MIN_BLOCK`.

    Args:
        strain: Samples that are NaN part the data into stretches.
        snr: Least SNR of an event's loudest tile.
        frange: Frequencies in Hz, cut to what the sample rate allows.
        qrange: Quality factors.
        within: Keep events that peak in these GPS segments only.
        device: Where to compute.

    Returns:
        Triggers in the order of time, none where nothing stands out.

    References:
        F. Robinet et al. (2020), SoftwareX 12, 100620; S. Chatterji et al. (2004),
        Class. Quantum Grav. 21, S1809.
    """
    cells = _search(
        strain.crop, segmentlist([segment(strain.start, strain.end)]), strain.ifo,
        snr=snr, frange=frange, qrange=qrange, within=within, device=device,
    )  # fmt: skip
    settings = {"snr": snr, "frange": list(frange), "qrange": list(qrange)}
    found = [triggers for _, triggers in cells]
    return Triggers.join([_none(settings), *found])


def scan_source(
    source: StrainSource,
    *,
    snr: float = 7.5,
    frange: tuple[float, float] = (10.0, 2048.0),
    qrange: tuple[float, float] = (4.0, 64.0),
    within: segmentlist | None = None,
    device: str = "cpu",
) -> Iterator[tuple[segment, Triggers]]:
    """The triggers of `find_triggers`, minute by minute, in constant memory.

    Args:
        source: Strain that is read as it is needed.
        snr: Least SNR of an event's loudest tile.
        frange: Frequencies in Hz.
        qrange: Quality factors.
        within: Search cells that touch these GPS segments only and keep events that
            peak in them; what remains to be done, where a search is taken up again.
        device: Where to compute.

    Yields:
        A GPS segment and the triggers whose peaks lie in it, in the order of time;
        the segments are the cells that hold strain and cover `source.segments`.
    """
    yield from _search(
        source.read, source.segments, source.ifo,
        snr=snr, frange=frange, qrange=qrange, within=within, device=device,
    )  # fmt: skip


def _search(
    read: Callable[[float, float], Strain],
    segments: segmentlist,
    ifo: str,
    *,
    snr: float,
    frange: tuple[float, float],
    qrange: tuple[float, float],
    within: segmentlist | None,
    device: str,
) -> Iterator[tuple[segment, Triggers]]:
    if not snr > np.sqrt(2):
        raise InputError("SNR threshold too low", expected="more than 1.4", found=snr)
    floor = min(snr, TILE_SNR)

    @functools.lru_cache(maxsize=3)
    def tiles_of(cell: int) -> Tiles:
        parts = [
            _loud_tiles(block, keep, floor, frange, qrange, device)
            for block, keep in _blocks(read, cell)
        ]
        return Tiles.join(parts)

    for cell in _cells(segments, within):
        span = segment(cell * CELL, (cell + 1) * CELL)
        tiles = Tiles.join([tiles_of(k) for k in (cell - 1, cell, cell + 1)])
        events = cluster_tiles(tiles, threshold=floor)
        rows = (events["snr"] >= snr) & (events["gps"] >= span[0]) & (events["gps"] < span[1])
        columns = {name: values[rows] for name, values in events.items()}
        triggers = triggers_from({**columns, "ifo": [ifo] * int(rows.sum())})
        yield span, triggers if within is None else triggers.take(_inside(triggers.gps, within))


def _cells(segments: segmentlist, within: segmentlist | None) -> list[int]:
    """Numbers of the cells that hold strain to be searched."""
    wanted = segments if within is None else segments & within
    cells: set[int] = set()
    for start, end in wanted:
        cells.update(range(int(start // CELL), int(np.ceil(end / CELL))))
    return sorted(cells)


def _blocks(read: Callable[[float, float], Strain], cell: int) -> Iterator[tuple[Strain, segment]]:
    """Blocks to search for one cell, each with the part of the cell it answers for.

    A block is the cell, its overlaps and its edges, moved to lie inside contiguous
    strain and shortened where the strain is shorter.
    """
    length = CELL + 2 * (OVERLAP + EDGE)
    span = segment(cell * CELL, (cell + 1) * CELL)
    first, last = span[0] - OVERLAP - EDGE, span[1] + OVERLAP + EDGE
    strain = read(first, last)
    if len(strain) == round(length * strain.sample_rate) and np.isfinite(strain.values).all():
        yield strain, span
        return
    strain = read(first - length, last + length)
    for start, end in strain.finite_segments():
        low, high = max(span[0], start + EDGE), min(span[1], end - EDGE)
        if end - start < MIN_BLOCK:
            _log.info("%s: %g s from %g on are too short to search", strain.ifo, end - start, start)
        elif low < high:
            begin = max(min(first, end - length), start)
            yield strain.crop(begin, min(begin + length, end)), segment(low, high)


def _loud_tiles(
    block: Strain,
    keep: segment,
    floor: float,
    frange: tuple[float, float],
    qrange: tuple[float, float],
    device: str,
) -> Tiles:
    """Tiles of `block` with SNR above `floor` whose middle lies in `keep`."""
    rate, edge = block.sample_rate, round(EDGE * block.sample_rate)
    whitened = whiten(torch.from_numpy(block.values)[None].to(device), rate)[:, edge:-edge]
    if not torch.isfinite(whitened).all():
        _log.warning("%s: cannot whiten %g s from %g on", block.ifo, block.duration, block.start)
        return Tiles.join([])
    duration = whitened.shape[-1] / rate
    tiling = Tiling(duration=duration, sample_rate=rate, qrange=qrange, frange=frange)
    start = block.start + EDGE
    return Tiles.join(
        [
            _row(energies[0], start, duration, frequency, plane.q, floor, keep)
            for index, plane in enumerate(tiling.planes)
            for frequency, energies in zip(
                plane.frequencies, tile_energies(whitened, tiling, plane=index), strict=True
            )
        ]
    )


def _row(
    energies: torch.Tensor,
    start: float,
    duration: float,
    frequency: float,
    q: float,
    floor: float,
    keep: segment,
) -> Tiles:
    """The loud tiles of one row of median-normalised energies (n,).

    A tile nearer to the end of the block than its own duration is left out: the
    transform is periodic and would show there what lies at the other end.
    """
    loud = torch.nonzero(energies > (floor**2 + 2) / (2 * np.log(2))).ravel()
    energy = energies[loud].double().cpu().numpy()
    step = duration / len(energies)
    time = start + loud.cpu().numpy() * step
    tiles = Tiles(
        time=time,
        frequency=np.full(len(time), frequency),
        q=np.full(len(time), q),
        snr=np.sqrt(2 * np.log(2) * energy - 2),
        step=np.full(len(time), step),
    )
    inside = (time - start >= tiles.duration) & (start + duration - time >= tiles.duration)
    return tiles.take(inside & np.isfinite(energy) & (time >= keep[0]) & (time < keep[1]))


def _inside(gps: np.ndarray, segments: segmentlist) -> np.ndarray:
    return np.array([time in segments for time in gps], dtype=bool)


def _none(settings: dict[str, object]) -> Triggers:
    return triggers_from({"gps": [], "ifo": []}, search=settings)
