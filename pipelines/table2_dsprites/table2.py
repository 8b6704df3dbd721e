"""Table 2 of the beta-annealed VAE: seven objectives, three strengths of each, six metrics.

A cell is one model: a row of the table and a seed. Cells are trained, encoded and scored
one after the other, or the seeds of a row as an ensemble, each into its own folder, which
a run that is started again finds.

No Bottleneck row of the table ends at the rate of an annealed one, and at different rates
losses cannot be compared. A study may therefore train, beside each annealed model, its
partner: a Bottleneck model whose capacity is the rate at which the annealed one ended.

Source: Sankarapandian & Kulis, beta-Annealed Variational Autoencoder for glitches,
Table 2; its grid is elements 1, 3 and 6 of the sweeps of Locatello et al. (2019).
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.config import Settings, nearest
from glitchvae.errors import DivergenceError
from glitchvae.models import Model
from glitchvae.objectives import read_objective
from glitchvae.progress import Progress
from glitchvae.recipes import settings as recipes
from glitchvae.store import replacing, write_rows
from glitchvae.training import PictureData, TrainingConfig, train, train_ensemble
from glitchvae.validation.disentanglement import Protocol, Score, measure
from glitchvae.validation.disentanglement.encoding import encode, explain
from glitchvae.validation.images.factors import FactorData

REFERENCE_STEPS = 300_000
SCORES = "scores.csv"
FAILED = "failed.txt"
"""In the folder of a model whose loss diverged: why. Without the file it is tried again."""

_FREE = ("seeds", "objectives", "ensembles", "partners", "kept", "figure2")
"""Settings in which a study that goes on may differ."""

LOGGED = 400
"""Rows of a model's log: enough to see in which order dimensions open."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table.

    Attributes:
        objective: Its name among `objectives.OBJECTIVES`.
        parameter: The setting that the three rows of an objective differ in.
        value: Of that setting.
        ramp: Share of the training over which a weight changes; 0 where none does.
        partner_of: Name of the annealed row whose rate is the capacity; "" for the 21 rows.
    """

    objective: str
    parameter: str
    value: float
    ramp: float = 0.0
    partner_of: str = ""

    @property
    def name(self) -> str:
        """Of its folder."""
        if self.partner_of:
            return f"partner-of-{self.partner_of}"
        return f"{self.objective}-{self.value:g}"

    def settings(self, steps: int) -> dict[str, Any]:
        """The objective of a training of `steps` updates, as in a configuration file."""
        ramp = {"iteration_threshold": max(round(self.ramp * steps), 1)} if self.ramp else {}
        return {"name": self.objective, self.parameter: self.value, **ramp}


_THIRD = 100_000 / REFERENCE_STEPS
_GRID: tuple[tuple[str, str, tuple[float, ...], float], ...] = (
    ("beta", "beta", (1, 4, 16), 0.0),
    ("annealed", "beta0", (5, 25, 50), _THIRD),
    ("bottleneck", "capacity", (5, 25, 100), _THIRD),
    ("factor", "gamma", (10, 30, 100), 0.0),
    ("tc", "beta", (1, 4, 10), 0.0),
    ("dip-i", "lambda_od", (1, 5, 50), 0.0),
    ("dip-ii", "lambda_od", (1, 5, 50), 0.0),
)
ROWS = tuple(
    Row(objective=objective, parameter=parameter, value=value, ramp=ramp)
    for objective, parameter, values, ramp in _GRID
    for value in values
)
"""The 21 rows. Weights that change do so over a third of the training, as over 100,000 of
300,000 steps."""


FIGURE_2 = Row(objective="annealed", parameter="beta0", value=100, ramp=_THIRD)
"""The paper's figure 2: beta from 100 to 1. It is no row of the table."""


