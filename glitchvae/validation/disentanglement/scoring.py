"""Scores of trained models on images whose factors are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import with_changes
from glitchvae.errors import ModelError
from glitchvae.models import ARCHITECTURES, USER, Model, takes_views
from glitchvae.objectives import Objective, find_objective
from glitchvae.progress import Progress
from glitchvae.store import write_rows
from glitchvae.training import changed_config, train
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
    """Compute all metrics of one model on `data`, with the protocol scaled to its size.

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
    """The images reduced by a whole number to the size that the model takes.

    Raises:
        ModelError: what the model takes, and what the images are.
    """
    if takes_views(model):
        raise ModelError(
            f"the model is not one of {data.name}", where=where, found="one of glitches"
        )
    channels, height, width = model.settings.image_shape
    found = data.shape
    factor = found[1] // height if found[1] % height == 0 else 0
    if (channels, height * factor, width * factor) != found:
        raise ModelError(
            f"the model is not one of {data.name}",
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
    """Train a model of the reference study's size on all images in the folder `run`.

    As there, a weight that changes does so over a third of the training, unless told. An
    objective for hierarchies trains one of `HierarchySettings`, around the same networks.

    Args:
        data: Images, all trained on.
        run: Folder of the model.
        objective: Its name.
        steps: Updates of 64 images.
        changes: Settings that are not those of this study, as lines of TOML: keys of the objective,
            of the training (`batch_size=128`) or of the model (`model.latent_size=6`).
        learning_rate: Of Adam, constant.
        seed: Of weights, data order and samples.
        device: Where to train.
        progress: Told of updates.

    Raises:
        ConfigError: no such objective, or no such setting of it.
        InputError: the folder holds a run already.
    """
    values = {
        "objective": {"name": objective},
        "steps": steps,
        "seed": seed,
        "learning_rate": learning_rate,
        "learning_rate_schedule": "constant",
    }
    chosen = find_objective(objective)
    architecture = "image" if chosen.hierarchy_on is None else "hierarchy"
    model = {"architecture": architecture, "image_shape": data.shape}
    model |= {"likelihood": "bernoulli"}
    asked = with_changes({"model": model}, changes)["model"]
    own = asked.get("architecture") if isinstance(asked, dict) else None
    if own == USER or own not in (None, *ARCHITECTURES):
        model = {"architecture": own, "image_shape": data.shape, "takes_views": False}
    config = changed_config({**values, "model": model}, {}, lines=changes, where="--set")
    trained = _over_a_third(config.objective, config.steps)
    config = config.model_copy(update={"objective": trained})
    return train(data.to_training(), config, run, device=device, progress=progress)


def _over_a_third(objective: Objective, steps: int) -> Objective:
    given = "iteration_threshold" in objective.model_fields_set
    if given or "iteration_threshold" not in type(objective).model_fields:
        return objective
    return objective.model_copy(update={"iteration_threshold": max(steps // 3, 1)})


def write_scores(tables: Mapping[Path, Sequence[Score]], path: Path) -> None:
    """Write scores of several models as CSV."""
    rows = [(str(model), *score) for model, scores in tables.items() for score in scores]
    write_rows(path, ("model", *Score._fields), rows)
