"""The study behind Table 2, whole or reduced: its cells, then tables, figures and claims."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.plots.traversals import draw_factor_traversals
from glitchvae.progress import Progress
from glitchvae.statistics import Claim, claims_markdown
from glitchvae.store import replacing, write_rows
from glitchvae.validation.disentanglement import Score
from glitchvae.validation.disentanglement.encoding import encode
from glitchvae.validation.images.factors import FactorData

from . import figures
from .page import write_page
from .table2 import (
    FIGURE_2,
    Cell,
    Result,
    StudySettings,
    done_in,
    enter,
    failure_of,
    groups_of,
    is_done,
    points_of,
    read_results,
    score_cell,
    train_cells,
)
from .verdicts import (
    Line,
    Rank,
    judge_claims,
    kl_over_training,
    order_of_opening,
    published_values,
    ranks,
    summarise,
)


def run_study(
    settings: StudySettings,
    data: FactorData,
    out: Path,
    *,
    published: Mapping[str, Mapping[str, float]] | None = None,
    device: str = "cpu",
    progress: Progress = lambda _: None,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Claim, ...]:
    """Every cell that is not done yet, then the results of all that are.

    Args:
        settings: How much is done.
        data: dSprites, as large as the models' images will be.
        out: Folder of the study; a study that was stopped goes on there.
        published: Values to compare with in place of the paper's, by row and metric.
        device: Where to train.
        progress: Told of updates, `settings.models * settings.steps` in all.
        report: Told of every model that is done, with how long the rest will take, and of
            those that failed.

    Raises:
        InputError: the folder holds a study of other settings, or a published value is of no
            row or metric.
    """
    published_values(settings.rows(), published)
    enter(settings, out)
    pictures, points = data.to_training().to(device), points_of(settings, data)
    new, begin = 0, time.monotonic()
    for cells in groups_of(settings, out):
        train_cells(cells, settings, pictures, out, device=device, progress=progress)
        failed = {cell: failure_of(cell, out) for cell in cells}
        for cell, why in failed.items():
            if why:
                report(f"set aside: {_named([cell])}: {why}")
        missing = [cell for cell in cells if not (is_done(cell, out) or failed[cell])]
        for cell in missing:
            score_cell(cell, settings, points, out, device=device)
        new += len(missing)
        if missing:
            done = done_in(settings, out)
            left = (time.monotonic() - begin) / new * (settings.models - done) / 60
            report(f"{done} of {settings.models}: {_named(missing)}; {left:.0f} min left")
    return write_results(settings, points, out, published or {})


def _named(cells: Sequence[Cell]) -> str:
    """The row of some cells and their seeds."""
    return f"{cells[0].row.name}, seed {', '.join(str(cell.seed) for cell in cells)}"


def write_results(
    settings: StudySettings,
    points: FactorData,
    out: Path,
    published: Mapping[str, Mapping[str, float]],
) -> tuple[Claim, ...]:
    """Tables, codes and figures of the cells that are done, into the folder of the study."""
    results = list(read_results(settings, out))
    of_rows = [result for result in results if not result.cell.row.partner_of]
    values = published_values(settings.rows(), published)
    cells = dict.fromkeys(result.cell for result in results)
    short = {cell: read_card(cell.folder(out)).shortfalls for cell in cells}
    orders = {
        cell: order_of_opening(cell.folder(out))
        for cell in cells
        if cell.row.objective == "annealed"
    }
    write_rows(
        out / "orders.csv",
        ("row", "seed", "rank_correlation"),
        [(cell.row.name, cell.seed, value) for cell, value in orders.items()],
    )
    claims = judge_claims(results, orders, short)
    table = summarise(of_rows, values, short, reduced=bool(settings.reductions()))
    write_rows(out / "table2.csv", Line._fields, table.lines)
    write_rows(out / "ranks.csv", Rank._fields, ranks(table.compared))
    failed = [cell for cells in groups_of(settings, out) for cell in cells if failure_of(cell, out)]
    write_rows(
        out / "failed.csv",
        ("row", "seed", "failure"),
        [(cell.row.name, cell.seed, failure_of(cell, out)) for cell in failed],
    )
    with replacing(out / "claims.md") as temporary:
        temporary.write_text(claims_markdown(claims), encoding="utf-8")
    write_rows(
        out / "shortfalls.csv",
        ("row", "seed", "shortfall"),
        [(cell.row.name, cell.seed, each) for cell, said in short.items() for each in said],
    )
    write_rows(
        out / "scores.csv",
        ("row", "seed", "steps", *Score._fields),
        [(r.cell.row.name, r.cell.seed, settings.steps, *r.score) for r in results],
    )
    done = list(dict.fromkeys(result.cell for result in of_rows))
    write_codes(settings, points, done, out)
    draw_figures(points, results, out)
    write_page(out, out / "page.md")
    return claims


def write_codes(settings: StudySettings, points: FactorData, cells: list[Cell], out: Path) -> None:
    """Posterior means of a few points by all models, with the points' factors."""
    chosen = np.linspace(0, len(points) - 1, min(settings.kept, len(points))).astype(int)
    few = points.take(chosen)
    parts = []
    for cell in cells:
        codes = encode(load_checkpoint(cell.folder(out)).model, few.to_training())
        columns: dict[str, object] = {
            "row": [cell.row.name] * len(few),
            "seed": np.full(len(few), cell.seed, np.int16),
        }
        columns |= {n: few.factors[:, k].astype(np.int8) for k, n in enumerate(few.names)}
        columns |= {f"z_{d}": z for d, z in enumerate(codes.mean.T, start=1)}
        parts.append(pa.table(columns))
    if parts:
        with replacing(out / "codes.parquet") as temporary:
            parquet.write_table(pa.concat_tables(parts), temporary, compression="zstd")


