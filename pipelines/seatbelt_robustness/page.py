"""The page of a study, or of several of different images: settings, values, claims, figures."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from glitchvae.config import read_toml
from glitchvae.errors import InputError
from glitchvae.recipes.settings import SETTINGS
from glitchvae.statistics import by_chance, claims_markdown, prediction_interval
from glitchvae.store import replacing

from .claims import Cell, judge
from .comparing import Beside, Study, bounds, compare
from .numbers import Numbers, cell_of, read_numbers

HEAD = """# Robustness: plain, beta-TC, beta-TCDLGM and Seatbelt VAEs

*This page is written from the results beside it: `{command}`.*

"Disentangling improves VAEs' robustness to adversarial attacks" (Seatbelt-VAE), repeated by
`glitchvae recipe run seatbelt_robustness`. What is measured: [robustness](../robustness.md).
Differences are positive where they are as the paper says.
"""

RULE = (
    "A published value is consistent where one more of our trainings would lie with a "
    "probability of 90 % (prediction interval of the seeds); below five seeds nothing is judged, "
    "and a value of a smaller setting is compared by rank only."
)

STATED: tuple[tuple[str, str, str], ...] = (
    ("attack pairs", "10 random pairs of each set", "pairs"),
    ("lambda, 2^-20 to 2^20", "50 values", "strengths"),
    ("optimiser of attacks", "L-BFGS-B", ""),
    ("beta", "1, 2, 4, 6, 8, 10", "betas"),
    ("L of hierarchies", "1 to 5; CelebA 4", "layers"),
    ("sizes of z", "last L of 96, 48, 24, 12, 6; CelebA 256, 128, 64, 32", ""),
    ("widths between layers", "h_sizes[i] of 1024, 512, 256, 128, 64", ""),
    ("networks", "those of Chen et al. 2018", "network"),
    ("data", "in [-1, 1]; likelihood not stated", "likelihood"),
    ("training", "Adam, 1e-3", "learning_rate"),
    ("updates", "not stated", "steps"),
    ("batch size", "not stated", "batch_size"),
    ("seeds", "not stated", "seeds"),
    ("free bits", "form and value not stated", "free_bits"),
)
"""Hyper-parameters: what the paper states, and our key."""

OURS = {
    "optimiser of attacks": "batched projected L-BFGS",
    "sizes of z": "last L of 96, 48, 24, 12, 6",
    "widths between layers": "h_sizes[i], unless the notes say otherwise",
}

SAID = (
    ("figure 3", "the ELBO of beta-TCVAE falls much more quickly with beta", "the ELBO of"),
    ("figure 5", "beta-TCVAE is harder to attack than the VAE", "beta-TCVAE, beta ="),
    ("figures 6, 7", "Seatbelt-VAE is harder to attack than either", "is harder to attack than"),
    (
        "figure 8, E.1",
        "beta helps TC and Seatbelt against noise, not TCDLGM",
        "likelihood to noise with",
    ),
    ("Tables 1, D.1", "weights of Seatbelt-VAE change less", "changes less"),
    ("F.2 to F.7", "attacks on top or base layer alone do less", "alone come less near"),
    ("G.8 to G.11", "increasing beta reduces the collapse of KL", "carries least carries more"),
    ("J.35", "MIG falls as the size of z grows", "falls as its size grows"),
)
"""What the text says of figures whose values it does not hold, and words of our claims."""


def write_page(folders: Sequence[Path], path: Path, *, command: str = "make results") -> Path:
    """Write the page of one study or several.

    Args:
        folders: Of results: `settings.toml`, `models.csv` and what else the recipe wrote. Text
            in `notes.md` is taken over.
        path: Where the page goes; pictures are linked from there.
        command: That writes it, to be told.

    Raises:
        InputError: a folder holds no study.
        StorageError: the disk refused the write.
    """
    studies = [read_study(folder) for folder in folders]
    parts = [HEAD.format(command=command), _settings(folders, studies)]
    merged = merge(studies)
    parts += [
        _beside(compare(merged)),
        "\n## The paper's bounds\n\n" + claims_markdown(bounds(merged)),
    ]
    parts.append(_said(merged))
    for folder, study in zip(folders, studies, strict=True):
        parts.append(_study(folder, study, path.parent))
    with replacing(path) as temporary:
        temporary.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    return path


def read_study(folder: Path) -> Study:
    """One folder of results.

    Raises:
        InputError: it holds no study.
    """
    from .main import RobustnessSettings

    if not (folder / SETTINGS).exists():
        raise InputError("no study here", where=folder, expected=f"{SETTINGS} and models.csv")
    settings = RobustnessSettings.model_validate(read_toml(folder / SETTINGS))
    found, short = read_numbers(folder)
    return Study(settings.data, found, short, settings.reductions())


def merge(studies: Sequence[Study]) -> list[Study]:
    """Studies of the same images as one."""
    merged: dict[str, Study] = {}
    for study in studies:
        before = merged.get(study.data)
        if before is not None:
            found, short = {**before.found, **study.found}, {**before.short, **study.short}
            reductions = tuple(dict.fromkeys((*before.reductions, *study.reductions)))
            study = Study(study.data, found, short, reductions)
        merged[study.data] = study
    return list(merged.values())


def _settings(folders: Sequence[Path], studies: Sequence[Study]) -> str:
    names = [folder.name for folder in folders]
    lines = [
        "## Settings",
        "",
        f"| | paper | {' | '.join(names)} |",
        "|---" * (2 + len(names)) + "|",
    ]
    tables = [read_toml(folder / SETTINGS) for folder in folders]
    for name, value, key in STATED:
        ours = [OURS.get(name) or table.get(key, table["training"].get(key)) for table in tables]
        lines.append(f"| {name} | {value} | {' | '.join(map(_told, ours))} |")
    lines += ["", "| images | models | seeds | not as in the paper |", "|---|---|---|---|"]
    for folder, study in zip(folders, studies, strict=True):
        seeds = len({cell.seed for cell in study.found})
        what = "; ".join(study.reductions) or "nothing that it states"
        lines.append(f"| {study.data} ({folder.name}) | {len(study.found)} | {seeds} | {what} |")
    return "\n".join([*lines, ""])


def _told(value: object) -> str:
    return ", ".join(f"{each:g}" for each in value) if isinstance(value, list) else f"{value}"


def _said(studies: Sequence[Study]) -> str:
    """What the text says of figures, with the verdicts of all our claims of that."""
    lines = ["## What the text says of its figures", ""]
    lines += ["| where | what | verdicts |", "|---|---|---|"]
    for where, what, words in SAID:
        verdicts = Counter(
            f"{study.data}: {claim.verdict}"
            for study in studies
            for claim in judge(study.found, study.short)
            if words in claim.text
        )
        told = ", ".join(f"{name} ({count})" for name, count in verdicts.items())
        lines.append(f"| {where} | {what} | {told or 'cannot be judged: not run'} |")
    lines.append(
        "| figure 4 | reconstructions of CelebA at beta = 20: beta-TCVAE and Seatbelt-VAE, L = 4 | "
        "cannot be judged: not run |"
    )
    return "\n".join([*lines, ""])


def _beside(values: Sequence[Beside]) -> str:
    lines = [
        "## Published values beside ours",
        "",
        RULE,
        by_chance([one.compared for one in values]),
        "",
        "| where | what | published | ours: mean | one more training | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for one in values:
        ours = np.array(one.compared.ours)
        low, high = prediction_interval(ours) if len(ours) else (np.nan, np.nan)
        unit = f" {one.unit}" if one.unit else ""
        lines.append(
            f"| {one.table} | {one.name} | {one.compared.published:.4g}{unit} | "
            f"{f'{ours.mean():.4g}' if len(ours) else 'not run'} | "
            f"{f'{low:.4g} to {high:.4g}' if np.isfinite(high - low) else ''} | "
            f"{one.compared.verdict} |"
        )
    return "\n".join([*lines, ""])


def _study(folder: Path, study: Study, here: Path) -> str:
    parts = [f"## {folder.name}: {study.data}", "", _models(study.found), ""]
    parts += [claims_markdown(judge(study.found, study.short))]
    short = [f"- {cell.name}: {each}" for cell, said in study.short.items() for each in said]
    parts += ["Trainings that fell short:", "", *short, ""] if short else []
    failed = _failed(folder)
    parts += ["Set aside, as the loss was no number any more:", "", *failed, ""] if failed else []
    for picture in sorted(folder.glob("*.png")):
        parts += [f"![{picture.stem}]({os.path.relpath(picture, here)})", ""]
    notes = folder / "notes.md"
    parts += [notes.read_text(encoding="utf-8")] if notes.exists() else []
    return "\n".join(parts)


def _models(found: Mapping[Cell, Numbers]) -> str:
    lines = [
        "| model | seeds | ELBO | KL of the layers | divergence left | half taken by | "
        "Delta_latent | Delta_output | -log p of the target | lost to noise | MIG of z_L |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    labels: dict[str, list[Numbers]] = {}
    for cell, one in sorted(found.items()):
        labels.setdefault(cell.label, []).append(one)
    for label, same in labels.items():
        rates = np.mean([one.evidence.rates for one in same], axis=0)
        numbers = (
            np.mean([one.mean_relative_divergence.mean() for one in same]),
            np.mean([one.half_divergence_norm.mean() for one in same]),
            *(
                np.mean([getattr(one, name) for one in same])
                for name in (
                    "delta_latent",
                    "delta_output",
                    "target_distortion",
                    "loglik_drop",
                    "mig_top",
                )
            ),
        )
        cells = [f"{value:.4g}" if np.isfinite(value) else "" for value in numbers]
        elbo = np.mean([one.evidence.elbo for one in same])
        kl = ", ".join(f"{rate:.2f}" for rate in rates)
        lines.append(f"| {label} | {len(same)} | {elbo:.1f} | {kl} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _failed(folder: Path) -> list[str]:
    path = folder / "failed.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [f"- {cell_of(row).name}: {row['failure']}" for row in csv.DictReader(stream)]
