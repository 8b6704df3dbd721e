"""Ask of strain that holds no new class whether discovery finds one, and what it finds of new ones.

Three questions with the same strain and the same settings, at each threshold of the search. Of the
strain as it is: no candidate is wanted. With events of a shape that nobody trained on put into it:
a candidate is wanted that is mostly theirs. And with known glitches put into it, too, of the class
that most of the new ones are named, so many that the new ones are a certain share of what goes by
that name: the same. A group that is called a known class, displaced, counts as missed.
"""

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae import embed
from glitchvae.archive import Gathered, gather
from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.discovery import DiscoverySettings, discover
from glitchvae.discovery.efficiency import (
    Trial,
    inject,
    known_classes,
    look_for_injections,
    weights_of,
)
from glitchvae.embedding import Embeddings, name_classes
from glitchvae.errors import InputError
from glitchvae.recipes import find_files
from glitchvae.report.discovering import live_time, renderer_of
from glitchvae.simulate import FAMILIES, UNCATALOGUED, Family, simulate_strain
from glitchvae.simulate.family import any_phase, around, clock, oscillation, sine_gaussian
from glitchvae.store import write_rows
from glitchvae.strain import write_gwosc

FEWEST = 10  # events of a new shape under one name, for the question of its share
FOUND = ("threshold", "group", "verdict", "p-value", "events", "detectors", "named", "why")
TRIED = ("threshold", "question", "shape", *Trial.__dataclass_fields__)


