"""Comparison of trained models, with means over the seeds of equal settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.checkpoint import Checkpoint, ModelCard, load_checkpoint
from glitchvae.classes.model_card import CARD
from glitchvae.dataset import split_at_random
from glitchvae.errors import InputError
from glitchvae.probes import LINEAR_PROBE, ProbeSet, methods_for, run_probes
from glitchvae.statistics import Estimate, mean_estimate
from glitchvae.store import write_rows
from glitchvae.training import TrainingData, TrainingImages, read_training_data
from glitchvae.training.config import config_of_card
from glitchvae.training.log import LOG, read_log
from glitchvae.training.run import BEST, CHECKPOINTS
from glitchvae.validation.disentanglement import METRICS, Metric, Protocol, measure
from glitchvae.validation.disentanglement.encoding import encode, explain
from glitchvae.validation.disentanglement.scoring import fitted
from glitchvae.validation.disentanglement.selection import INFORMATIVE, udr
from glitchvae.validation.images.factors import FactorData

UDR = "UDR"
_POINTS = 10_000
"""Number of codes of a model used for `udr`."""

_NO_SETTING = ("seed", "log_every", "save_every", "validate_every", "keep_every", "compiled")
"""Settings that do not influence the trained model."""


class GlitchSets:
    """Sets of images of glitches, read at the size that each model takes.

    Args:
        paths: As of `read_training_data`.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.paths = tuple(map(Path, paths))
        self._read: dict[tuple[int, int], TrainingData] = {}

    @property
    def description(self) -> str:
        """Names of the files."""
        return " + ".join(path.name for path in self.paths)

    def at(self, rows: int, columns: int) -> TrainingData:
        """The images with a number of pixels.

        Raises:
            InputError: see `read_training_data`.
        """
        if (rows, columns) not in self._read:
            self._read = {(rows, columns): read_training_data(self.paths, shape=(rows, columns))}
        return self._read[rows, columns]


@dataclass(frozen=True, kw_only=True)
class MeasuredRun:
    """Measurements of one trained model.

    Attributes:
        path: Its folder.
        seed: Of its training.
        settings: What else it was trained with, by dotted keys.
        measures: Numbers by name; what is not known is left out.
        measured_on: Which images rate, distortion and ELBO are of.
        codes: (N, D) posterior means of those images, None where there are none.
        kl: (D,) their KL in nats, None where there are none.
    """

    path: Path
    seed: int
    settings: Mapping[str, Any]
    measures: Mapping[str, float]
    measured_on: str
    codes: NDArray[np.float32] | None = None
    kl: NDArray[np.float64] | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """Trainings that differ in their seed alone.

    Attributes:
        name: Objective, and the settings that other lines have otherwise.
        runs: The trainings, those of `measures` with UDR where it is known.
        measures: Means over them by name, with 90 % intervals; these are NaN of a single one, and
            of UDR, whose values share pairs of models.
    """

    name: str
    runs: tuple[MeasuredRun, ...]
    measures: Mapping[str, Estimate]


