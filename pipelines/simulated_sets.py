"""Score what simulated glitches teach about real ones, and how real their distributions are.

Compares simulated and real SNR, peak frequency, duration and bandwidth class by class;
classifies real events by their metadata alone, which images must beat; trains three
classifiers on simulated images alone and tests them on real ones; and names real events
after one known event of every class. Tables go to the folder of results and stdout.
"""

import csv
import os
import sys
from collections.abc import Iterable, Sequence
from glob import glob  # Path.glob takes no absolute pattern
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv
from scipy.stats import ks_2samp
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.dataset import read_images
from glitchvae.embedding import encode_spectrograms
from glitchvae.errors import ConfigError
from glitchvae.plots import confusion_matrix, marginals
from glitchvae.probes import (
    fit_linear_probe,
    one_shot,
    predict_classes,
    reduced_pixels,
    score,
    train_classifier,
)
from glitchvae.simulate import simulate_strain
from glitchvae.simulated_set import plan_stretches, simulate_dataset, write_dataset
from glitchvae.spectrogram import SpectrogramSet, imaging_settings
from glitchvae.store import replacing
from glitchvae.training import TrainingData
from glitchvae.triggers import Triggers, find_triggers

MEASURES = ("snr", "peak_frequency", "duration", "bandwidth")
FEATURES = ("duration", "peak_frequency", "central_freq", "bandwidth", "amplitude", "snr")
DAY = 86400.0
SHOTS = 200


class SimulatedSetsSettings(Settings):
    """Keys of `simulated_sets.toml`."""

    sets: tuple[str, ...]
    events: str
    metadata: str
    stretches: int = 24
    model: str = "default"
    epochs: int = 10
    components: int = 100
    seed: int = 0


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """The four comparisons, one after the other."""
    settings = read_config(SimulatedSetsSettings, config)
    settings = rehearsal(settings, out) if tiny else settings
    rng = np.random.default_rng(settings.seed)
    (metadata,), (events,) = (find([name], config) for name in (settings.metadata, settings.events))
    table = {k: np.asarray(v) for k, v in arrow_csv.read_csv(metadata).to_pydict().items()}
    sets, real = [read_images(p) for p in find(settings.sets, config)], read_images(events)
    sets = [
        s.take(np.isin(np.asarray(s.label), table["label"])) for s in sets
    ]  # the taxonomy of the table
    compare_marginals(table, settings.stretches, out)
    rows = [*metadata_alone(table, rng), *sim_to_real(sets, real, settings, out, rng)]
    write(out / "scores.csv", ("what", "measure", "value", "lowest", "highest"), rows)


def find(patterns: Sequence[str], config: Path) -> list[Path]:
    """The files that patterns with environment variables match."""
    patterns = [os.path.expandvars(pattern) for pattern in patterns]
    names = {name for pattern in patterns for name in glob(pattern)}  # noqa: PTH207
    if not names:
        raise ConfigError("no such file", where=config, found=patterns)
    return sorted(map(Path, names))


def rehearsal(settings: SimulatedSetsSettings, out: Path) -> SimulatedSetsSettings:
    """Two little simulated sets, the second in place of the real events."""
    imaging, paths = imaging_settings("light"), [out / f"{n}.h5" for n in ("real", "simulated")]
    truth, _ = (
        write_dataset(path, simulate_dataset(plan_stretches(24, seed), imaging), 24)
        for seed, path in enumerate(paths)
    )
    split = np.resize(["train", "test"], 24)
    columns = {n: getattr(truth, n if n in MEASURES else "snr") for n in FEATURES}
    columns |= {
        "event_time": truth.gps + DAY * np.arange(24),
        "ifo": truth.ifo,
        "label": truth.label,
    }
    rows = zip(*columns.values(), split, strict=True)
    write(out / "metadata.csv", (*columns, "sample_type"), rows, show=False)
    return settings.model_copy(update={
        "sets": (str(paths[1]),), "events": str(paths[0]), "metadata": str(out / "metadata.csv"),
        "stretches": 1, "epochs": 1, "components": 5,
    })  # fmt: skip


def compare_marginals(table: dict[str, Any], stretches: int, out: Path) -> None:
    """Two-sample Kolmogorov-Smirnov distances by class, and curves of both."""
    found = [search_stretch(seed) for seed in range(stretches)]
    label = np.concatenate([labels for labels, _ in found])
    pairs = {
        (name, n): (
            table[n][table["label"] == name],
            np.concatenate([getattr(triggers, n) for _, triggers in found])[label == name],
        )
        for name in sorted(set(table["label"]) & set(label)) for n in MEASURES
    }  # fmt: skip
    tests: dict[Any, Any] = {key: ks_2samp(*pair) for key, pair in pairs.items()}
    rows = [(*k, *map(len, pairs[k]), t.statistic, t.pvalue) for k, t in tests.items()]
    write(out / "marginals.csv", ("class", "measure", "real", "simulated", "ks", "p"), rows)
    marginals(pairs, out / "marginals.png")


