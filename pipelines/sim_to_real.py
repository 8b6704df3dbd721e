"""Test on real glitches what was learnt from simulated ones alone.

Trains three classifiers on simulated images: a linear one on reduced pixels, a linear one
on the codes of a model, and a supervised network; tests them on real images; and names
real images after one known image of every class. Tables and confusion matrices go to the
folder of results.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.dataset import read_images
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.embedding import encode_spectrograms
from glitchvae.plots import confusion_matrix
from glitchvae.probes import (
    fit_linear_probe,
    one_shot,
    predict_classes,
    reduced_pixels,
    score,
    train_classifier,
)
from glitchvae.recipes import find_files
from glitchvae.spectrogram import SpectrogramSet, imaging_settings
from glitchvae.store import write_rows
from glitchvae.training import TrainingData

SHOTS = 200


class SimToRealSettings(Settings):
    """Keys of `sim_to_real.toml`."""

    sets: tuple[str, ...]
    events: str
    classes: tuple[str, ...] = ()
    model: str = "default"
    epochs: int = 8
    components: int = 100
    seed: int = 0


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Read, learn, test."""
    settings = read_config(SimToRealSettings, config)
    if tiny:
        settings = rehearsal(settings, out)
    sets = [read_images(path) for path in find_files(settings.sets, config)]
    (events,) = find_files([settings.events], config)
    if settings.classes:
        sets = [s.take(np.isin(np.asarray(s.label), settings.classes)) for s in sets]
    rng = np.random.default_rng(settings.seed)
    rows = show(sim_to_real(sets, read_images(events), settings, out, rng))
    write_rows(out / "scores.csv", ("what", "measure", "value", "lowest", "highest"), rows)


def rehearsal(settings: SimToRealSettings, out: Path) -> SimToRealSettings:
    """Two little simulated sets, the second in place of the real events."""
    imaging, paths = imaging_settings("light"), [out / f"{n}.h5" for n in ("real", "simulated")]
    for seed, path in enumerate(paths):
        write_dataset(path, simulate_dataset(plan_stretches(24, seed), imaging), 24)
    return settings.model_copy(
        update={
            "sets": (str(paths[1]),),
            "events": str(paths[0]),
            "classes": (),
            "epochs": 1,
            "components": 5,
        }
    )


def sim_to_real(
    sets: list[SpectrogramSet],
    real: SpectrogramSet,
    settings: SimToRealSettings,
    out: Path,
    rng: np.random.Generator,
) -> Iterable[tuple]:
    """Three classifiers that saw simulated events only, and one-shot naming, on real events."""
    train, test = (
        TrainingData.join([TrainingData.from_spectrograms(s) for s in kind])
        for kind in (sets, [real])
    )
    checkpoint = load_checkpoint(settings.model)
    pixels, real_pixels = reduced_pixels(train), reduced_pixels(test)
    codes = [
        np.concatenate([encode_spectrograms(s.take(s.usable), checkpoint).mean for s in kind])
        for kind in (sets, [real])
    ]
    pca = PCA(settings.components, svd_solver="randomized", random_state=settings.seed)
    probe = make_pipeline(pca, fit_linear_probe(pca.fit_transform(pixels), train.labels))
    said = {
        "pixels, PCA": probe.predict(real_pixels),
        "codes, linear probe": fit_linear_probe(codes[0], train.labels).predict(codes[1]),
    }
    network = train_classifier(
        train,
        epochs=settings.epochs,
        seed=settings.seed,
        progress=lambda _: print("one epoch done", file=sys.stderr),
    )
    said["network"] = predict_classes(*network, test)
    rows = zip(test.labels, *said.values(), strict=True)
    write_rows(out / "predictions.csv", ("truth", *said), rows)
    for name, guess in said.items():
        scores = score(test.labels, guess, rng)
        confusion_matrix(scores, out / f"confusion_{name.split(',')[0]}.png", title=name)
        yield from scores.rows(f"sim to real, {name}")
    for name, space in (("codes", codes[1]), ("pixels", real_pixels)):
        shots = [score(*one_shot(space, test.labels, rng), rng, resamples=0) for _ in range(SHOTS)]
        for measure in ("accuracy", "macro_recall"):
            values = [getattr(s, measure) for s in shots]
            yield f"one-shot, {name}", measure, np.mean(values), *np.quantile(values, (0.05, 0.95))


def show(rows: Iterable[tuple]) -> list[tuple]:
    """Print rows for people, and hand them on."""
    kept = list(rows)
    for row in kept:
        cells = (f"{v:.4g}" if isinstance(v, float) else v for v in row)
        print("  ".join(f"{cell!s:>{31 if i == 0 else 14}}" for i, cell in enumerate(cells)))
    return kept
