"""Scores of trained models on images whose factors are known."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import parse
from glitchvae.errors import ConfigError, ModelError
from glitchvae.models import Model, takes_views
from glitchvae.objectives import Objective, read_objective
from glitchvae.progress import Progress
from glitchvae.store import write_rows
from glitchvae.training import TrainingConfig, train
from glitchvae.validation.disentanglement import METRICS, Metric, Protocol, Score, measure
from glitchvae.validation.disentanglement.encoding import encode
from glitchvae.validation.images.factors import FactorData


def score_checkpoint(
    path: str | Path,
    data: FactorData,
    *,
    sampled: bool = False,
    exact_dci: bool = False,
    metrics: Sequence[Metric] = METRICS,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = lambda _: None,
) -> tuple[Score, ...]:
    """All metrics of one model on `data`, the protocol scaled down to what there is.

    Args:
        path: Folder of the model.
        data: Reduced to the size of the model's images where that divides theirs.
        sampled: Whether codes drawn from the posteriors are scored, too.
        exact_dci: Whether DCI is measured by exact boosted trees, too.
        metrics: As of `measure`.
        seed: Of every draw.
        device: Where to encode.
        progress: Told of the metrics that are done.

    Raises:
        ModelError: the model is not of such images.
        InputError: see `disentanglement.check`.
    """
    model = load_checkpoint(path, device).model
    codes = encode(model, fitted(data, model, path).to_training(), device=device)
    return measure(
        codes.mean,
        data.factors,
        data.names,
        log_var=codes.log_var if sampled else None,
        exact_dci=exact_dci,
        metrics=metrics,
        protocol=Protocol().scaled_to(len(data)),
        seed=seed,
        progress=progress,
    )


def fitted(data: FactorData, model: Model, where: object) -> FactorData:
    """The images at the size the model takes, which a whole number of theirs must fill.

    Raises:
        ModelError: what the model takes, and what the images are.
    """
    if takes_views(model):
        raise ModelError(f"no model of {data.name}", where=where, found="one of glitches")
    channels, height, width = model.settings.image_shape
    found = data.shape
    factor = found[1] // height if found[1] % height == 0 else 0
    if (channels, height * factor, width * factor) != found:
        raise ModelError(
            f"no model of {data.name}",
            where=where,
            expected=f"images of {found}, or reduced",
            found=f"images of {(channels, height, width)}",
        )
    return data.reduced(factor) if factor > 1 else data


def train_on(
    data: FactorData,
    run: Path,
    *,
    objective: str,
    steps: int,
    changes: Sequence[str] = (),
    learning_rate: float = 1e-4,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = lambda _: None,
) -> Path:
    """A model of the reference study's size, trained on all images into the folder `run`.

    As there, a weight that changes does so over a third of the training, unless told. An
    objective for hierarchies trains one of `HierarchySettings`, around the same networks.

    Args:
        data: Images, all trained on.
        run: Folder of the model.
        objective: Its name.
        steps: Updates of 64 images.
        changes: Settings of the objective that are not its defaults, as lines of TOML.
        learning_rate: Of Adam, constant.
        seed: Of weights, data order and samples.
        device: Where to train.
        progress: Told of updates.

    Raises:
        ConfigError: no such objective, or no such setting of it.
        InputError: the folder holds a run already.
    """
    chosen = read_objective({"name": objective, **_read(changes)}, where="objective")
    trained = _over_a_third(chosen, steps)
    architecture = "image" if trained.hierarchy_on is None else "hierarchy"
    model = {"architecture": architecture, "image_shape": data.shape, "likelihood": "bernoulli"}
    values = {
        "objective": trained,
        "steps": steps,
        "seed": seed,
        "model": model,
        "learning_rate": learning_rate,
        "learning_rate_schedule": "constant",
    }
    config = parse(TrainingConfig, values)
    return train(data.to_training(), config, run, device=device, progress=progress)


def _read(changes: Sequence[str]) -> dict[str, object]:
    """Lines of TOML as one table."""
    table: dict[str, object] = {}
    for line in changes:
        try:
            table |= tomllib.loads(line)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(
                "cannot be read", where=line, expected="KEY=VALUE as in TOML", found=error
            ) from error
    return table


def _over_a_third(objective: Objective, steps: int) -> Objective:
    given = "iteration_threshold" in objective.model_fields_set
    if given or "iteration_threshold" not in type(objective).model_fields:
        return objective
    return objective.model_copy(update={"iteration_threshold": max(steps // 3, 1)})


def write_scores(tables: Mapping[Path, Sequence[Score]], path: Path) -> None:
    """Scores of several models as CSV."""
    rows = [(str(model), *score) for model, scores in tables.items() for score in scores]
    write_rows(path, ("model", *Score._fields), rows)