def search_stretch(seed: int) -> tuple[NDArray[np.object_], Triggers]:
    """Simulated classes, and the loudest trigger within half a second of each that has one."""
    ifo = ("H1", "L1")[seed % 2]
    strain, truth = simulate_strain(
        512.0, ifo, seed, sample_rate=16384.0, glitches=56, balance="uniform"
    )
    triggers = find_triggers(strain)
    near = np.abs(triggers.gps - truth.gps[:, None]) < 0.5
    loudest = np.where(near, triggers.snr, 0).argmax(axis=1)
    seen = near.any(axis=1)
    return truth.label[seen], triggers.take(loudest[seen])


def metadata_alone(table: dict[str, Any], rng: np.random.Generator) -> Iterable[tuple]:
    """Boosted trees on a trigger's own numbers: official split, and days held out in turn."""
    ifo = np.unique(table["ifo"], return_inverse=True)[1]
    x, y = np.column_stack([*(table[n] for n in FEATURES), ifo]), table["label"]
    day = (table["event_time"] // DAY).astype(np.int64)
    # Without a penalty the boosting diverges on classes of few events: 31 % on its own
    # training events.
    options: dict[str, Any] = {
        "categorical_features": [len(FEATURES)], "early_stopping": False, "l2_regularization": 1.0
    }  # fmt: skip
    trees = HistGradientBoostingClassifier(**options, random_state=0)
    test = table["sample_type"] == "test"
    guess = trees.fit(x[~test], y[~test]).predict(x[test])
    yield from score(y[test], guess, rng).rows("metadata, official split")
    folds = GroupKFold(5)
    guess = cross_val_predict(trees, x, y, groups=day, cv=folds)
    yield from score(y, np.asarray(guess), rng, groups=day).rows("metadata, days held out")


def sim_to_real(
    sets: list[SpectrogramSet], real: SpectrogramSet, settings: SimulatedSetsSettings, out: Path,
    rng: np.random.Generator,
) -> Iterable[tuple]:  # fmt: skip
    """Three classifiers that saw simulated events only, and one-shot naming, on real events."""
    train, test = (
        TrainingData.join([TrainingData.from_spectrograms(s) for s in kind])
        for kind in (sets, [real])
    )
    checkpoint = load_checkpoint(settings.model)
    pixels, real_pixels = reduced_pixels(train), reduced_pixels(test)
    codes = [np.concatenate([encode_spectrograms(s.take(s.usable), checkpoint).mean for s in kind])
             for kind in (sets, [real])]  # fmt: skip
    pca = PCA(settings.components, svd_solver="randomized", random_state=settings.seed)
    probe = make_pipeline(pca, fit_linear_probe(pca.fit_transform(pixels), train.labels))
    said = {
        "pixels, PCA": probe.predict(real_pixels),
        "codes, linear probe": fit_linear_probe(codes[0], train.labels).predict(codes[1]),
    }
    network = train_classifier(
        train, epochs=settings.epochs, seed=settings.seed,
        progress=lambda _: print("one epoch done", file=sys.stderr),
    )  # fmt: skip
    said["network"] = predict_classes(*network, test)
    rows = zip(test.labels, *said.values(), strict=True)
    write(out / "predictions.csv", ("truth", *said), rows, show=False)
    for name, guess in said.items():
        scores = score(test.labels, guess, rng)
        confusion_matrix(scores, out / f"confusion_{name.split(',')[0]}.png", title=name)
        yield from scores.rows(f"sim to real, {name}")
    for name, space in (("codes", codes[1]), ("pixels", real_pixels)):
        shots = [score(*one_shot(space, test.labels, rng), rng, resamples=1) for _ in range(SHOTS)]
        for measure in ("accuracy", "macro_recall"):
            values = [getattr(s, measure) for s in shots]
            yield f"one-shot, {name}", measure, np.mean(values), *np.quantile(values, (0.05, 0.95))


def write(path: Path, header: Sequence[str], rows: Iterable[tuple], *, show: bool = True) -> None:
    """A table as CSV, and on stdout."""
    lines = [header, *rows]
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    for line in lines if show else ():
        cells = (f"{v:.4g}" if isinstance(v, float) else v for v in line)
        print("  ".join(f"{cell!s:>{31 if i == 0 else 14}}" for i, cell in enumerate(cells)))
