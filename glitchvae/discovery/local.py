"""Known classes as they look in an archive: rendered events, shifted to match.

A simulation is not the detector. So events of the archive itself may move rendered events of a
class, and spread them, within caps; they make no class. What is said of an event follows from
events of other times: the archive is cut in folds of time, and each fold sees what the others say.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.discovery.comparing import Known
from glitchvae.discovery.excess import Sample
from glitchvae.discovery.rendering import Rendered
from glitchvae.discovery.seeds import known_only
from glitchvae.discovery.two_samples import Units

FARTHEST = 2.0
"""Largest shift, in standard deviations of a known class around its centre."""

WIDEST = 1.5
"""Largest factor on distances from the centre."""

FEWEST = 5
"""Least number of episodes of a class in the other folds for a shift."""

AMONG = 0.99
"""Quantile of the distances of rendered events from their centre, up to which events of the archive
count: a new class beside a known one must not shift the known one."""

_FOLDS = 4
_BLOCK = 64.0  # seconds that are in one fold together: they share an estimate of the noise


class Move(NamedTuple):
    """Map from rendered to archived events of a class: scaled about a centre, then shifted."""

    centre: NDArray[np.float64]
    shift: NDArray[np.float64]
    width: float

    def there(self, codes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move rendered codes (N, Z) to the archive."""
        return self.centre + self.shift + self.width * (codes - self.centre)

    def back(self, codes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move codes (N, Z) of the archive back to the rendered class."""
        return self.centre + (codes - self.centre - self.shift) / self.width


class LocalClass(NamedTuple):
    """One known class as rendered.

    Attributes:
        name: Of the class.
        codes: (M, Z) whitened, as they were rendered.
        unit: (M,) which glitch each is a trigger of.
        number: Of the class among those of `Local.known`.
        whole: Its move by all folds.
        moves: Its move for each fold, by the others.
    """

    name: str
    codes: NDArray[np.float64]
    unit: NDArray[np.int64]
    number: int
    whole: Move
    moves: tuple[Move, ...]

    @property
    def units(self) -> Units:
        """The events as a sample for a test."""
        return Units(self.codes, self.unit)


class Local(NamedTuple):
    """Known classes as they look in an archive.

    Attributes:
        known: The known classes, and the rendered ones after them.
        archive: The archive's events under all of them.
        classes: Those that were rendered.
        fold: (N,) fold of each event.
    """

    known: Known
    archive: Sample
    classes: tuple[LocalClass, ...]
    fold: NDArray[np.int64]

    def back(self, own: LocalClass, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Codes (n, Z) of some events, moved back to a rendered class."""
        codes = self.archive.codes[rows]
        for fold, move in enumerate(own.moves):
            here = self.fold[rows] == fold
            codes[here] = move.back(codes[here])
        return codes


def localise(known: Known, rendered: Rendered, archive: Sample, gps: NDArray[np.float64]) -> Local:
    """Add rendered events, moved to match the archive, to the known classes.

    Args:
        known: Known classes.
        rendered: Events of some of them.
        archive: N events.
        gps: (N,) times (s), NaN where unknown: such events are in one fold.
    """
    codes = np.asarray(rendered.events.mean, dtype=np.float64) @ known.whitener
    usable = np.isfinite(codes).all(axis=1)
    codes, unit = codes[usable], rendered.glitch[usable]
    labels = np.asarray(rendered.events.label, dtype=str)[usable]
    names, owners = np.unique(labels, return_inverse=True)
    first = known.joined(names.tolist(), codes, owners, unit)
    sample = first.sample_whitened(archive.codes, archive.episode, archive.bout)
    claims = known_only(sample).claims(sample)
    fold = _folds(gps)
    classes = []
    for j, name in enumerate(names):
        own = np.flatnonzero(claims[:, len(known.names) + j] > 0.5)
        classes.append(
            LocalClass(
                name=str(name),
                codes=codes[owners == j],
                unit=unit[owners == j],
                number=len(known.names) + j,
                whole=_fit(codes[owners == j], archive, own),
                moves=tuple(
                    _fit(codes[owners == j], archive, own[fold[own] != f]) for f in range(_FOLDS)
                ),
            )
        )
    moved = np.concatenate([own.whole.there(own.codes) for own in classes])
    local = known.joined(
        names.tolist(),
        moved,
        np.concatenate([np.full(len(own.codes), j) for j, own in enumerate(classes)]),
        np.concatenate([own.unit for own in classes]),
    )
    sample = local.sample_whitened(archive.codes, archive.episode, archive.bout)
    for own in classes:
        for f, move in enumerate(own.moves):
            here = np.flatnonzero(fold == f)
            points = own.whole.there(move.back(archive.codes[here])) @ local.axes
            finer = points.shape[1] * np.log(own.whole.width / move.width)
            for density, column in (
                (local.density, sample.log_known),
                (local.half, sample.log_half),
            ):
                column[here, own.number] = density.log_density_of(own.number, points) + finer
    return Local(known=local, archive=sample, classes=tuple(classes), fold=fold)


def _folds(gps: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) fold of each event among four stretches of time; blocks of noise stay whole."""
    block = np.where(np.isfinite(gps), gps // _BLOCK, -1.0)
    names, place = np.unique(block, return_inverse=True)
    return place * _FOLDS // len(names)


def _fit(codes: NDArray[np.float64], archive: Sample, rows: NDArray[np.int64]) -> Move:
    """Shift and scale between rendered and archived events of a class.

    Medians: a few events of something else hardly move them. Of the shift, what chance makes of so
    few events is taken off (James & Stein 1961).
    """
    centre = np.median(codes, axis=0)
    far = np.linalg.norm(archive.codes[rows] - centre, axis=1)
    rows = rows[far <= np.quantile(np.linalg.norm(codes - centre, axis=1), AMONG)]
    count = len(np.unique(archive.episode[rows]))
    if count < FEWEST:
        return Move(centre, np.zeros_like(centre), 1.0)
    own = archive.codes[rows]
    middle = np.median(own, axis=0)
    shift = middle - centre
    chance = np.pi / 2 * (own.var(axis=0).sum() / count + codes.var(axis=0).sum() / len(codes))
    length = float(np.linalg.norm(shift))
    sure = length * max(0.0, 1.0 - chance / max(length**2, 1e-12))
    shift = shift / max(length, 1e-12) * min(sure, FARTHEST)
    radii = [
        float(np.median(np.linalg.norm(part - where, axis=1)))
        for part, where in ((own, middle), (codes, centre))
    ]
    width = float(np.clip(radii[0] / max(radii[1], 1e-12), 1.0, WIDEST))
    return Move(centre, shift, width)
