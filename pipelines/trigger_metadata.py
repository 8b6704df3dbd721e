"""Compare the triggers of simulated glitches with real ones, and classify real ones by them.

Searches simulated strain and compares SNR, peak frequency, duration and bandwidth with the
metadata of a real set, class by class; and classifies the real set by its metadata alone,
which images must beat. Tables and a page of curves go to the folder of results.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from glitchvae.config import Settings, read_config
from glitchvae.plots import marginals
from glitchvae.probes import score
from glitchvae.recipes import find_files
from glitchvae.simulate import simulate_strain
from glitchvae.store import write_rows
from glitchvae.triggers import Triggers, find_triggers

MEASURES = ("snr", "peak_frequency", "duration", "bandwidth")
FEATURES = ("duration", "peak_frequency", "central_freq", "bandwidth", "amplitude", "snr")
DAY = 86400.0


class TriggerMetadataSettings(Settings):
    """Keys of `trigger_metadata.toml`."""

    metadata: str
    stretches: int = 24
    seed: int = 0


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """The two comparisons, one after the other."""
    settings = read_config(TriggerMetadataSettings, config)
    if tiny:
        settings = rehearsal(settings, out)
    (path,) = find_files([settings.metadata], config)
    table = {k: np.asarray(v) for k, v in arrow_csv.read_csv(path).to_pydict().items()}
    compare_marginals(table, settings.stretches, out)
    rows = show(metadata_alone(table, np.random.default_rng(settings.seed)))
    write_rows(out / "scores.csv", ("what", "measure", "value", "lowest", "highest"), rows)


def rehearsal(settings: TriggerMetadataSettings, out: Path) -> TriggerMetadataSettings:
    """One stretch of simulated strain in place of the real table."""
    label, found = search_stretch(1)
    count = len(found)
    columns = {n: getattr(found, n if n in MEASURES else "snr") for n in FEATURES}
    columns |= {"event_time": found.gps + DAY * np.arange(count), "ifo": found.ifo, "label": label}
    columns |= {"sample_type": np.resize(["train", "test"], count)}
    write_rows(out / "metadata.csv", list(columns), zip(*columns.values(), strict=True))
    return settings.model_copy(update={"metadata": str(out / "metadata.csv"), "stretches": 1})


def compare_marginals(table: dict[str, Any], stretches: int, out: Path) -> None:
    """Two-sample Kolmogorov-Smirnov distances by class, and curves of both."""
    found = [search_stretch(seed) for seed in range(stretches)]
    label = np.concatenate([labels for labels, _ in found])
    pairs = {
        (name, n): (
            table[n][table["label"] == name],
            np.concatenate([getattr(triggers, n) for _, triggers in found])[label == name],
        )
        for name in sorted(set(table["label"]) & set(label))
        for n in MEASURES
    }
    tests: dict[Any, Any] = {key: ks_2samp(*pair) for key, pair in pairs.items()}
    rows = [(*k, *map(len, pairs[k]), t.statistic, t.pvalue) for k, t in tests.items()]
    header = ("class", "measure", "real", "simulated", "ks", "p")
    write_rows(out / "marginals.csv", header, show(rows))
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
        "categorical_features": [len(FEATURES)],
        "early_stopping": False,
        "l2_regularization": 1.0,
    }
    trees = HistGradientBoostingClassifier(**options, random_state=0)
    test = table["sample_type"] == "test"
    guess = trees.fit(x[~test], y[~test]).predict(x[test])
    yield from score(y[test], guess, rng).rows("metadata, official split")
    folds = GroupKFold(5)
    guess = cross_val_predict(trees, x, y, groups=day, cv=folds)
    yield from score(y, np.asarray(guess), rng, groups=day).rows("metadata, days held out")


def show(rows: Iterable[tuple]) -> list[tuple]:
    """Print rows for people, and hand them on."""
    kept = list(rows)
    for row in kept:
        cells = (f"{v:.4g}" if isinstance(v, float) else v for v in row)
        print("  ".join(f"{cell!s:>{31 if i == 0 else 14}}" for i, cell in enumerate(cells)))
    return kept
