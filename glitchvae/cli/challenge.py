"""Measure the detection efficiency for unknown classes versus SNR and event count."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import rich_click as click

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._tables import Table, TableFile, print_table
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.archive import Gathered
    from glitchvae.checkpoint import Checkpoint
    from glitchvae.classes.prototypes import Prototypes
    from glitchvae.discovery import DiscoverySettings
    from glitchvae.discovery.efficiency import Trial
    from glitchvae.discovery.noise import Place
    from glitchvae.discovery.rendering import Renderer
    from glitchvae.embedding import Embeddings
    from glitchvae.simulate import Family

    Row = tuple[str, tuple[float, float], Trial]

_PATH = click.Path(path_type=Path)
_HEADER = (
    "test",
    "class",
    "SNR",
    "events",
    "purity",
    "completeness",
    "p-value",
    "detected",
    "false",
    "displaced",
)


class Injections(NamedTuple):
    """Families, SNRs and numbers of injections, the number of runs, and the strain."""

    families: tuple[str, ...]
    own: Mapping[str, Family]
    snrs: tuple[float, ...]
    populations: tuple[int, ...]
    trials: int
    strain: list[Path]
    imaging: str | None


@click.command("challenge")
@click.argument("sources", nargs=-1, type=_PATH, metavar="[ARCHIVE|EMBEDDINGS|STRAIN]...")
@click.option(
    "--family",
    "families",
    multiple=True,
    metavar="NAME",
    help="Simulated family to inject: a class, a shape in no catalogue, or your own as "
    "module:FAMILY with --import. Repeatable.",
)
@click.option(
    "--waveform",
    "waveforms",
    multiple=True,
    type=_PATH,
    metavar="FILE",
    help="Text file of a waveform to inject, with columns time (s) and strain. Repeatable.",
)
@click.option(
    "--class", "classes", multiple=True, metavar="NAME", help="Known class to hold out. Repeatable."
)
@click.option(
    "--pairs",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Number of pairs of classes that are held out together.",
)
@click.option(
    "--snr",
    "snrs",
    type=click.FloatRange(min=1.0, min_open=True),
    multiple=True,
    default=(8.0, 12.0, 20.0, 40.0),
    show_default=True,
    help="SNR of injections, or lower edge of an SNR band of held-out events. Repeatable.",
)
@click.option(
    "--events",
    "populations",
    type=click.IntRange(min=1),
    multiple=True,
    default=(10, 20, 50),
    show_default=True,
    help="Number of events of the new class. Repeatable.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Number of runs for each class, SNR and number of events, with different random numbers.",
)
@click.option(
    "--rendered",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Number of glitches of each known class that are simulated in the archive's noise "
    "to recognise displaced classes; 0 for none.",
)
@click.option(
    "--fewest",
    type=int,
    default=30,
    show_default=True,
    help="Minimum number of events of a class that is held out.",
)
@click.option("--model", metavar="NAME|DIR", help="Model whose codes are used.")
@click.option(
    "--imaging", metavar="NAME", help="Imaging settings, for events whose file does not state them."
)
@click.option(
    "--significance",
    type=float,
    default=0.05,
    show_default=True,
    help="Expected number of false candidates in a run.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random numbers.")
@click.option(
    "-o", "--output", type=TableFile(), metavar="CSV", help="CSV file to write every trial to."
)
@click.option(
    "--picture",
    type=_PATH,
    metavar="PNG",
    help="PNG file for a picture of detection efficiency versus SNR and number of events.",
)
@DEVICE
def command(
    sources: tuple[Path, ...],
    families: tuple[str, ...],
    waveforms: tuple[Path, ...],
    classes: tuple[str, ...],
    pairs: int,
    snrs: tuple[float, ...],
    populations: tuple[int, ...],
    trials: int,
    rendered: int,
    fewest: int,
    model: str | None,
    imaging: str | None,
    significance: float,
    seed: int,
    output: Path | None,
    picture: Path | None,
    device: str,
) -> None:
    """Measure the detection efficiency for unknown classes versus SNR and event count.

    Injections: simulated glitches are added to noise of the archive's strain, found and encoded as
    by `embed`, added to the archive, and searched for as by `discover-new-classes`. If a family is
    a known class, that class is first removed from the known ones. Strain given as an argument
    provides the noise instead; if no strain is found, noise is simulated with the detector's curve.

    Hold-out: known classes, or pairs of them, are removed from the known ones and searched for in
    the archive. These are the classes of --class; without --class, --family and --waveform all
    classes with enough events. The class of an event is its label, else its nearest known class.

    The output is the fraction of runs that detect the class, with exact 90 % intervals, at a fixed
    expected number of false candidates. A group that is reported as a displaced known class counts
    as missed.
    """
    import numpy as np

    from glitchvae.archive import archive_path, checkpoint_of, gather
    from glitchvae.config import parse
    from glitchvae.discovery import DiscoverySettings
    from glitchvae.discovery.comparing import FEWEST_EVENTS, comparable_rows
    from glitchvae.discovery.efficiency import known_classes, name_events
    from glitchvae.errors import InputError
    from glitchvae.simulate import family_of
    from glitchvae.simulate.waveforms import read_waveform
    from glitchvae.strain import is_strain

    options = {"significance": significance, "seed": seed, "bootstraps": 0, "rendered": rendered}
    settings = parse(DiscoverySettings, options, where="options")
    strain = [path for path in sources if path.is_file() and is_strain(path)]
    others = [path for path in sources if path not in strain] or [archive_path()]
    gathered = gather(others, model=model and Path(model).name)
    checkpoint, truth = checkpoint_of(gathered.events, model), name_events(gathered.events)
    prototypes, rng = known_classes(checkpoint), np.random.default_rng(seed)
    if (count := len(comparable_rows(gathered.events, prototypes))) < FEWEST_EVENTS:
        raise InputError(
            "there are too few events for a search for groups",
            expected=f"at least {FEWEST_EVENTS} events with a code",
            found=count,
            remedy="Embed more strain first.",
        )
    shapes = [*map(family_of, families), *map(read_waveform, waveforms)]
    own = {family.label: family for family in shapes}
    wanted = [*own, *(classes if strain else ())]
    named = bool(wanted or classes)
    held = _held(truth, prototypes, () if strain else classes, fewest, named=bool(wanted))
    rows: list[Row] = []
    if held:
        rows += _hold_out(gathered.events, truth, prototypes, held, pairs, settings, rng)
        rows += _sweep(gathered.events, truth, prototypes, held, settings, rng, snrs, populations)
    if wanted or not named:
        rows += _inject(
            gathered,
            checkpoint,
            Injections(tuple(wanted), own, snrs, populations, trials, strain, imaging),
            settings,
            choose_device(device),
        )
    _print(rows)
    if output is not None:
        from glitchvae.store import write_rows

        write_rows(output, _HEADER, [_cells(*row) for row in rows])
    if picture is not None:
        _draw(rows, picture)


def _held(
    truth: Any, prototypes: Prototypes, classes: tuple[str, ...], fewest: int, *, named: bool
) -> list[str]:
    """Classes to hold out: the named ones, or all that have enough events."""
    from glitchvae.discovery.efficiency import holdable_classes
    from glitchvae.errors import InputError

    if named and not classes:
        return []
    try:
        return holdable_classes(truth, prototypes, classes, fewest)
    except InputError as error:
        if classes:
            raise
        click.echo(f"no class is held out: {error}", err=True)
        return []


def _hold_out(
    events: Embeddings,
    truth: Any,
    prototypes: Prototypes,
    names: list[str],
    pairs: int,
    settings: DiscoverySettings,
    rng: Any,
) -> Iterator[Row]:
    from glitchvae.discovery.efficiency import hold_out, without

    both = list(combinations(names, 2))
    drawn = [both[n] for n in rng.permutation(len(both))[:pairs]]
    cases = [*((name,) for name in names), *drawn]
    with progress_of("holding out", len(cases), "cases") as report:
        for held in cases:
            rest = without(prototypes, held, seed=settings.seed)
            for trial in hold_out(events, truth, rest, held, settings):
                yield "one" if len(held) == 1 else "pair", (0.0, float("inf")), trial
            report(1)


def _sweep(
    events: Embeddings,
    truth: Any,
    prototypes: Prototypes,
    names: list[str],
    settings: DiscoverySettings,
    rng: Any,
    snrs: Sequence[float],
    populations: Sequence[int],
) -> Iterator[Row]:
    from glitchvae.discovery.efficiency import sweep

    edges = sorted(snrs)
    bands = list(zip(edges, [*edges[1:], float("inf")], strict=True))
    with progress_of("thinning out", len(names) * len(bands) * len(populations), "cases") as report:
        for band, _, trial in sweep(
            events,
            truth,
            prototypes,
            names,
            settings,
            rng,
            bands=bands,
            populations=populations,
        ):
            report(1)
            yield "number", band, trial


def _inject(
    gathered: Gathered,
    checkpoint: Checkpoint,
    asked: Injections,
    settings: DiscoverySettings,
    device: str,
) -> Iterator[Row]:
    from glitchvae.discovery.displacement import threshold_of
    from glitchvae.discovery.efficiency import known_classes, look_for_injections
    from glitchvae.errors import InputError
    from glitchvae.report.discovering import live_time
    from glitchvae.simulate import UNCATALOGUED

    try:
        renderer, noise, places = _noise(gathered, checkpoint, asked, settings, device)
    except InputError as error:
        if asked.families:
            raise
        click.echo(str(error), err=True)
        return
    families = asked.families or tuple(UNCATALOGUED)
    cells = len(asked.snrs) * len(asked.populations) * asked.trials
    threshold = threshold_of(gathered.events)
    live = live_time([archive.ledger() for archive in gathered.archives])
    seconds = sum(float(abs(stretches)) for stretches in live.values()) or math.inf
    with progress_of("injecting", len(families) * cells, "runs") as report:
        for name, snr in product(families, asked.snrs):
            new = _injected(name, snr, max(asked.populations), noise, places, threshold)
            trials = look_for_injections(
                gathered.events,
                new,
                known_classes(checkpoint),
                settings,
                asked.populations,
                renderer=renderer if settings.rendered else None,
                trials=asked.trials,
                seconds=seconds,
            )
            for trial in trials:
                report(1)
                yield "injected", (snr, snr), trial


def _noise(
    gathered: Gathered,
    checkpoint: Checkpoint,
    asked: Injections,
    settings: DiscoverySettings,
    device: str,
) -> tuple[Renderer, Renderer, Mapping[Place, float]]:
    """Renderers of known classes and of injections, and the places of injections."""
    from dataclasses import replace

    from glitchvae.discovery.efficiency import weights_of
    from glitchvae.discovery.noise import noise_in
    from glitchvae.embedding import open_inputs
    from glitchvae.errors import InputError
    from glitchvae.report.discovering import renderer_of
    from glitchvae.spectrogram import imaging_settings

    if asked.imaging is not None and not gathered.events.imaging:
        known = imaging_settings(asked.imaging).model_dump(mode="json")
        gathered = replace(gathered, events=replace(gathered.events, imaging=known))
    some = settings.model_copy(update={"rendered": max(settings.rendered, 1)})
    renderer = renderer_of(gathered, checkpoint, some, device=device)
    if renderer is None:
        raise InputError(
            "nothing can be injected, because the events do not state their imaging settings",
            remedy="Name the settings with --imaging.",
        )
    injecting = replace(renderer, families={**renderer.families, **asked.own})
    if not asked.strain:
        return renderer, injecting, weights_of(gathered.events, renderer)
    inputs = open_inputs(asked.strain)
    if inputs.problems:
        raise inputs.problems[0]
    noise, places = noise_in(inputs.sources)
    return renderer, replace(injecting, noise=noise), places


def _injected(
    name: str,
    snr: float,
    count: int,
    renderer: Renderer,
    places: Mapping[Place, float],
    threshold: float,
) -> Embeddings:
    """Injections that the search finds; a message if it finds too few."""
    from glitchvae.discovery.efficiency import inject

    new = inject(name, snr, count, renderer, places, threshold=threshold)
    if len(new) < count:
        click.echo(f"{name} of SNR {snr:g}: the search finds {len(new)} of {count}", err=True)
    return new


def _draw(rows: Sequence[Row], path: Path) -> None:
    """Draw efficiency against SNR, a curve for each number of events."""
    import numpy as np

    from glitchvae.discovery.efficiency import efficiency_of
    from glitchvae.errors import InputError
    from glitchvae.plots import Curve, curves

    groups: dict[int, dict[tuple[float, float], list[Trial]]] = {}
    shown = "injected" if any(test == "injected" for test, _, _ in rows) else "number"
    for test, band, trial in rows:
        if test == shown:
            groups.setdefault(trial.members, {}).setdefault(band, []).append(trial)
    if not groups:
        raise InputError("nothing to draw", where=path, found="no trial by SNR and number")
    lines = {}
    for population, bands in sorted(groups.items()):
        found = [efficiency_of(band, population, bands[band]) for band in sorted(bands)]
        low, high = np.array([one.interval for one in found]).T
        lines[f"{population} events"] = Curve(
            np.array([one.snr[0] for one in found]),
            np.array([one.share for one in found]),
            low,
            high,
        )
    curves(
        lines,
        path,
        xlabel="SNR of the new class" if shown == "injected" else "SNR from which on",
        ylabel="share of runs that find it, exact 90 %",
        xscale="log",
        title=", ".join(sorted({t.name for test, _, t in rows if test == shown})),
    )


def _print(rows: Sequence[Row]) -> None:

    from glitchvae.discovery.efficiency import efficiency_of

    cases = Table(
        "class", "held out", "events", "purity|.2f", "completeness|.2f", "p-value|.1g", "false"
    )
    for test, _, t in rows:
        if test in ("one", "pair"):
            cases.add_row(
                t.name,
                ", ".join(t.held),
                t.members,
                t.purity,
                t.completeness,
                t.p_value,
                t.false,
            )
    if cases.rows:
        print_table(cases)
    groups: dict[tuple[str, tuple[float, float], int], list[Trial]] = {}
    for test, band, trial in rows:
        population = 0 if test in ("one", "pair") else trial.members
        groups.setdefault((test, band, population), []).append(trial)
    shares = Table(
        "test", "SNR", "events", "detected", "of", "share|.2f", "90 % from|.2f", "to|.2f"
    )
    for (test, band, population), trials in groups.items():
        found = efficiency_of(band, population, trials)
        low, high = found.interval
        shares.add_row(
            test,
            _spell(band),
            population or "all",
            found.detected,
            found.trials,
            found.share,
            low,
            high,
        )
    print_table(shares)


def _cells(test: str, band: tuple[float, float], trial: Trial) -> tuple[Any, ...]:
    return (
        test,
        trial.name,
        _spell(band),
        trial.members,
        trial.purity,
        trial.completeness,
        trial.p_value,
        trial.detected,
        trial.false,
        trial.displaced,
    )


def _spell(band: tuple[float, float]) -> str:
    low, high = band
    if low == high:
        return f"{low:g}"
    if high == float("inf"):
        return "all" if low == 0.0 else f"above {low:g}"
    return f"{low:g} to {high:g}"