class DiscoveryOnStrainSettings(Settings):
    """Keys of `discovery_on_strain.toml`."""

    strain: tuple[str, ...]
    model: str = "default"
    imaging: str = "gravity-spy"
    snrs: tuple[float, ...] = (7.5, 6.0, 5.5)
    shapes: tuple[str, ...] = ()
    events: int = 30
    loudness: float = 12.0
    share: float = 0.3
    seed: int = 0
    search: DiscoverySettings = DiscoverySettings()


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Embed, look, inject, look again."""
    settings = read_config(DiscoveryOnStrainSettings, config)
    if tiny:
        search = settings.search.model_copy(update={"rendered": 6, "min_events": 4})
        brief = {"snrs": settings.snrs[:1], "shapes": ("Vee",), "events": 12, "share": 0.8}
        settings = settings.model_copy(update={**brief, "imaging": "light", "search": search})
    checkpoint = load_checkpoint(settings.model)
    files = [simulated(out)] if tiny else [str(p) for p in find_files(settings.strain, config)]
    events = embed(
        files,
        snr=min(settings.snrs),
        model=settings.model,
        imaging=settings.imaging,
        archive=out / "archive",
        uncertainty=False,
        progress=True,
    )
    for problem in events.problems:
        print(f"left out: {problem}", file=sys.stderr)
    gathered = gather([out / "archive"], model=settings.model and Path(settings.model).name)
    table(out, "as_it_is", FOUND, as_it_is(gathered, checkpoint, settings))
    each = (injected(gathered, checkpoint, settings, snr) for snr in settings.snrs)
    rows = table(out, "injected", TRIED, chain.from_iterable(each))
    summary = (
        (snr, question, sum(part), len(part))
        for snr in settings.snrs
        for question in ("alone", "share")
        if (part := [row[-1] for row in found_in(rows) if row[:2] == (snr, question)])
    )
    table(out, "found", ("threshold", "question", "found", "of"), summary)


def simulated(out: Path) -> str:
    """A file of simulated strain with known glitches, for a rehearsal."""
    path = out / "L-L1_SIMULATED-1238166018-160.hdf5"
    if not path.exists():
        strain, _ = simulate_strain(
            duration=160.0, sample_rate=2048.0, ifo="L1", glitches=24, seed=3
        )
        out.mkdir(parents=True, exist_ok=True)
        write_gwosc(path, strain)
    return str(path)


def found_in(rows: Iterable[tuple]) -> Iterator[tuple]:
    """Threshold, question and whether a candidate is mostly of the shape."""
    purity = TRIED.index("purity")
    yield from ((*row[:2], row[purity] >= 0.5) for row in rows)


def as_it_is(
    gathered: Gathered, checkpoint: Checkpoint, settings: DiscoveryOnStrainSettings
) -> Iterator[tuple]:
    """Groups of the strain as it is."""
    prototypes = known_classes(checkpoint)
    for snr in settings.snrs:
        events = above(gathered, checkpoint, snr)
        search = settings.search.model_copy(update={"bootstraps": 0, "seed": settings.seed})
        renderer = renderer_of(gathered, checkpoint, search)
        found = discover(events, prototypes, search, renderer=renderer)
        for group in found.groups:
            p_value = float(f"{group.p_value:.2g}")
            detectors, named = (
                " ".join(f"{k} {n}" for k, n in Counter(column[group.members]).most_common(4))
                for column in (events.ifo, events.class_name)
            )
            counts = (len(group.members), detectors, named)
            yield snr, group.name, group.verdict, p_value, *counts, group.reason
        if not found.candidates:
            yield snr, "no candidate", "", "", len(events), "", "", ""


def injected(
    gathered: Gathered, checkpoint: Checkpoint, settings: DiscoveryOnStrainSettings, snr: float
) -> Iterator[tuple]:
    """Each shape among the events, alone and as a share of what it is named."""
    events = above(gathered, checkpoint, snr)
    search = settings.search.model_copy(update={"seed": settings.seed})
    renderer = renderer_of(gathered, checkpoint, search.model_copy(update={"rendered": 1}))
    if renderer is None:
        raise InputError("the events do not tell how their images were made")
    renderer = dataclasses.replace(renderer, count=search.rendered)
    prototypes, places = known_classes(checkpoint), weights_of(events, renderer)
    # What is put in is no event that the search renders: of another seed.
    other = dataclasses.replace(
        renderer, seed=settings.seed + 1000, families={**FAMILIES, **SHAPES, **UNCATALOGUED}
    )

    def put(label: str, count: int) -> Embeddings:
        made = inject(label, settings.loudness, count, other, places, threshold=snr)
        return name_classes(made, prototypes)

    live = live_time([archive.ledger() for archive in gathered.archives])
    seconds = sum(float(abs(stretches)) for stretches in live.values())
    look = {"renderer": renderer if search.rendered else None, "seconds": seconds}
    for shape in settings.shapes or (*SHAPES, *UNCATALOGUED):
        new = put(shape, settings.events + settings.events // 3)
        count = min(settings.events, len(new))
        for trial in look_for_injections(events, new, prototypes, search, [count], **look):
            yield snr, "alone", shape, *vars(trial).values()
        mixed = masked(new, events, put, settings.share) if settings.share else None
        if mixed is None:
            continue
        both, own = mixed
        for trial in look_for_injections(both, own, prototypes, search, [len(own)], **look):
            yield snr, "share", shape, *vars(trial).values()


def masked(
    new: Embeddings, events: Embeddings, put: Callable[[str, int], Embeddings], share: float
) -> tuple[Embeddings, Embeddings] | None:
    """The archive with known glitches of one name, and the new ones that bear it, a given share.

    Returns:
        None where few of the new ones have one name, or where that is no class that is simulated.
    """
    names = Counter(name for name in new.class_name if name in FAMILIES)
    for name, count in names.most_common(1):
        if count < FEWEST:
            return None
        wanted = round(count * (1 - share) / share) - int((events.class_name == name).sum())
        own = new.take(new.class_name == name)
        if wanted <= 0:
            return events, own
        known = put(name, 2 * wanted)
        known = known.take(np.flatnonzero(known.class_name == name)[:wanted])
        apart = dataclasses.replace(known, label=None)  # the archive does not know what it is
        bare = dataclasses.replace(events, label=None)
        return Embeddings.join([bare, apart]), own
    return None


def above(gathered: Gathered, checkpoint: Checkpoint, snr: float) -> Embeddings:
    """Events from a threshold on, named by the model."""
    events = name_classes(gathered.events, known_classes(checkpoint))
    return events.take(np.flatnonzero(events.snr >= snr))


def table(out: Path, name: str, header: tuple, rows: Iterable[tuple]) -> list[tuple]:
    """Print and write rows, and give them back."""
    print(name, " | ".join(header), sep="\n", flush=True)
    kept = []
    for row in rows:
        print(" | ".join(map(str, row)), flush=True)
        kept.append(row)
    write_rows(out / f"{name}.csv", header, kept)
    return kept


def shape_of(label: str, description: str, draw: Callable, wave: Callable) -> Family:
    """A family of whitened strain, of 2 s either side."""

    def shape(own: dict[str, Any], rate: float) -> tuple[NDArray, NDArray]:
        times = clock(2.0, rate)
        return times, wave(times, own)

    return Family(
        label=label,
        description=description,
        source="Made up for this recipe.",
        frame="whitened",
        draw_shape=lambda rng: {"snr": 12.0, "phase": any_phase(rng), **draw(rng)},
        shape=shape,
    )


def bump(times: NDArray, width: float) -> NDArray:
    """A Gaussian about zero."""
    return np.exp(-0.5 * (times / width) ** 2)


def _steps(times: NDArray, own: dict[str, Any]) -> NDArray:
    track = own["f"] * 1.5 ** np.clip(np.floor((times + 0.45) / 0.3), 0, 2)
    inside = np.clip((0.45 - np.abs(times)) / 0.03, 0.0, 1.0)
    return oscillation(times, track, inside, own["phase"])


def _bounces(times: NDArray, own: dict[str, Any]) -> NDArray:
    at = -0.6 + np.cumsum([0.0, *(own["first"] * 0.75**n for n in range(6))])
    return np.sum([sine_gaussian(times, t, own["f"], 0.012, own["phase"]) for t in at], axis=0)


def _bell(times: NDArray, own: dict[str, Any]) -> NDArray:
    ring = np.where(times >= 0, np.exp(-np.maximum(times, 0) / own["tau"]), 0.0)
    tones = [np.cos(2 * np.pi * own["f"] * k * times + own["phase"]) for k in (1.0, 2.4, 3.9)]
    return ring * np.clip(times / 0.01, 0.0, 1.0) * np.sum(tones, axis=0)


SHAPES = {
    family.label: family
    for family in (
        shape_of(
            "Vee",
            "A tone that falls and rises again.",
            lambda rng: {"f": around(rng, 60.0, 0.1), "rise": around(rng, 500.0, 0.1)},
            lambda t, p: oscillation(t, p["f"] + p["rise"] * np.abs(t), bump(t, 0.22), p["phase"]),
        ),
        shape_of(
            "Fall",
            "A tone that falls, steeply at first.",
            lambda rng: {"f": around(rng, 300.0, 0.1)},
            lambda t, p: oscillation(
                t, p["f"] * np.exp(-2.5 * (t + 0.3)), bump(t, 0.2), p["phase"]
            ),
        ),
        shape_of(
            "Warble",
            "A tone that swings around its frequency five times a second.",
            lambda rng: {"f": around(rng, 150.0, 0.1), "swing": around(rng, 60.0, 0.1)},
            lambda t, p: oscillation(
                t, p["f"] + p["swing"] * np.sin(10 * np.pi * t), bump(t, 0.3), p["phase"]
            ),
        ),
        shape_of(
            "Cross",
            "Two tones that cross, one falling, one rising.",
            lambda rng: {"f": around(rng, 180.0, 0.1), "slope": around(rng, 250.0, 0.1)},
            lambda t, p: sum(
                oscillation(t, p["f"] + way * p["slope"] * t, bump(t, 0.2), p["phase"])
                for way in (-1, 1)
            ),
        ),
        shape_of(
            "Stairs",
            "A tone that leaps up twice.",
            lambda rng: {"f": around(rng, 70.0, 0.1)},
            _steps,
        ),
        shape_of(
            "Bounces",
            "Seven short pulses, each sooner after the last.",
            lambda rng: {"f": around(rng, 120.0, 0.1), "first": around(rng, 0.35, 0.05)},
            _bounces,
        ),
        shape_of(
            "Bell",
            "Three tones that begin at once and die away.",
            lambda rng: {"f": around(rng, 75.0, 0.06), "tau": around(rng, 0.2, 0.1)},
            _bell,
        ),
        shape_of(
            "Beats",
            "Two near tones that beat.",
            lambda rng: {"f": around(rng, 250.0, 0.06), "apart": around(rng, 8.0, 0.05)},
            lambda t, p: (
                bump(t, 0.35)
                * np.cos(np.pi * p["apart"] * t)
                * np.cos(2 * np.pi * p["f"] * t + p["phase"])
            ),
        ),
        shape_of(
            "Fork",
            "One tone that parts into two.",
            lambda rng: {"f": around(rng, 130.0, 0.1), "slope": around(rng, 300.0, 0.1)},
            lambda t, p: sum(
                oscillation(
                    t, p["f"] + way * p["slope"] * np.maximum(t, 0), bump(t, 0.2), p["phase"]
                )
                for way in (-0.3, 1)
            ),
        ),
    )
}
"""Nine shapes; with the uncatalogued one of the package there are ten."""