class StudySettings(Settings):
    """How much of the study is done.

    Attributes:
        steps: Updates of each model; 300,000 in the reference study.
        seeds: Models of each row, with seeds from 0.
        batch_size: Images of an update.
        learning_rate: Of Adam, constant.
        network: Encoder and decoder.
        latent_size: Dimensions of the codes.
        reduction: Squares of this many pixels are averaged to one; 1 leaves images whole.
        points: Images that are encoded and scored, drawn once for all models.
        kept: Of those, how many codes go into the published result.
        objectives: Only the rows of these; all where empty.
        ensembles: Whether all seeds of a row are trained in one step, which a GPU is faster at.
        partners: Whether each annealed model is followed by a Bottleneck model at its rate.
        changes: Settings of objectives, by name, that are not those of the reference study.
        figure2: Whether the annealed model of the paper's figure 2 is trained, too.
        exact_dci: Whether DCI is measured by scikit-learn's exact boosted trees as well, the
            learner of the published column: nine minutes a model with the whole protocol.
        protocol: Sizes of the metrics' samples.
    """

    steps: int = Field(default=REFERENCE_STEPS, ge=1)
    seeds: int = Field(default=5, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=1e-4, gt=0)
    network: Literal["burgess", "reference", "chen-mlp", "chen-conv"] = "burgess"
    latent_size: int = Field(default=10, ge=2)
    reduction: int = Field(default=1, ge=1)
    points: int = Field(default=50_000, ge=100)
    kept: int = Field(default=1_000, ge=1)
    objectives: tuple[str, ...] = ()
    ensembles: bool = False
    partners: bool = False
    changes: dict[str, dict[str, float]] = Field(default_factory=dict)
    figure2: bool = True
    exact_dci: bool = True
    protocol: Protocol = Protocol()

    @field_validator("objectives", "changes")
    @classmethod
    def _check_names(cls, value: Collection[str]) -> Collection[str]:
        known = [objective for objective, *_ in _GRID]
        for name in value:
            if name not in known:
                raise ValueError(f"no objective {name!r} in the table{nearest(name, known)}")
        return value

    @field_validator("changes")
    @classmethod
    def _check_changes(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, changes in value.items():
            read_objective({"name": name, **changes}, where=f"changes.{name}")
        return value

    def rows(self) -> tuple[Row, ...]:
        """The rows of the study."""
        chosen = [r for r in ROWS if not self.objectives or r.objective in self.objectives]
        annealed = any(r.objective == "annealed" for r in chosen)
        return (*chosen, FIGURE_2) if self.figure2 and annealed else tuple(chosen)

    def models_of(self, row: Row) -> int:
        """Models of one seed that a row stands for: one, or two where it has a partner."""
        return 2 if self.partners and row.objective == "annealed" and row != FIGURE_2 else 1

    def reductions(self) -> tuple[str, ...]:
        """What is not as in the reference study; no value can then be compared, ranks can."""
        reference = StudySettings()
        return tuple(
            f"{name} {_short(getattr(self, name))} instead of {_short(getattr(reference, name))}"
            for name in type(self).model_fields
            if name not in (*_FREE, "exact_dci") and getattr(self, name) != getattr(reference, name)
        )

    @property
    def models(self) -> int:
        """How many are trained in all."""
        return self.seeds * sum(map(self.models_of, self.rows()))

    def config(self, row: Row, seed: int, shape: tuple[int, int, int]) -> TrainingConfig:
        """The training of one cell."""
        model = {
            "architecture": "image",
            "network": self.network,
            "image_shape": shape,
            "latent_size": self.latent_size,
            "likelihood": "bernoulli",
        }
        objective = {**self.changes.get(row.objective, {}), **row.settings(self.steps)}
        return TrainingConfig(
            objective=read_objective(objective),
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            learning_rate_schedule="constant",
            seed=seed,
            model=model,  # pyright: ignore[reportArgumentType]
            log_every=max(self.steps // LOGGED, 1),
            save_every=max(self.steps // 5, 1),
        )


def _short(value: Any) -> str:
    """A setting in a sentence."""
    if isinstance(value, Settings):
        value = {k: v for k, v in value.model_dump().items() if v != type(value)().model_dump()[k]}
    return "none" if value == {} else f"{value}"


def enter(settings: StudySettings, out: Path) -> None:
    """Take the folder of a study: refuse one of other settings, write down those of a new one.

    Raises:
        InputError: models in it were trained or scored otherwise.
        StorageError: the disk refused the write.
    """
    for cell in chain.from_iterable(groups_of(settings, out)):
        folder = cell.folder(out)
        if is_done(cell, out):
            card = read_card(folder)
            config = settings.config(cell.row, cell.seed, tuple(card.model["image_shape"]))
            now = {
                "objective": config.objective.model_dump(),
                "steps": config.steps,
                "batch_size": config.batch_size,
                "learning_rate": config.learning_rate,
            }
            then = {
                "objective": read_objective(card.objective, where=folder).model_dump(),
                "steps": card.steps,
                "batch_size": card.training.get("batch_size"),
                "learning_rate": card.training.get("learning_rate"),
            }
            recipes.refuse_others(folder, now, then)
    recipes.enter(out, settings, free=_FREE)


class Cell(NamedTuple):
    """One model of the study."""

    row: Row
    seed: int

    def folder(self, out: Path) -> Path:
        """Where it goes."""
        return out / "cells" / self.row.name / f"seed-{self.seed}"


def groups_of(settings: StudySettings, out: Path) -> Iterator[tuple[Cell, ...]]:
    """Cells that are trained together: the seeds of a row, or each alone.

    Those alone come seed by seed, so that a study that is stopped has whole tables. The
    partner of an annealed model appears once that model is done: its capacity is known only
    then.
    """
    seeds = range(settings.seeds)
    for together in [tuple(seeds)] if settings.ensembles else [(seed,) for seed in seeds]:
        for row in settings.rows():
            cells = tuple(Cell(row, seed) for seed in together)
            yield cells
            if settings.models_of(row) == 2 and all(is_done(cell, out) for cell in cells):
                yield tuple(partner_of(cell, out) for cell in cells)


def partner_of(cell: Cell, out: Path) -> Cell:
    """A Bottleneck model of the same seed whose capacity is the rate that `cell` ended with."""
    (rate,) = (r.score.value for r in read_result(cell, out) if r.score.metric == "rate")
    row = Row(
        objective="bottleneck",
        parameter="capacity",
        value=rate,
        ramp=_THIRD,
        partner_of=cell.row.name,
    )
    return Cell(row, cell.seed)


def is_done(cell: Cell, out: Path) -> bool:
    """Whether a model is trained and scored."""
    return (cell.folder(out) / SCORES).exists()


def failure_of(cell: Cell, out: Path) -> str:
    """Why the training of a model failed; "" where it did not."""
    path = cell.folder(out) / FAILED
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def done_in(settings: StudySettings, out: Path) -> int:
    """How many models of the study are done."""
    return sum(is_done(cell, out) for cell in chain.from_iterable(groups_of(settings, out)))


def describe(settings: StudySettings) -> str:
    """What is run, and which share of the reference study that is."""
    share = settings.steps / REFERENCE_STEPS
    return (
        f"{len(settings.rows())} rows x {settings.seeds} seeds ({settings.models} models), "
        f"{settings.steps:,} updates of "
        f"{settings.batch_size} images each ({share:.2g} of the reference study's), Adam "
        f"{settings.learning_rate:g}, network {settings.network}, images at 1/{settings.reduction}"
        f" size, {settings.points:,} points scored"
    )


def train_cells(
    cells: Sequence[Cell],
    settings: StudySettings,
    data: PictureData,
    out: Path,
    *,
    device: str = "cpu",
    progress: Progress = lambda _: None,
) -> None:
    """Train the models of one row; what is trained already stays as it is.

    A model whose loss diverges is set aside: its folder says why (`FAILED`).

    Args:
        cells: The seeds of the row. Several are trained as an ensemble, unless some were
            trained or begun alone.
        settings: Of the study.
        data: Images to train on.
        out: Folder of the study.
        device: Where to train.
        progress: Told of updates, `settings.steps` of each cell.
    """
    missing = [
        cell
        for cell in cells
        if not (_is_trained(cell.folder(out), settings.steps) or failure_of(cell, out))
    ]
    progress(settings.steps * (len(cells) - len(missing)))
    begun = [cell for cell in missing if (cell.folder(out) / "resume").exists()]
    if len(cells) > 1 and len(missing) == len(cells) and not begun:
        try:
            _train_together(cells, settings, data, out, device, progress)
        except DivergenceError:  # of which of them, each alone will tell
            missing = [c for c in cells if not _is_trained(c.folder(out), settings.steps)]
        else:
            return
    for cell in missing:
        run, config = cell.folder(out), settings.config(cell.row, cell.seed, data.shape)
        try:
            train(data, config, run, resume=cell in begun, device=device, progress=progress)
        except DivergenceError as error:
            run.mkdir(parents=True, exist_ok=True)
            with replacing(run / FAILED) as temporary:
                temporary.write_text(f"{error}\n", encoding="utf-8")


def _train_together(
    cells: Sequence[Cell],
    settings: StudySettings,
    data: PictureData,
    out: Path,
    device: str,
    progress: Progress,
) -> None:
    row, seed = cells[0]
    folder = cells[0].folder(out).parent
    members = {
        cell.folder(out).name: {"seed": cell.seed, cell.row.parameter: cell.row.value}
        for cell in cells
    }
    train_ensemble(
        data,
        settings.config(row, seed, data.shape),
        members,
        folder,
        resume=(folder / "resume").exists(),
        device=device,
        progress=lambda updates: progress(updates * len(cells)),
    )


def score_cell(
    cell: Cell, settings: StudySettings, points: FactorData, out: Path, *, device: str = "cpu"
) -> None:
    """Encode and score a model that is trained.

    Args:
        cell: Which one.
        settings: Of the study.
        points: Images to score on.
        out: Folder of the study.
        device: Where to encode.
    """
    run = cell.folder(out)
    model = load_checkpoint(run, device).model
    scores = score_model(model, settings, points, seed=cell.seed, device=device)
    write_rows(run / SCORES, Score._fields, scores)


def score_model(
    model: Model[Any], settings: StudySettings, points: FactorData, *, seed: int, device: str
) -> tuple[Score, ...]:
    """The metrics of one model; reconstruction, rate, ELBO and the KL of each dimension."""
    pictures = points.to_training()
    codes = encode(model, pictures, device=device)
    metrics = measure(
        codes.mean,
        points.factors,
        points.names,
        protocol=settings.protocol,
        seed=seed,
        exact_dci=settings.exact_dci,
    )
    explained = explain(model, pictures, seed=seed, device=device)
    plain = {"reconstruction": explained.reconstruction, "rate": explained.rate}
    plain |= {"elbo": explained.elbo}
    plain |= {f"kl_{d}": float(kl) for d, kl in enumerate(explained.kl, start=1)}
    nan = float("nan")
    return (*metrics, *(Score(name, "", value, nan, nan, nan) for name, value in plain.items()))


def points_of(settings: StudySettings, data: FactorData) -> FactorData:
    """The images that all models are scored on."""
    return data.sample(settings.points, np.random.default_rng(0))


def _is_trained(run: Path, steps: int) -> bool:
    return (run / "card.toml").exists() and read_card(run).steps == steps


class Result(NamedTuple):
    """One number of one model."""

    cell: Cell
    score: Score


def read_results(settings: StudySettings, out: Path) -> Iterator[Result]:
    """All numbers of the cells that are done, partners included."""
    for cell in chain.from_iterable(groups_of(settings, out)):
        if is_done(cell, out):
            yield from read_result(cell, out)


def read_result(cell: Cell, out: Path) -> Iterator[Result]:
    """All numbers of one model that is done."""
    with (cell.folder(out) / SCORES).open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            numbers = (float(row[name]) for name in Score._fields[2:])
            yield Result(cell, Score(row["metric"], row["representation"], *numbers))
