"""Search of strain for triggers: loud tiles of the Q-transform, clustered to events.

Strain is searched in cells of one minute of absolute GPS time. A cell's tiles are
computed from a block that reaches past both its ends, and its events are joined from
its own tiles and those of the two cells beside it. What a cell yields therefore depends
on the strain near it alone: a long stretch gives the same triggers in one go, in pieces,
or when a search is taken up again.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from igwn_segments import segment, segmentlist

from glitchvae.errors import InputError
from glitchvae.strain import Strain, StrainSource
from glitchvae.strain.quality import IMPLAUSIBLE
from glitchvae.triggers.clustering import TILE_SNR, cluster_tiles
from glitchvae.triggers.record import Triggers, mark_bursts, triggers_from
from glitchvae.triggers.tiles import Examined, Threshold, Tiles, examine

SNR = 7.5
"""Default SNR threshold, that of Gravity Spy."""

FRANGE = (10.0, 2048.0)
"""Frequency range (Hz) of the search, limited by the sample rate."""

QRANGE = (4.0, 64.0)
"""Range of quality factors of the search."""

CELL = 60.0
"""Seconds of a cell; cells begin at multiples of this in GPS time."""

_LEAST_SNR = 2.0  # below it nearly every tile of noise is loud
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SearchedCell:
    """Result of the search of one cell.

    Attributes:
        span: The cell.
        triggers: Those that peak in it, in the order of time.
        covered: Its good samples: there, not NaN, not constant.
        searched: Where triggers were looked for.
        marks: Checksum of the samples from some whole GPS seconds on.
    """

    span: segment
    triggers: Triggers
    covered: segmentlist
    searched: segmentlist
    marks: Mapping[int, int]


def find_triggers(
    strain: Strain,
    *,
    snr: float = SNR,
    frange: tuple[float, float] = FRANGE,
    qrange: tuple[float, float] = QRANGE,
    within: segmentlist | None = None,
    device: str = "cpu",
) -> Triggers:
    """Find glitches in one stretch of strain.

    Strain is whitened by its own median spectrum, cut into gwpy's tiling (mismatch
    0.2), and each row of tiles compared with its own noise. With E the energy of a tile
    and <E> the mean energy of Gaussian noise, SNR^2 = 2 E / <E> - 2 estimates the
    square of the matched-filter SNR of a burst with the shape of the tile; <E> is the
    median of the row over ln 2, the ratio in exponentially distributed noise. Loud
    tiles are joined and split by the rule of `glitchvae.triggers.clustering`.

    The first and the last second of each stretch without gaps are not searched, nor are
    stretches shorter than 8 s. Values that stay the same for 1/16 s count as a gap.

    Args:
        strain: Samples that are NaN part the data into stretches.
        snr: Least SNR of an event's loudest tile.
        frange: Frequencies in Hz, cut to what the sample rate allows.
        qrange: Quality factors.
        within: Keep events that peak in these GPS segments only.
        device: Where to compute.

    Returns:
        Triggers in the order of time, none where nothing stands out.

    Raises:
        InputError: a threshold below 2, or a range of Q or frequency that is unusable.

    References:
        F. Robinet et al. (2020), SoftwareX 12, 100620; S. Chatterji et al. (2004),
        Class. Quantum Grav. 21, S1809.
    """
    cells = _search(
        strain.crop,
        segmentlist([segment(strain.start, strain.end)]),
        strain.ifo,
        snr=snr,
        frange=frange,
        qrange=qrange,
        within=within,
        device=device,
    )
    found = [cell.triggers for cell in cells]
    return Triggers.join(found) if found else triggers_from({"gps": [], "ifo": []})


def search_cells(
    source: StrainSource,
    *,
    snr: float = SNR,
    frange: tuple[float, float] = FRANGE,
    qrange: tuple[float, float] = QRANGE,
    within: segmentlist | None = None,
    device: str = "cpu",
) -> Iterator[SearchedCell]:
    """Find triggers as `find_triggers` does, minute by minute in constant memory.

    What of each minute was good and searched comes from the same pass.

    Args:
        source: Strain that is read as it is needed.
        snr: Least SNR of an event's loudest tile.
        frange: Frequencies in Hz.
        qrange: Quality factors.
        within: Search the cells that touch these GPS segments and keep events that peak
            in them: science time, or what is left of a search that was interrupted.
        device: Where to compute.

    Yields:
        The cells in the order of time; those without strain are left out.

    Raises:
        InputError: as `find_triggers`, and what reading the strain raises.
    """
    return _search(
        source.read,
        source.segments,
        source.ifo,
        snr=snr,
        frange=frange,
        qrange=qrange,
        within=within,
        device=device,
    )


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
) -> Iterator[SearchedCell]:
    if not snr >= _LEAST_SNR:
        raise InputError(
            "the SNR threshold is too low", expected=f"at least {_LEAST_SNR:g}", found=snr
        )
    floor = min(snr, TILE_SNR)
    threshold = Threshold(snr=floor, frange=frange, qrange=qrange, device=device)
    settings = {"snr": snr, **search_settings(frange, qrange)}

    @functools.lru_cache(maxsize=3)  # each cell is wanted by itself and by its neighbours
    def examined(cell: int) -> Examined:
        return examine(read, span_of(cell), threshold)

    implausible = False
    for cell in cells_of(segments, within):
        if examined(cell).implausible and not implausible:
            implausible = True
            _LOG.warning(
                "%s: samples from GPS %.1f on are too large for strain (above %g): another unit,"
                " or whitened. The search does not depend on the scale, but stretches without"
                " signal may not be seen as such",
                ifo,
                span_of(cell)[0],
                IMPLAUSIBLE,
            )
        tiles = Tiles.join([examined(k).tiles for k in (cell - 1, cell, cell + 1)])
        events = cluster_tiles(tiles, floor=floor)
        events |= {"ifo": np.full(len(events["gps"]), ifo, dtype=object)}
        loud = events["snr"] >= snr
        found = triggers_from({name: v[loud] for name, v in events.items()}, search=settings)
        own = examined(cell)
        yield SearchedCell(
            span=span_of(cell),
            triggers=mark_bursts(found).take(_inside(found.gps, span_of(cell), within)),
            covered=_of(own.covered, within),
            searched=_of(own.searched, within),
            marks=own.marks,
        )


def search_settings(
    frange: tuple[float, float] = FRANGE, qrange: tuple[float, float] = QRANGE
) -> dict[str, Any]:
    """Settings of a search, except its threshold, as stored in records."""
    return {"frange": list(frange), "qrange": list(qrange)}


def span_of(cell: int) -> segment:
    """GPS segment of a cell."""
    return segment(cell * CELL, (cell + 1) * CELL)


def _of(stretches: segmentlist, within: segmentlist | None) -> segmentlist:
    return stretches if within is None else stretches & segmentlist(within).coalesce()


def cells_of(segments: segmentlist, within: segmentlist | None = None) -> list[int]:
    """Numbers of the cells that contain strain to be searched."""
    wanted = segments if within is None else segments & segmentlist(within).coalesce()
    cells: set[int] = set()
    for start, end in wanted:
        cells.update(range(int(start // CELL), int(np.ceil(end / CELL))))
    return sorted(cells)


def _inside(gps: np.ndarray, span: segment, within: segmentlist | None) -> np.ndarray:
    rows = [time in span and (within is None or time in within) for time in gps]
    return np.array(rows, dtype=bool)
