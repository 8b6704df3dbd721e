"""Injections of simulated glitches into the noise of an archive."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping

from glitchvae.discovery.noise import Place
from glitchvae.discovery.rendering import Cell, Renderer, places_of
from glitchvae.embedding import Embeddings
from glitchvae.errors import InputError


def inject(
    label: str,
    snr: float,
    count: int,
    renderer: Renderer,
    places: Mapping[Place, float],
    *,
    threshold: float,
) -> Embeddings:
    """Codes of injected glitches of one family, as far as the search finds them.

    Args:
        label: A class, or a shape in no catalogue: one of the renderer's families.
        snr: Of each one's loudest tile, in the noise that is there.
        count: Glitches to inject; the search may find fewer, or several triggers of one.
        renderer: Puts them into noise.
        places: Detectors and sample rates, and their weights.
        threshold: Of the search.

    Returns:
        The loudest trigger of each glitch that is found.

    Raises:
        InputError: no such family, none of the places can show it, or none is found.
    """
    if label not in renderer.families:
        raise InputError(
            f"no simulated family {label!r}", expected=", ".join(sorted(renderer.families))
        )
    lowest = renderer.families[label].lowest_rate
    if all(place.sample_rate < lowest for place in places):
        raise InputError(
            f"{label} is not visible at the sample rates of this noise",
            expected=f"strain of {lowest:g} Hz or more",
            found=", ".join(f"{place.ifo} {place.sample_rate:g} Hz" for place in places),
        )
    cells = {Cell(place, snr, snr): round(1000 * weight) for place, weight in places.items()}
    made = dataclasses.replace(renderer, count=count).render([label], cells, threshold)
    if made is None:
        raise InputError(
            f"no {label} of SNR {snr:g} is found in this noise",
            expected=f"some of {count} that a search from SNR {threshold:g} on finds",
            remedy="Try a higher --snr.",
        )
    loudest: dict[int, int] = {}
    for row, glitch in enumerate(made.glitch.tolist()):
        if glitch not in loudest or made.events.snr[row] > made.events.snr[loudest[glitch]]:
            loudest[glitch] = row
    return made.events.take(sorted(loudest.values()))


def weights_of(events: Embeddings, renderer: Renderer) -> dict[Place, float]:
    """Number of events of an archive by detector and sample rate.

    Raises:
        InputError: no event tells its detector.
    """
    counts = Counter(place for place in places_of(events, renderer.imaging) if place.ifo)
    if not counts:
        raise InputError("no event states its detector", expected="H1, L1, V1 or K1")
    return {place: count / counts.total() for place, count in sorted(counts.items())}
