"""Assignment of events to the groups of the page, colours, and choice of events to draw."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glitchvae.discovery import Discovery

UNEXPLAINED = "in no group"
"""Events that no class explains and that form no candidate."""

_STRONG = (
    "#d1495b",
    "#00798c",
    "#e08e1b",
    "#6a4c93",
    "#2f8f4e",
    "#b5179e",
    "#1d4e89",
    "#8a5a2b",
)
_GREY = "#9aa3af"
_FEWEST = 30  # events drawn of a group, however small its share


@dataclass(frozen=True, kw_only=True)
class Group:
    """A candidate, a displaced known class, a known class, or the remaining events.

    Attributes:
        name: As it is shown.
        kind: "candidate", "displaced", "known" or "rest".
        colour: Of its points.
        rows: Of the embeddings.
    """

    name: str
    kind: str
    colour: str
    rows: NDArray[np.int64]


def groups_of(discovery: Discovery) -> tuple[Group, ...]:
    """Candidates, displaced and known classes, and the remaining events."""
    groups = [
        Group(
            name=c.name,
            kind="candidate" if i < len(discovery.candidates) else "displaced",
            colour=_STRONG[i % len(_STRONG)],
            rows=c.members,
        )
        for i, c in enumerate(discovery.groups)
    ]
    taken = np.zeros(len(discovery.embeddings), dtype=bool)
    for group in groups:
        taken[group.rows] = True
    for number, known in enumerate(discovery.known):
        rows = known.members[~taken[known.members]]
        groups.append(Group(name=known.name, kind="known", colour=_soft(number), rows=rows))
        taken[rows] = True
    rest = np.flatnonzero(np.isfinite(discovery.embeddings.mean).all(axis=1) & ~taken)
    if len(rest):
        groups.append(Group(name=UNEXPLAINED, kind="rest", colour=_GREY, rows=rest))
    return tuple(groups)


def sample(groups: Sequence[Group], limit: int, seed: int) -> NDArray[np.int64]:
    """Choose at most about `limit` rows, in proportion to groups; small groups are kept whole.

    Args:
        groups: What to draw from.
        limit: Most rows; a little more where there are many small groups.
        seed: Of the choice.
    """
    total = sum(len(group.rows) for group in groups)
    if total <= limit:
        return np.sort(np.concatenate([np.empty(0, np.int64), *(g.rows for g in groups)]))
    rng = np.random.default_rng(seed)
    chosen = []
    for group in groups:
        count = min(len(group.rows), max(_FEWEST, limit * len(group.rows) // total))
        chosen.append(rng.choice(group.rows, count, replace=False))
    return np.sort(np.concatenate(chosen))


def _soft(number: int) -> str:
    """Pale colours in an order in which neighbours differ much."""
    hue = (0.58 + number * 0.381966) % 1.0
    lightness = (0.66, 0.74, 0.58)[number % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.42)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