def find_runs(paths: Sequence[str | Path]) -> tuple[Path, ...]:
    """Folders of models: those given, or all below a folder that is not a model.

    Checkpoints that a run kept on its way count where they are given alone.

    Raises:
        InputError: a folder that is not there, or holds no model.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if (path / CARD).is_file():
            found.append(path)
            continue
        below = [card.parent for card in sorted(path.rglob(CARD)) if not _on_the_way(card.parent)]
        if not below:
            raise InputError(
                "the folder holds no trained model",
                where=path,
                expected="a folder that `glitchvae train -o` wrote, or one of such folders",
                remedy="A run that was stopped early is finished by `glitchvae train --resume`.",
            )
        found += below
    return tuple(dict.fromkeys(found))


def _on_the_way(folder: Path) -> bool:
    return folder.name == BEST or folder.parent.name == CHECKPOINTS


def measure_run(
    run: Path,
    data: FactorData | GlitchSets | None = None,
    *,
    metrics: Sequence[Metric] = METRICS,
    seed: int = 0,
    device: str = "cpu",
) -> MeasuredRun:
    """Measure one trained model.

    Rate, distortion and ELBO (nats, means) are of the images of `data` that are not for training,
    all where it has no split; without `data` they are what the log says last, of its validation
    events or else of its batches.

    Args:
        run: Folder of the model.
        data: Images that all models are measured on: with factors the metrics of
            `disentanglement` come from them, with labels a linear probe.
        metrics: As of `disentanglement.measure`.
        seed: Of every draw.
        device: Where to encode.

    Raises:
        ModelError: the model cannot be opened, or is not of such images.
        InputError: a damaged log; images that no model can be measured on.
    """
    checkpoint = load_checkpoint(run, device)
    card = checkpoint.card
    size = {
        "latent size": card.latent_size,
        "parameters": sum(each.numel() for each in checkpoint.model.parameters()),
        "steps": card.steps,
    }
    if "steps_per_second" in card.provenance:
        size["steps/s"] = card.provenance["steps_per_second"]
    about: dict[str, Any] = {"path": run, "seed": card.seed, "settings": settings_of(card)}
    if data is None:
        told, measured_on = _logged(run, card)
        return MeasuredRun(**about, measures=told | size, measured_on=measured_on)
    images = _images_of(data, checkpoint)
    rows = images.rows("validation", "test")
    rows = rows if len(rows) else np.arange(len(images))
    explained = explain(checkpoint.model, images, rows=rows, seed=seed, device=device)
    codes = encode(checkpoint.model, images, device=device).mean
    found = {
        "rate": explained.rate,
        "distortion": explained.reconstruction,
        "ELBO": explained.elbo,
        "active": int((explained.kl > INFORMATIVE).sum()),
    }
    if isinstance(data, FactorData):
        found |= _scores(codes, data, metrics, seed)
    found |= _probe(codes, images, seed)
    kept = rows[np.linspace(0, len(rows) - 1, min(len(rows), _POINTS)).astype(int)]
    return MeasuredRun(
        **about,
        measures=found | size,
        measured_on=f"{len(rows):,} images of {data.description}",
        codes=codes[kept],
        kl=explained.kl,
    )


def settings_of(card: ModelCard) -> dict[str, Any]:
    """All settings of a training except the seed, by dotted keys."""
    whole = config_of_card(card) | {"data": card.data.digest[:8]}
    return {key: value for key, value in _flat(whole) if key not in _NO_SETTING}


def _flat(table: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{inside}{key}.")
        else:
            yield f"{inside}{key}", value


def _logged(run: Path, card: ModelCard) -> tuple[dict[str, float], str]:
    """Last distortion, rate and ELBO in the log of a training, and the events they are of."""
    log = read_log(run) if (run / LOG).is_file() else {}
    told = {name: column[np.isfinite(column)] for name, column in log.items()}
    last = {name: float(column[-1]) for name, column in told.items() if len(column)}
    if "validation_elbo" in last:
        of, place = "validation_", "validation events"
    else:
        of, place, last = "", "training batches", last or dict(card.figures)
    names = {"rate": "rate", "distortion": "reconstruction"}
    found = {name: last[of + key] for name, key in names.items() if of + key in last}
    if len(found) == len(names):
        found["ELBO"] = -sum(found.values())
    return found, place


def _images_of(data: FactorData | GlitchSets, checkpoint: Checkpoint) -> TrainingImages:
    """The images at the size that the model takes.

    Raises:
        ModelError: it is none of such images.
    """
    if isinstance(data, FactorData):
        return fitted(data, checkpoint.model, checkpoint.path).to_training()
    checkpoint.require_views()
    settings: Any = checkpoint.model.settings
    rows, columns = settings.image_shape[-2:]
    return data.at(rows, columns)


def _scores(
    codes: NDArray[np.float32], data: FactorData, metrics: Sequence[Metric], seed: int
) -> dict[str, float]:
    """Metrics of posterior means."""
    protocol = Protocol().scaled_to(len(data))
    scores = measure(codes, data.factors, data.names, metrics=metrics, protocol=protocol, seed=seed)
    return {score.metric: score.value for score in scores}


def _probe(codes: NDArray[np.float32], images: TrainingImages, seed: int) -> dict[str, float]:
    """Accuracy and macro F1 of a linear probe on test events; nothing for a single class.

    The split is that of the images, else one at random.
    """
    rows = np.flatnonzero(images.labels != "")
    if len(set(images.labels[rows])) < 2:
        return {}
    split = images.split[rows]
    if not np.isin(["train", "test"], split.astype(str)).all():
        split = split_at_random(len(rows), np.random.default_rng(seed))
    events = ProbeSet.of_codes(codes[rows], images.labels[rows], split=split)
    method = {LINEAR_PROBE: methods_for(events)[LINEAR_PROBE]}
    (outcome,) = run_probes(events, {"": split}, method, seed=seed, block=1.0)
    return {"probe accuracy": outcome.scores.accuracy, "probe macro F1": outcome.scores.macro_f1}


def line_up(runs: Sequence[MeasuredRun]) -> tuple[Line, ...]:
    """Group trainings with equal settings in lines, with means and intervals.

    Args:
        runs: Measured on the same images.
    """
    groups: dict[str, list[MeasuredRun]] = {}
    for run in runs:
        key = json.dumps(run.settings, sort_keys=True, default=str)
        groups.setdefault(key, []).append(run)
    names = _names([group[0].settings for group in groups.values()])
    return tuple(_line(name, group) for name, group in zip(names, groups.values(), strict=True))


def _names(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of several settings: the objective, and the settings that differ."""
    values: dict[str, set[str]] = {}
    for each in settings:
        for key, value in each.items():
            values.setdefault(key, set()).add(str(value))
    told = ("objective.name", "objective.class")
    varying = [key for key, found in values.items() if len(found) > 1 and key not in told]
    return [
        " ".join(
            [
                str(each.get("objective.name", each.get("objective.class", ""))),
                *(f"{k.removeprefix('objective.')}={each[k]}" for k in varying if k in each),
            ]
        )
        for each in settings
    ]