def draw_figures(points: FactorData, results: list[Result], out: Path) -> None:
    """Figures 1 to 3: losses, rate and distortion, KL over training, traversals."""
    draw_rates(results, out)
    results = [result for result in results if not result.cell.row.partner_of]
    draw_losses([result for result in results if result.cell.row != FIGURE_2], out)
    cells = dict.fromkeys(result.cell for result in results)
    shown = [cell for cell in cells if cell.row.objective in ("annealed", "bottleneck")]
    shown.sort(key=lambda cell: (cell.row.objective, cell.row.value, cell.seed))
    if shown:
        folders = {f"{cell.row.name}, seed {cell.seed}": cell.folder(out) for cell in shown}
        curves = {name: kl_over_training(folder) for name, folder in folders.items()}
        figures.kl_curves(curves, out / "kl.png")
    second = [cell for cell in shown if cell.row == FIGURE_2 and cell.seed == shown[0].seed]
    second += [cell for cell in shown if cell.row.name == "bottleneck-25"][: len(second)]
    if second:
        curves = {cell.row.name: kl_over_training(cell.folder(out)) for cell in second}
        figures.kl_curves(curves, out / "figure2.png")
    for cell in shown:
        if cell.seed == 0:
            picture = out / f"traversals-{cell.row.name}.png"
            draw_factor_traversals(cell.folder(out), points, picture)


def draw_rates(results: list[Result], out: Path) -> None:
    """Annealed and Bottleneck models, partners too, in the plane of rate and distortion."""
    numbers: dict[Cell, dict[str, float]] = {}
    for cell, score in results:
        if cell.row.objective in ("annealed", "bottleneck"):
            numbers.setdefault(cell, {})[score.metric] = score.value
    points = [
        figures.Point(cell.row.objective, cell.seed, of["rate"], of["reconstruction"])
        for cell, of in numbers.items()
    ]
    if points:
        figures.rate_distortion(points, out / "rd.png")


def draw_losses(results: list[Result], out: Path) -> None:
    """ELBO and reconstruction loss of all models against the strength of their objective."""
    for name, label in (("elbo", "ELBO (nats)"), ("reconstruction", "reconstruction loss (nats)")):
        by_objective: dict[str, dict[float, list[float]]] = {}
        for (row, _), score in results:
            if score.metric == name:
                by_value = by_objective.setdefault(row.objective, {})
                by_value.setdefault(row.value, []).append(score.value)
        if by_objective:
            figures.losses(by_objective, label, out / f"{name}.png")
