"""What claims and tables take of a model, kept in tables of CSV beside the figures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.store import write_rows
from glitchvae.validation.robustness.measuring import COLUMNS, Robustness
from glitchvae.validation.robustness.noise import Elbo, WeightNorms

from .claims import Cell, Shortfalls

MODELS, PAIRS = "models.csv", "pairs.csv"
PAIR_COLUMNS = ("pair", "relative_divergence", "half_divergence_norm", "by_layer")


class Numbers(NamedTuple):
    """Those of one model; NaN or empty where an older study did not measure them.

    Attributes:
        evidence: ELBO of the images and its parts.
        norms: Of encoder and decoder.
        mean_relative_divergence: (pairs,) share of the divergence that attacks left; of a
            study without `PAIRS` their mean alone.
        half_divergence_norm: (pairs,) perturbation that takes half of it.
        loglik_drop: How far log p(x | z*) falls to the strongest noise (nats).
        mig_top: Mutual information gap of the top layer.
        delta_latent: Goal and penalty of latent attacks, mean (nats).
        delta_output: The same of attacks on the output.
        target_distortion: -log p of the targets after latent attacks (nats).
        by_layer: The same after attacks on single layers, (pairs,) each, and of all under 0.
    """

    evidence: Elbo
    norms: WeightNorms
    mean_relative_divergence: NDArray[np.floating]
    half_divergence_norm: NDArray[np.floating]
    loglik_drop: float
    mig_top: float
    delta_latent: float
    delta_output: float
    target_distortion: float
    by_layer: Mapping[int, NDArray[np.floating]]


def numbers_of(one: Robustness) -> Numbers:
    """Of what was measured."""
    return Numbers(
        evidence=one.evidence,
        norms=one.norms,
        mean_relative_divergence=one.mean_relative_divergence,
        half_divergence_norm=one.half_divergence_norm,
        loglik_drop=one.loglik_drop,
        mig_top=one.mig_top,
        delta_latent=one.delta_latent,
        delta_output=one.delta_output,
        target_distortion=float(one.attacks.target_distortion.mean()),
        by_layer={
            layer: one.by_pair(each.target_distortion).mean(axis=1)
            for layer, each in ({0: one.attacks} | dict(one.by_layer)).items()
        },
    )


def write_numbers(found: Mapping[Cell, Robustness], short: Shortfalls, out: Path) -> None:
    """`MODELS`, a row each, and `PAIRS`, a row for each attacked pair."""
    rows = [(*cell, *one.row(), "; ".join(short[cell])) for cell, one in found.items()]
    write_rows(out / MODELS, (*Cell._fields, *COLUMNS, "shortfalls"), rows)
    pairs = []
    for cell, one in found.items():
        kept = numbers_of(one)
        for pair in range(len(kept.mean_relative_divergence)):
            layers = " ".join(f"{k}:{left[pair]:.6f}" for k, left in kept.by_layer.items())
            numbers = kept.mean_relative_divergence[pair], kept.half_divergence_norm[pair]
            pairs.append((*cell, pair, *numbers, layers))
    write_rows(out / PAIRS, (*Cell._fields, *PAIR_COLUMNS), pairs)


def read_numbers(folder: Path) -> tuple[dict[Cell, Numbers], dict[Cell, tuple[str, ...]]]:
    """Numbers and shortfalls of every model of a study.

    Raises:
        InputError: no such table, or it is none of such a study.
    """
    try:
        rows = _rows(folder / MODELS)
        pairs = _rows(folder / PAIRS) if (folder / PAIRS).exists() else []
        by_cell: dict[Cell, list[dict[str, str]]] = {}
        for row in pairs:
            by_cell.setdefault(cell_of(row), []).append(row)
        found = {cell_of(row): _numbers(row, by_cell.get(cell_of(row), [])) for row in rows}
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            "no table of a study of robustness",
            where=folder / MODELS,
            expected=f"columns {', '.join(Cell._fields)}, elbo, ...",
            found=error,
        ) from error
    short = {cell_of(row): row.get("shortfalls") or "" for row in rows}
    return found, {cell: tuple(filter(None, said.split("; "))) for cell, said in short.items()}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def cell_of(row: Mapping[str, str]) -> Cell:
    """The model of a row."""
    return Cell(row["kind"], int(row["layers"]), float(row["beta"]), int(row["seed"]))


def _numbers(row: Mapping[str, str], pairs: Sequence[Mapping[str, str]]) -> Numbers:
    def number(name: str) -> float:
        return float(row.get(name) or "nan")

    def of_pairs(name: str, mean: str) -> NDArray[np.float64]:
        return np.array([float(pair[name]) for pair in pairs] or [number(mean)])

    layers: dict[int, list[float]] = {}
    for pair in pairs:
        for each in pair["by_layer"].split():
            layer, _, left = each.partition(":")
            layers.setdefault(int(layer), []).append(float(left))
    units = tuple(tuple(map(float, part.split())) for part in (row.get("units") or "").split("|"))
    return Numbers(
        evidence=Elbo(
            float(row["elbo"]),
            float(row["elbo_error"]),
            float(row["reconstruction"]),
            tuple(map(float, row["rates"].split())),
            tuple(filter(None, units)),
        ),
        norms=WeightNorms(float(row["encoder_norm"]), float(row["decoder_norm"])),
        mean_relative_divergence=of_pairs("relative_divergence", "mean_relative_divergence"),
        half_divergence_norm=of_pairs("half_divergence_norm", "half_divergence_norm"),
        loglik_drop=number("noise_drop"),
        mig_top=number("mig_top"),
        delta_latent=number("delta_latent"),
        delta_output=number("delta_output"),
        target_distortion=number("target_distortion"),
        by_layer={layer: np.array(left) for layer, left in layers.items()},
    )
