"""The values that the paper prints, beside ours of the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from glitchvae.config import read_toml
from glitchvae.statistics import Claim, Comparison, paired_difference
from glitchvae.validation.robustness.noise import WeightNorms

from .claims import KINDS, Cell, Models, Shortfalls, norm_changes
from .numbers import Numbers

PUBLISHED = Path(__file__).with_name("published.toml")
WEAK, STRONG = 1.0, 10.0
"""The betas of Tables 1 and D.1."""

DEEP, TOP = 4, 2
"""L of the hierarchies of Tables 1 and D.1, and of Table J.2."""


class Study(NamedTuple):
    """A study of one set of images.

    Attributes:
        data: Its name.
        found: Models and numbers of them.
        short: What their trainings fell short of.
        reductions: What is smaller than in the paper, or other.
    """

    data: str
    found: Mapping[Cell, Numbers]
    short: Shortfalls
    reductions: Sequence[str]


class Beside(NamedTuple):
    """One published value.

    Attributes:
        table: Where it stands.
        name: What it is of.
        unit: Of the value.
        compared: It and ours.
    """

    table: str
    name: str
    unit: str
    compared: Comparison


def compare(studies: Sequence[Study]) -> list[Beside]:
    """Every published value once, beside the seeds of the study of its images.

    A value of images that no study is of has none of ours.
    """
    table, by_data = read_toml(PUBLISHED), {study.data: study for study in studies}
    return [*_norms(table, by_data), *_gaps(table, by_data), *_factors(table, by_data)]


def bounds(studies: Sequence[Study]) -> list[Claim]:
    """The published numbers that are bounds: "greater than a factor of 10"."""
    by_data = {study.data: study for study in studies}
    claims = []
    for each in read_toml(PUBLISHED)["factors"]:
        if each.get("above"):
            ours = [value - np.log10(each["times"]) for value in _log_factors(each, by_data)]
            column = np.array(ours)[:, None]
            found = paired_difference(column, np.zeros_like(column)) if ours else None
            text = f"{_factor_name(each)} is above {each['times']:g} (powers of ten above it)"
            claims.append(Claim(text=text, found=found, fell_short=_short_of(each, by_data)))
    return claims


def _norms(table: Mapping[str, Any], studies: Mapping[str, Study]) -> Iterator[Beside]:
    for data, kinds in table["norms"].items():
        for kind, halves in kinds.items():
            depth, study = 1 if kind == "tc" else DEEP, studies.get(data)
            models = _models(study, kind, depth)
            changes = norm_changes(models, WEAK, STRONG)
            for half, published in halves.items():
                place = WeightNorms._fields.index(half)
                yield Beside(
                    "Table D.1" if kind == "tc-dlgm" else "Table 1",
                    f"{_name(kind, depth)} on {data}: norm of the {half} from beta 1 to 10",
                    "%",
                    _comparison(
                        published,
                        [float(change[place]) for change in changes.values()],
                        study,
                        models.short_at(WEAK, STRONG),
                    ),
                )


def _gaps(table: Mapping[str, Any], studies: Mapping[str, Study]) -> Iterator[Beside]:
    for data, kinds in table["mig"].items():
        for kind, by_beta in kinds.items():
            study = studies.get(data)
            models = _models(study, kind, TOP)
            for beta, published in by_beta.items():
                ours = [one.mig_top for (b, _), one in models.measured.items() if b == float(beta)]
                yield Beside(
                    "Table J.2",
                    f"{_name(kind, TOP)} on {data}: MIG of z_L, beta {beta}",
                    "",
                    _comparison(published, ours, study, models.short_at(float(beta))),
                )


def _factors(table: Mapping[str, Any], studies: Mapping[str, Study]) -> Iterator[Beside]:
    for each in table["factors"]:
        if not each.get("above"):
            yield Beside(
                "section 5.2",
                _factor_name(each),
                "powers of ten",
                _comparison(
                    float(np.log10(each["times"])),
                    _log_factors(each, studies),
                    studies.get(each["data"]),
                    _short_of(each, studies),
                ),
            )


def _factor_name(each: Mapping[str, Any]) -> str:
    depth = "" if each["kind"] == "tc" else ", largest L"
    return (
        f"{KINDS[each['kind']]}{depth} on {each['data']}: Delta_{each['delta']} of the largest "
        "beta over the plain VAE's"
    )


def _log_factors(each: Mapping[str, Any], studies: Mapping[str, Study]) -> list[float]:
    """Powers of ten of every seed."""
    study = studies.get(each["data"])
    if study is None or not any(cell.kind == each["kind"] for cell in study.found):
        return []
    plain, strong = _ends(each, study)
    measure = f"delta_{each['delta']}"
    ratios = [
        getattr(study.found[strong._replace(seed=cell.seed)], measure) / getattr(one, measure)
        for cell, one in study.found.items()
        if cell._replace(seed=0) == plain and strong._replace(seed=cell.seed) in study.found
    ]
    return [float(np.log10(ratio)) for ratio in ratios if ratio > 0]


def _ends(each: Mapping[str, Any], study: Study) -> tuple[Cell, Cell]:
    """The plain VAE and the model of the largest L and beta, both with seed 0."""
    kind = each["kind"]
    depth = max(cell.layers for cell in study.found if cell.kind == kind)
    beta = max(cell.beta for cell in study.found)
    return Cell("tc", 1, 1.0, 0), Cell(kind, depth, beta, 0)


def _short_of(each: Mapping[str, Any], studies: Mapping[str, Study]) -> tuple[str, ...]:
    study = studies.get(each["data"])
    if study is None or not any(cell.kind == each["kind"] for cell in study.found):
        return ()
    ends = _ends(each, study)
    return tuple(
        cell.name for cell in study.found if cell._replace(seed=0) in ends and study.short.get(cell)
    )


def _models(study: Study | None, kind: str, depth: int) -> Models:
    found = {} if study is None else study.found
    same = [cell for cell in found if (cell.kind, cell.layers) == (kind, depth)]
    short = {} if study is None else study.short
    return Models(
        {(cell.beta, cell.seed): found[cell] for cell in same},
        {(cell.beta, cell.seed): cell.name for cell in same if short.get(cell)},
    )


def _comparison(
    published: float, ours: Sequence[float], study: Study | None, short: Sequence[str]
) -> Comparison:
    return Comparison(
        published=published,
        ours=tuple(value for value in ours if np.isfinite(value)),
        reduced=study is not None and bool(study.reductions),
        fell_short=len({name.rpartition("seed")[2] for name in short}) if ours else 0,
    )


def _name(kind: str, depth: int) -> str:
    return KINDS[kind] + (f", L = {depth}" if depth > 1 else "")
