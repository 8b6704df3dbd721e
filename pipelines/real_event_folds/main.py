"""Read, fine-tune fold by fold, name, score."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.config import Settings, parse, read_toml
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.probes import brier_score, log_loss
from glitchvae.recipes import Row, find_files, plain, show
from glitchvae.spectrogram import IMAGING
from glitchvae.statistics import binomial_interval
from glitchvae.store import write_rows
from glitchvae.training import (
    TrainingConfig,
    TrainingData,
    changed_config,
    read_training_data,
    train,
)

from .naming import Named, name_by_pixels, name_fold, some_of
from .real_events import RealEvents, RealSettings, read_real_events

ALL = -1
"""The fold of a model that sees every event."""


class FoldSettings(Settings):
    """Keys of `real_event_folds.toml`."""

    model: str
    simulated: tuple[str, ...]
    real: tuple[RealSettings, ...] = Field(min_length=1)
    folds: int = Field(default=5, ge=2)
    block: float = Field(default=86400.0, gt=0)
    seed: int = 0
    head_events: int = Field(default=6000, ge=1)
    training: dict[str, Any]
    device: str = "cpu"


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Fine-tune and name fold by fold; a fold whose model is there is not trained again."""
    settings = parse(FoldSettings, read_toml(config), where=config)
    settings = rehearsal(settings, out) if tiny else settings
    start = load_checkpoint(settings.model)
    training = changed_config(
        {**settings.training, "model": start.model.settings.model_dump()}, {}, where=config
    )
    rows, columns = training.image_shape[-2:]
    real = read_real_events(
        settings.real, config, folds=settings.folds, block=settings.block, seed=settings.seed
    )
    simulated = read_training_data(find_files(settings.simulated, config), shape=(rows, columns))
    named = [name_by_codes(settings, training, start, simulated, real, out)]
    pixels = real.data((rows, columns), ALL)
    named += name_by_pixels(pixels, real, named[0].names, seed=settings.seed)
    fine_tune(training, start, simulated, real, out, ALL, settings.device)
    write_rows(
        out / "named.csv",
        ("event_id", "source", "fold", "label", *(each.method for each in named)),
        zip(
            real.images.event_id,
            real.source,
            real.fold.tolist(),
            real.label,
            *(each.said for each in named),
            strict=True,
        ),
    )
    bars = [show(row) for each in named for row in score(each, real)]
    write_rows(out / "bars.csv", ("what", "measure", "value", "lowest", "highest"), bars)


def name_by_codes(
    settings: FoldSettings,
    training: TrainingConfig,
    start: Checkpoint,
    simulated: TrainingData,
    real: RealEvents,
    out: Path,
) -> Named:
    """Every real event named by an encoder and a head that saw nothing of its fold."""
    rows, columns = training.image_shape[-2:]
    teachers = some_of(simulated, settings.head_events, settings.seed)
    names = tuple(sorted({*teachers.labels, *real.label}))
    probabilities = np.zeros((len(real.label), len(names)))
    for fold in np.unique(real.fold).tolist():
        tuned = fine_tune(training, start, simulated, real, out, fold, settings.device)
        data = real.data((rows, columns), fold)
        own = real.fold == fold
        probabilities[own] = name_fold(tuned, teachers, data, real, fold, names)
    return Named(method="codes", names=names, probabilities=probabilities)


def fine_tune(
    training: TrainingConfig,
    start: Checkpoint,
    simulated: TrainingData,
    real: RealEvents,
    out: Path,
    fold: int,
    device: str,
) -> Checkpoint:
    """The model after a few minutes with the real events of all other folds."""
    folder = out / ("all" if fold == ALL else f"fold-{fold}")
    if not (folder / "card.toml").exists():
        print(f"fine-tuning: {folder}", file=sys.stderr, flush=True)
        rows, columns = training.image_shape[-2:]
        data = TrainingData.join([simulated, real.data((rows, columns), fold)])
        data = data.weighted(weights_of(simulated, real))
        resume = (folder / "resume").exists()
        train(data, training, folder, network=start.model, resume=resume, device=device)
    return load_checkpoint(folder)


def weights_of(simulated: TrainingData, real: RealEvents) -> np.ndarray:
    """Shares of a batch: those of the real files, and what they leave to the simulated ones."""
    taught = max(len(simulated.rows("train", "")), 1)
    rest = 1 - real.share.sum()
    # Events that nobody learns from are in no training split: any weight does for them.
    own = np.where(real.taught, real.share, 1.0)
    return np.concatenate([np.full(len(simulated), rest / taught), own])


def score(named: Named, real: RealEvents) -> list[Row]:
    """Accuracy by file and class with exact 90 % intervals, log-loss and Brier score by file."""
    rows: list[Row] = []
    right = named.said == real.label
    for source in dict.fromkeys(real.source):
        own = real.source == source
        what = f"{named.method}, {source}"
        rows.append(_share(what, "accuracy", right[own]))
        classes = np.unique(real.label[own].astype(str))
        rows += [_share(what, name, right[own & (real.label == name)]) for name in classes]
        given = named.probabilities[own], real.label[own], named.names
        rows.append(plain(what, "log-loss", log_loss(*given)))
        rows.append(plain(what, "Brier score", brier_score(*given)))
    return rows


def _share(what: str, measure: str, right: np.ndarray) -> Row:
    low, high = binomial_interval(int(right.sum()), len(right))
    return what, measure, float(right.mean()), float(low), float(high)


def rehearsal(settings: FoldSettings, out: Path) -> FoldSettings:
    """Simulated events in place of real ones, a model of five steps, two of them a fold."""
    for name, seed in (("simulated", 1), ("real", 2)):
        path = out / f"{name}.h5"
        if not path.exists():
            plan = plan_stretches(48, seed, balance="uniform", rates={})
            write_dataset(path, simulate_dataset(plan, IMAGING["light"]), 48)
    model = {"image_shape": [35, 42], "widths": [4, 8], "hidden": 16, "latent_size": 4}
    first = changed_config({**settings.training, "model": model, "steps": 5, "batch_size": 8}, {})
    if not (out / "start" / "card.toml").exists():
        data = read_training_data([out / "simulated.h5"], shape=(35, 42))
        train(data, first, out / "start")
    events = RealSettings(events=str(out / "real.h5"), share=0.3)
    return settings.model_copy(
        update={
            "model": str(out / "start"),
            "simulated": (str(out / "simulated.h5"),),
            "real": (events,),
            "folds": 2,
            "block": 512.0,
            "training": {**settings.training, "steps": 2, "batch_size": 8},
        }
    )
