"""Say how loud and how many a new class would have had to be for it to be found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._tables import Table, TableFile, print_table
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.checkpoint import Checkpoint
    from glitchvae.classes.prototypes import Prototypes
    from glitchvae.discovery import DiscoverySettings
    from glitchvae.discovery.efficiency import Trial
    from glitchvae.embedding import Embeddings

_PATH = click.Path(path_type=Path)
_HEADER = ("test", "class", "SNR", "events", "purity", "completeness", "p-value", "detected")


@click.command("challenge")
@click.argument("sources", nargs=-1, type=_PATH, metavar="[ARCHIVE|EMBEDDINGS|STRAIN]...")
@click.option("--class", "classes", multiple=True, metavar="NAME", help="Only this one; repeat.")
@click.option("--pairs", type=click.IntRange(min=0), default=10, show_default=True)
@click.option(
    "--snr",
    "snrs",
    type=float,
    multiple=True,
    default=(8.0, 12.0, 20.0, 40.0),
    show_default=True,
    help="Of injections, or lower ends of bands; repeat.",
)
@click.option(
    "--events",
    "populations",
    type=int,
    multiple=True,
    default=(10, 20, 50),
    show_default=True,
    help="How many of the new class; repeat.",
)
@click.option("--fewest", type=int, default=30, show_default=True, help="Events of a held class.")
@click.option("--model", metavar="NAME|DIR", help="Whose codes.")
@click.option("--imaging", default="gravity-spy", show_default=True, help="Of injections.")
@click.option(
    "--significance",
    type=float,
    default=0.05,
    show_default=True,
    help="False candidates to expect in a run.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-o", "--output", type=TableFile(), metavar="CSV", help="Every trial as a table.")
@DEVICE
def command(
    sources: tuple[Path, ...],
    classes: tuple[str, ...],
    pairs: int,
    snrs: tuple[float, ...],
    populations: tuple[int, ...],
    fewest: int,
    model: str | None,
    imaging: str,
    significance: float,
    seed: int,
    output: Path | None,
    device: str,
) -> None:
    """Say how loud and how many a new class would have had to be for it to be found.

    Takes classes from what is known, each one and pairs of them, and looks for their
    events in archives or files of embeddings. Where strain is given too, simulated shapes
    of classes that are taken from what is known are injected into it, and their codes added
    to the archive. Says what share is detected, with exact 90 % intervals, at a fixed number
    of false candidates. Labels say what events are; where there are none, the nearest known
    class.
    """
    import numpy as np

    from glitchvae.archive import archive_path, checkpoint_of, gather
    from glitchvae.config import parse
    from glitchvae.discovery import DiscoverySettings
    from glitchvae.discovery.efficiency import holdable_classes, known_classes, name_events
    from glitchvae.strain import is_strain

    options = {"significance": significance, "seed": seed, "bootstraps": 0}
    settings = parse(DiscoverySettings, options, where="options")
    strain = [path for path in sources if path.is_file() and is_strain(path)]
    others = [path for path in sources if path not in strain] or [archive_path()]
    events = gather(others, model=model and Path(model).name).events
    checkpoint, truth = checkpoint_of(events, model), name_events(events)
    prototypes, rng = known_classes(checkpoint), np.random.default_rng(seed)
    names = holdable_classes(truth, prototypes, classes, 0 if strain else fewest)
    rows: list[tuple[str, tuple[float, float], Trial]] = []
    if strain:
        injected = (snrs, populations, imaging, choose_device(device))
        rows += _inject(strain, events, checkpoint, names, settings, rng, *injected)
    else:
        rows += _hold_out(events, truth, prototypes, names, pairs, settings, rng)
        rows += _sweep(events, truth, prototypes, names, settings, rng, snrs, populations)
    _print(rows)
    if output is not None:
        from glitchvae.store import write_rows

        write_rows(output, _HEADER, [_cells(*row) for row in rows])


def _hold_out(
    events: Embeddings,
    truth: Any,
    prototypes: Prototypes,
    names: list[str],
    pairs: int,
    settings: DiscoverySettings,
    rng: Any,
) -> Iterator[tuple[str, tuple[float, float], Trial]]:
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
) -> Iterator[tuple[str, tuple[float, float], Trial]]:
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
    strain: list[Path],
    events: Embeddings,
    checkpoint: Checkpoint,
    names: list[str],
    settings: DiscoverySettings,
    rng: Any,
    snrs: Sequence[float],
    populations: Sequence[int],
    imaging: str,
    device: str,
) -> Iterator[tuple[str, tuple[float, float], Trial]]:
    from glitchvae.discovery.efficiency import inject, known_classes, look_for_injections
    from glitchvae.embedding import open_inputs
    from glitchvae.spectrogram import imaging_settings

    inputs = open_inputs(strain)
    if inputs.problems:
        raise inputs.problems[0]
    count = max(populations)
    with progress_of("injecting", len(names) * len(snrs) * count, "events") as report:
        for name in names:
            for snr in snrs:
                new = inject(
                    inputs.sources,
                    name,
                    [snr] * count,
                    checkpoint,
                    imaging_settings(imaging),
                    rng,
                    device=device,
                    progress=report,
                )
                for trial in look_for_injections(
                    events, new, known_classes(checkpoint), settings, populations
                ):
                    yield "injected", (snr, snr), trial


def _print(rows: list[tuple[str, tuple[float, float], Trial]]) -> None:

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
    )


def _spell(band: tuple[float, float]) -> str:
    low, high = band
    if low == high:
        return f"{low:g}"
    if high == float("inf"):
        return "all" if low == 0.0 else f"above {low:g}"
    return f"{low:g} to {high:g}"
