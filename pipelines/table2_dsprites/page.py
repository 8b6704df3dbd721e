"""The page of a study: settings, published values beside ours, ranks, claims, figures."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from glitchvae.errors import InputError
from glitchvae.recipes.settings import SETTINGS, settings_in
from glitchvae.statistics import Claim, by_chance, claims_markdown
from glitchvae.store import replacing
from glitchvae.validation.disentanglement import Score

from .table2 import Cell, Result, Row, StudySettings
from .verdicts import (
    METRICS,
    Line,
    Rank,
    Table,
    judge_claims,
    prediction_interval,
    published_values,
    ranks,
    summarise,
    verdict_of,
)

SCORES, SHORT, ORDERS, FAILED = "scores.csv", "shortfalls.csv", "orders.csv", "failed.csv"

HEAD = """# Table 2: seven objectives on dSprites

*This page is written from the results beside it: `{command}`.*

Table 2 of "beta-Annealed Variational Autoencoder for glitches" (Sankarapandian & Kulis), repeated
by `glitchvae recipe run table2_dsprites`. The metrics: [validation](../validation.md). The paper's
values are of one training each, without error bars; its rows beta-1 and tc-1 are equal in all
columns.
"""

RULE = (
    "A published value is consistent where one more of our trainings would lie with a "
    "probability of 90 % (prediction interval of the seeds); below five seeds nothing is judged, "
    "and a value of a smaller setting is compared by rank only."
)

NOT_STATED = (
    "The paper states the Burgess networks, ten dimensions, linear schedules, and for its "
    "figure 2 a beta from 100 to 1 over 100,000 updates; it states no learning rate, batch size, "
    "number of updates, seeds, or threshold of Table 2. The reference is therefore the study "
    "with 12,600 models that its grid is from (Locatello et al. 2019)."
)

SAID_OF_FIGURES = (
    (
        "1 left",
        "points of Bottleneck models with C = R_m, gamma = 1, on the RD curve",
        "no Bottleneck",
    ),
    ("1 centre", "annealed has a better ELBO", "a higher elbo"),
    ("1 right", "annealed has a better reconstruction error", "less reconstruction loss"),
    ("2", "with beta from 100 to 1 dimensions open one after the other", "dimensions open"),
)
"""Figures of the paper whose values are not in its text, what it says of them, and our claim."""

PAPER_FIGURES = {
    "rd": "Figure 1, left: distortion against rate; lines have the ELBO of an annealed model",
    "elbo": "Figure 1, centre: ELBO against strength (the paper's values are points of a plot)",
    "reconstruction": "Figure 1, right: reconstruction loss against strength",
    "figure2": "Figure 2: KL of each dimension over training, beta from 100 to 1, and Bottleneck",
    "kl": "KL of each dimension over training, every annealed and Bottleneck model",
}


def write_page(folder: Path, path: Path, *, command: str = "make results") -> Path:
    """Write the page of a study.

    Args:
        folder: Of results: `settings.toml`, `scores.csv` and what else the recipe wrote. Text
            in `notes.md` is taken over.
        path: Where the page goes; pictures are linked from there.
        command: That writes it, to be told.

    Raises:
        InputError: the folder holds no study.
        StorageError: the disk refused the write.
    """
    settings = settings_in(folder, StudySettings)
    if settings is None or not (folder / SCORES).exists():
        raise InputError("no study here", where=folder, expected=f"{SETTINGS} and {SCORES}")
    results, short = read_scores(folder), read_shortfalls(folder)
    of_rows = [result for result in results if not result.cell.row.partner_of]
    reductions = settings.reductions()
    table = summarise(of_rows, published_values(settings.rows()), short, reduced=bool(reductions))
    claims = judge_claims(results, read_orders(folder), short)
    parts = [
        HEAD.format(command=command),
        _settings(settings, reductions),
        _beside(table),
        _ranks(ranks(table.compared)),
        "## Claims\n\n" + claims_markdown(claims),
        _said(claims),
        _losses(table.lines),
        _named("Trainings that fell short", folder / SHORT, "shortfall"),
        _named("Set aside, as the loss was no number any more", folder / FAILED, "failure"),
        _figures(folder, path.parent),
    ]
    notes = folder / "notes.md"
    parts += [notes.read_text(encoding="utf-8")] if notes.exists() else []
    with replacing(path) as temporary:
        temporary.write_text("\n".join(filter(None, parts)).rstrip() + "\n", encoding="utf-8")
    return path


def read_scores(folder: Path) -> list[Result]:
    """Every number of every model, partners included.

    Raises:
        InputError: a row is of no model of the study.
    """
    rows = {row.name: row for row in StudySettings().rows()}
    results = []
    for line in _lines(folder / SCORES):
        try:
            name = line["row"]
            partner = name.removeprefix("partner-of-")
            row = rows[partner]
            if partner != name:
                row = Row(objective="bottleneck", parameter="capacity", value=0, partner_of=partner)
            numbers = (float(line[each]) for each in Score._fields[2:])
            score = Score(line["metric"], line["representation"], *numbers)
            results.append(Result(Cell(row, int(line["seed"])), score))
        except (KeyError, ValueError) as error:
            raise InputError(
                "a row of no model of the study", where=folder / SCORES, found=error
            ) from error
    return results


def read_shortfalls(folder: Path) -> dict[Cell, tuple[str, ...]]:
    """What trainings fell short of."""
    found: dict[Cell, tuple[str, ...]] = {}
    for line in _lines(folder / SHORT):
        cell = _cell(line)
        found[cell] = (*found.get(cell, ()), line["shortfall"])
    return found


def read_orders(folder: Path) -> dict[Cell, float]:
    """How far dimensions opened in the order of the KL they ended with."""
    return {_cell(line): float(line["rank_correlation"]) for line in _lines(folder / ORDERS)}


def _cell(line: Mapping[str, str]) -> Cell:
    rows = {row.name: row for row in StudySettings().rows()}
    partner = line["row"].removeprefix("partner-of-")
    row = rows[partner]
    if partner != line["row"]:
        row = Row(objective="bottleneck", parameter="capacity", value=0, partner_of=partner)
    return Cell(row, int(line["seed"]))


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _settings(settings: StudySettings, reductions: Sequence[str]) -> str:
    rows = [
        f"| {name} | {value} |"
        for name, value in settings.model_dump().items()
        if name not in ("objectives", "changes", "protocol")
    ]
    less = "; ".join(reductions) or "nothing"
    told = ["## Settings", "", NOT_STATED, "", f"Not as in the reference study: {less}.", ""]
    return "\n".join([*told, "| setting | here |", "|---|---|", *rows, ""])


def _beside(table: Table) -> str:
    lines = ["## Published values beside ours", "", RULE, by_chance(list(table.compared.values()))]
    if table.other_learner:
        lines.append(
            "The DCI of this study is of a histogram learner, which scores higher than the exact "
            "one of the published column: it is not judged."
        )
    for metric in METRICS:
        lines += ["", f"### {metric}", ""]
        lines += ["| row | published | ours: median | one more training | verdict |"]
        lines += ["|---|---|---|---|---|"]
        for (row, column), one in table.compared.items():
            if column != metric:
                continue
            ours = np.array(one.ours)
            low, high = prediction_interval(ours) if len(ours) else (np.nan, np.nan)
            lines.append(
                f"| {row} | {one.published:.3f} | "
                f"{f'{np.median(ours):.3f}' if len(ours) else 'not run'} | "
                f"{f'{low:.3f} to {high:.3f}' if np.isfinite(high - low) else ''} | "
                f"{verdict_of(metric, one, other_learner=table.other_learner)} |"
            )
    return "\n".join([*lines, ""])


def _ranks(found: Sequence[Rank]) -> str:
    lines = [
        "## Order of the rows",
        "",
        "Spearman's rank correlation of our medians and the published column, with its 90 % "
        "interval over other rows. A published row that repeats another counts once; rows with "
        "a training that fell short are left out.",
        "",
        "| column | rank correlation | 90 % interval | rows | fewest seeds | verdict |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.metric} | {'' if np.isnan(one.value) else f'{one.value:+.2f}'} | "
        f"{one.low:+.2f} to {one.high:+.2f} | {one.rows} | {one.n} | {one.verdict} |"
        for one in found
    ]
    return "\n".join([*lines, ""])


def _said(claims: Sequence[Claim]) -> str:
    """What the text says of figures, with the verdict of the claim that it is here."""
    lines = ["## The paper's figures", "", "Their values are points of plots, not in the text.", ""]
    lines += ["| figure | what the text says | verdict |", "|---|---|---|"]
    for figure, said, words in SAID_OF_FIGURES:
        (verdict,) = {claim.verdict for claim in claims if words in claim.text}
        lines.append(f"| {figure} | {said} | {verdict} |")
    lines += [
        "| 3 | originals, reconstructions, traversals of 10 dimensions, dead ones grey; which "
        "model is not stated | shown below |",
        "| 4 | 3D Chairs, annealed with beta0 = 50, traversals in [-2, 2] | shown in "
        "[validation](disentanglement.md#chairs) of parametric chairs |",
    ]
    return "\n".join([*lines, ""])


def _losses(lines: Sequence[Line]) -> str:
    rows = ["## Losses", "", "Medians [quartiles] over the seeds, in nats.", ""]
    rows += ["| row | n | ELBO | reconstruction | rate |", "|---|---|---|---|---|"]
    by_row: dict[str, dict[str, Line]] = {}
    for line in lines:
        by_row.setdefault(line.row, {})[line.metric] = line
    for row, of in by_row.items():
        cells = [
            f"{of[name].median:.1f} [{of[name].lower:.1f}, {of[name].upper:.1f}]"
            for name in ("elbo", "reconstruction", "rate")
        ]
        rows.append(f"| {row} | {of['elbo'].n} | {' | '.join(cells)} |")
    return "\n".join([*rows, ""])


def _named(title: str, path: Path, column: str) -> str:
    said = [f"- {line['row']}, seed {line['seed']}: {line[column]}" for line in _lines(path)]
    return "\n".join([f"## {title}", "", *said, ""]) if said else ""


def _figures(folder: Path, here: Path) -> str:
    lines = ["## Figures", ""]
    told = {**PAPER_FIGURES}
    for picture in sorted(folder.glob("traversals-*.png")):
        row = picture.stem.removeprefix("traversals-")
        told[picture.stem] = (
            f"Figure 3: originals, reconstructions and traversals of {row}, dead dimensions grey"
        )
    for name, caption in told.items():
        picture = folder / f"{name}.png"
        if picture.exists():
            lines += [f"![{caption}]({os.path.relpath(picture, here)})", "", f"*{caption}.*", ""]
    return "\n".join(lines) if len(lines) > 2 else ""
