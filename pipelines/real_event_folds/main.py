"""Read, fine-tune fold by fold, name, score, look for new classes, and ship a model of all."""

from pathlib import Path

import numpy as np

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import parse
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.recipes import find_files, read_settings, show
from glitchvae.spectrogram import IMAGING
from glitchvae.store import write_rows
from glitchvae.training import changed_config, read_training_data, train

from .finding import FOUND, look_for_classes, show_found
from .naming import name_by_pixels
from .real_events import ALL, RealSettings, read_real_events
from .scoring import score, score_novelty
from .shipping import make_head, ship
from .shots import name_by_shots
from .study import FoldSettings, Study
from .teaching import choose_teachers


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Fine-tune and name fold by fold; a fold whose model is there is not trained again."""
    settings = parse(FoldSettings, read_settings(config, Path(__file__).parent), where=config)
    settings = rehearsal(settings, out) if tiny else settings
    start = load_checkpoint(settings.model)
    training = changed_config(
        {**settings.training, "model": start.model.settings.model_dump()}, {}, where=config
    )
    rows, columns = training.image_shape[-2:]
    real = read_real_events(
        settings.real,
        config,
        folds=settings.folds,
        block=settings.block,
        seed=settings.seed,
        without=settings.without,
    )
    simulated = read_training_data(find_files(settings.simulated, config), shape=(rows, columns))
    simulated = simulated.leave_out(settings.without)
    teachers = choose_teachers(
        simulated,
        training.augmentation,
        count=settings.head_events,
        copies=settings.copies,
        seed=settings.seed,
    )
    study = Study(settings, training, start, simulated, real, teachers, out)
    folds = [study.name_fold(fold) for fold in np.unique(real.fold[real.taught]).tolist()]
    whole = study.fine_tune(ALL)
    head = make_head(study.lesson(whole, ALL), folds, study.gather(folds)[0], real)
    if not real.taught.all():
        folds.append(study.name_rest(whole, head))
    named = study.gather(folds)
    named += name_by_pixels(real, named[0].names, seed=settings.seed)
    distances = np.full(len(real.label), np.nan)
    for each in folds:
        distances[each.rows] = each.distances
    write_rows(
        out / "named.csv",
        ("event_id", "source", "fold", "label", "distance", *(each.column for each in named)),
        zip(
            real.images.event_id,
            real.source,
            real.fold.tolist(),
            real.label,
            distances.tolist(),
            *(each.said for each in named),
            strict=True,
        ),
    )
    bars = [show(row) for row in score(named, real)]
    bars += [show(row) for row in score_novelty(folds, real)]
    bars += [show(row) for row in name_by_shots(start, teachers, real, seed=settings.seed)]
    write_rows(out / "bars.csv", ("what", "measure", "value", "lowest", "highest"), bars)
    found = [show_found(row) for row in look_for_classes(folds, real, settings)]
    write_rows(out / "found.csv", FOUND, found)
    ship(whole, head, settings, real, bars, start, config)


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
