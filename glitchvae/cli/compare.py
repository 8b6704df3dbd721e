"""Compare trained models: rate, distortion, ELBO, probe, metrics, size, speed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from glitchvae.cli._device import DEVICE, choose_device
from glitchvae.cli._manners import exit_status, note, tell_problem
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glitchvae.validation.comparison import GlitchSets, Line, MeasuredRun
    from glitchvae.validation.images.factors import FactorData

_PATH = click.Path(path_type=Path)
_DRAWN = ("dsprites", "chairs")


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=_PATH, metavar="RUN...")
@click.option(
    "--data",
    "sets",
    multiple=True,
    metavar="SET|dsprites|chairs",
    help="Measure all models on these images: a set of images of glitches (again for more), the "
    "published file of dSprites, or dsprites or chairs as they are drawn. Without, the numbers "
    "are those of each log.",
)
@click.option(
    "--metric",
    "names",
    multiple=True,
    metavar="NAME",
    help="Measure this instead of all six, where images have factors: as of `glitchvae validate "
    "dsprites`; again for more.",
)
@click.option(
    "--points",
    type=click.IntRange(min=100),
    default=10_000,
    show_default=True,
    help="Images with factors that are encoded, drawn at random.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@DEVICE
@click.option("-o", "--output", type=_PATH, metavar="DIR", help="Tables and a picture.")
def command(
    runs: tuple[Path, ...],
    sets: tuple[str, ...],
    names: tuple[str, ...],
    points: int,
    seed: int,
    device: str,
    output: Path | None,
) -> None:
    """Put trained models side by side: rate, distortion, ELBO, probe, metrics, size, speed.

    RUN is the folder of a model, or one of such folders. Models whose settings differ in the seed
    alone are one line, with the mean and its 90 % interval over seeds. With --data there is UDR,
    too, which ranks models without factors: how far the trainings of a line agree on their
    dimensions.
    """
    from glitchvae.errors import GlitchvaeError
    from glitchvae.validation.comparison import find_runs, line_up, measure_run, write_comparison
    from glitchvae.validation.disentanglement import METRICS, find_metric

    metrics = tuple(map(find_metric, names)) or METRICS
    data = _read(sets, points, seed)
    target = choose_device(device)
    folders: list[Path] = []
    problems = 0
    for run in runs:
        try:
            folders += find_runs([run])
        except GlitchvaeError as error:
            tell_problem(error)
            problems += 1
    found: list[MeasuredRun] = []
    with progress_of("measuring", len(folders), "models") as advance:
        for folder in dict.fromkeys(folders):
            try:
                found.append(measure_run(folder, data, metrics=metrics, seed=seed, device=target))
            except GlitchvaeError as error:
                tell_problem(error)
                problems += 1
            advance(1)
    if found:
        lines = line_up(found)
        _print(lines, found)
        if output is not None:
            write_comparison(output, lines)
            _draw(lines, output / "compare.png")
            click.echo(output)
    if problems:
        raise Exit(exit_status(problems, len(found)))


def _read(sets: tuple[str, ...], points: int, seed: int) -> FactorData | GlitchSets | None:
    """Images with factors, or sets of glitches; None if neither is asked for."""
    import numpy as np

    from glitchvae.dataset import is_image_set
    from glitchvae.validation.comparison import GlitchSets
    from glitchvae.validation.images.chairs import draw_chairs
    from glitchvae.validation.images.dsprites import draw_dsprites, read_dsprites

    if not sets:
        return None
    if all(name not in _DRAWN and is_image_set(name) for name in sets):
        return GlitchSets(sets)
    if len(sets) > 1:
        raise click.UsageError("--data can be repeated for sets of images of glitches only.")
    name = next(iter(sets))
    if name in _DRAWN:
        data = draw_dsprites() if name == "dsprites" else draw_chairs()
    else:
        data = read_dsprites(name)
    return data.sample(points, np.random.default_rng(seed))


def _print(lines: Sequence[Line], runs: Sequence[MeasuredRun]) -> None:
    from glitchvae.cli._tables import Table, print_table
    from glitchvae.validation.comparison import measures_of

    places = dict.fromkeys(run.measured_on for run in runs)
    note(f"rate, distortion and ELBO in nats, of {'; '.join(places)}")
    if len(places) > 1:
        note("they are not of the same images: give --data to compare them")
    if len({line.runs[0].settings.get("model.likelihood") for line in lines}) > 1:
        note("distortion and ELBO of different likelihoods of the pixels cannot be compared")
    names = measures_of(lines)
    table = Table("settings", "runs", *names)
    for line in lines:
        table.add_row(line.name, len(line.runs), *(line.measures.get(name) for name in names))
    print_table(table)


def _draw(lines: Sequence[Line], path: Path) -> None:
    """A panel for each number in which the trainings differ."""
    from glitchvae.plots.comparison import comparison

    runs = [run.measures for line in lines for run in line.runs]
    alike = {name for name in runs[0] if len({run.get(name) for run in runs}) == 1}
    if alike == {name for run in runs for name in run}:  # as of a single training
        alike = set()
    drawn = {
        line.name: {
            name: ([run.measures[name] for run in line.runs if name in run.measures], estimate)
            for name, estimate in line.measures.items()
            if name not in alike
        }
        for line in lines
    }
    comparison(drawn, path, title=lines[0].runs[0].measured_on)