def _line(name: str, runs: Sequence[MeasuredRun]) -> Line:
    runs = _with_udr(runs)
    names = dict.fromkeys(key for run in runs for key in run.measures)
    found = {
        key: mean_estimate([run.measures[key] for run in runs if key in run.measures])
        for key in names
    }
    if UDR in found:
        found[UDR] = Estimate(found[UDR].value, np.nan, np.nan)
    return Line(name=name, runs=tuple(runs), measures=found)


def _with_udr(runs: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    """Trainings with their mean agreement with the other seeds (UDR)."""
    coded = [(run.codes, run.kl) for run in runs if run.codes is not None and run.kl is not None]
    if len(coded) < len(runs) or len(runs) < 2:
        return list(runs)
    codes, kl = zip(*coded, strict=True)
    return [
        MeasuredRun(**{**vars(run), "measures": {**run.measures, UDR: float(value)}})
        for run, value in zip(runs, udr(codes, kl), strict=True)
    ]


def measures_of(lines: Sequence[Line]) -> tuple[str, ...]:
    """Names of all measures that some line has."""
    return tuple(dict.fromkeys(name for line in lines for name in line.measures))


def write_comparison(folder: Path, lines: Sequence[Line]) -> None:
    """Write `compare.csv` with a row for each number of a line, and `runs.csv` for trainings.

    Raises:
        StorageError: the disk refused the write.
    """
    rows = [(one.name, len(one.runs), key, *e) for one in lines for key, e in one.measures.items()]
    write_rows(folder / "compare.csv", ("settings", "runs", "measure", *Estimate._fields), rows)
    names = measures_of(lines)
    write_rows(
        folder / "runs.csv",
        ("run", "settings", "seed", "measured_on", *names),
        [
            (
                *(str(run.path), line.name, run.seed, run.measured_on),
                *(run.measures.get(name, "") for name in names),
            )
            for line in lines
            for run in line.runs
        ],
    )
