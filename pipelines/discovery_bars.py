"""Measure what discovery finds of classes that are held out, and what it finds of nothing.

Known classes come from one labelled set, the archive from another. Each class, and pairs, are
taken from what is known and looked for; archives of known events alone say what chance makes.
A group that rendered events show to be a known class, displaced, counts as missed.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.classes.novelty import Novelty
from glitchvae.classes.prototypes import Prototypes
from glitchvae.config import Settings, read_config
from glitchvae.dataset import stream_images
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.discovery import DiscoverySettings
from glitchvae.discovery.clustering import agreement, find_groups
from glitchvae.discovery.efficiency import (
    COMPLETENESS,
    PURITY,
    Trial,
    hold_out,
    holdable_classes,
    name_events,
    null_runs,
    without,
)
from glitchvae.discovery.rendering import Renderer
from glitchvae.embedding import Embeddings, encode_spectrograms
from glitchvae.plots import Curve, curves
from glitchvae.probes import pool_images
from glitchvae.recipes import find_files
from glitchvae.spectrogram import ImagingSettings, imaging_settings
from glitchvae.store import write_rows

LOUD, RATES = 15.0, (1e-2, 1e-3, 1e-4)


class DiscoveryBarsSettings(Settings):
    """Keys of `discovery_bars.toml`."""

    known: tuple[str, ...]
    archive: tuple[str, ...]
    model: str = "default"
    classes: tuple[str, ...] = ()
    fewest: int = 30
    pairs: int = 30
    nulls: int = 100
    null_events: int = 2000
    seed: int = 0
    search: DiscoverySettings = DiscoverySettings()


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Encode, hold out, count."""
    settings = read_config(DiscoveryBarsSettings, config)
    settings = rehearsal(settings, out) if tiny else settings
    model, rng = load_checkpoint(settings.model), np.random.default_rng(settings.seed)
    known = encode(find_files(settings.known, config), model)[0]
    archive, pixels = encode(find_files(settings.archive, config), model)
    truth = name_events(archive)
    prototypes = Prototypes.fit(known.mean, name_events(known), seed=settings.seed)
    names = holdable_classes(truth, prototypes, settings.classes, settings.fewest)
    pairs = [tuple(map(str, rng.choice(names, 2, replace=False))) for _ in range(settings.pairs)]
    renderer = None
    if settings.search.rendered:
        kept, imaging = out / "rendered", ImagingSettings(**archive.imaging)
        count = settings.search.rendered
        renderer = Renderer(checkpoint=model, imaging=imaging, kept=kept, count=count)
    search, look = settings.search, {"renderer": renderer}
    header = ("classes", *Trial.__dataclass_fields__, "recovered")
    for title, cases in (("one", [(name,) for name in names]), ("two", pairs)):
        rows = (
            ("+".join(held), *vars(trial).values(), trial.recovered)
            for held in cases
            for trial in hold_out(archive, truth, without(prototypes, held), held, search, **look)
        )
        table(out, f"leave_{title}_out", header, rows)
    rows = ceilings(archive, truth, known, prototypes, names)
    table(out, "ceiling", ("class", "purity", "completeness", "recovered"), rows)
    table(out, "null", ("what", "value"), nothing(archive, truth, prototypes, settings, rng, out))
    rows = novelties(archive, truth, prototypes, names)
    table(out, "novelty", ("class", "what", "value"), rows)
    rows = groupings(archive, truth, pixels, prototypes)
    table(out, "clustering", ("codes", "purity", "nmi", "ari"), rows)


def encode(paths: list[Path], model: Checkpoint) -> tuple[Embeddings, np.ndarray]:
    """Codes of labelled images, and their pixels, squares of ten averaged."""
    codes, small = [], []
    for path in paths:
        for images in stream_images(path):
            usable = images.take(images.usable)
            codes.append(encode_spectrograms(usable, model))
            pooled = np.nan_to_num(pool_images(usable.images.astype(np.float32), 10))
            small.append(np.log1p(pooled).reshape(len(usable), -1))
        print(f"{path.name}: read", file=sys.stderr)
    return Embeddings.join(codes), np.concatenate(small)


def ceilings(
    archive: Embeddings,
    truth: np.ndarray,
    known: Embeddings,
    prototypes: Prototypes,
    names: list[str],
) -> Iterator[tuple]:
    """What a linear classifier that has every label finds of each class in the same codes.

    Known events and two thirds of the archive teach it, each class with the weight that it has
    in the archive; the last third is tested, three times. Its threshold is the best one: that
    of the largest completeness at the purity of the bar, or of the largest purity.
    """
    labels = name_events(known)
    points, others = archive.mean @ prototypes.whitener, known.mean @ prototypes.whitener
    probability = np.zeros((len(archive), len(names)))
    for taught, tested in StratifiedKFold(3, shuffle=True, random_state=0).split(points, truth):
        owners = np.concatenate([truth[taught], labels]).astype(str)
        classes, place, held = np.unique(owners, return_inverse=True, return_counts=True)
        wanted = np.array([(truth[taught] == name).sum() for name in classes])
        linear = LogisticRegression(max_iter=2000).fit(
            np.concatenate([points[taught], others]), owners, (wanted / held)[place]
        )
        columns = [list(linear.classes_).index(name) for name in names]
        probability[tested] = linear.predict_proba(points[tested])[:, columns]
    for name, column in zip(names, probability.T, strict=True):
        purity, completeness, _ = precision_recall_curve(truth == name, column)
        enough = np.where(purity[:-1] >= PURITY, completeness[:-1], 0.0)
        best = enough.argmax() if enough.any() else purity[:-1].argmax()
        figures = float(purity[best]), float(completeness[best])
        yield name, *figures, figures[0] >= PURITY and figures[1] >= COMPLETENESS


def nothing(
    archive: Embeddings,
    truth: np.ndarray,
    prototypes: Prototypes,
    settings: DiscoveryBarsSettings,
    rng: np.random.Generator,
    out: Path,
) -> Iterator[tuple]:
    """False candidates of archives without a new class, and whether p-values are uniform."""
    size = {"runs": settings.nulls, "events": settings.null_events}
    runs = list(null_runs(archive, truth, prototypes, settings.search, rng, **size))
    false, p = [run.candidates for run in runs], np.concatenate([run.p_values for run in runs])
    yield from (("false candidates a run", np.mean(false)), ("most in one run", max(false)))
    if count := len(p):
        yield from (("tests", count), ("KS p-value", float(stats.kstest(p, "uniform").pvalue)))
        rank = np.arange(1, count + 1)
        even, (low, high) = rank / count, stats.beta.interval(0.9, rank, count + 1 - rank)
        lines = {"no new class": Curve(np.sort(p), even, even, even)}
        lines["uniform"] = Curve(even, even, low, high)
        curves(lines, out / "p_values.png", xlabel="p-value", ylabel="share of tests below")


def novelties(
    archive: Embeddings, truth: np.ndarray, prototypes: Prototypes, names: list[str]
) -> Iterator[tuple]:
    """AUC, and recall of loud events at rates of false alarms as they are promised."""
    for name in names:
        novelty = Novelty.fit(without(prototypes, [name]))
        novel, new = novelty.novelty(archive.mean), truth == name
        loud = new & (archive.snr >= LOUD)
        yield name, "AUC", float(roc_auc_score(new, novelty.score(archive.mean)))
        for rate in RATES:
            yield name, f"false alarms at {rate:g}", float((novel[~new] > 1 - rate).mean())
            if loud.sum() >= 10:
                yield name, f"recall at {rate:g}", float((novel[loud] > 1 - rate).mean())


def groupings(
    archive: Embeddings, truth: np.ndarray, pixels: np.ndarray, prototypes: Prototypes
) -> Iterator[tuple]:
    """How well groups of codes, of pixels and of trigger columns agree with the classes."""
    columns = [archive.snr, archive.peak_frequency, archive.q, archive.duration, archive.bandwidth]
    logs = np.nan_to_num(np.log(np.maximum(columns, 1e-6))).T
    scaled = (logs - logs.mean(axis=0)) / (logs.std(axis=0) + 1e-9)
    spaces = {"codes": archive.mean @ prototypes.whitener, "trigger columns": scaled}
    pca = PCA(min(50, *pixels.shape), svd_solver="randomized", random_state=0)
    spaces["pixels, PCA"] = pca.fit_transform(pixels)
    for name, points in spaces.items():
        found = find_groups(points, method="gmm", min_events=2, groups=min(36, len(points) // 4))
        yield name, *agreement(found, truth)


def table(out: Path, name: str, header: tuple, rows: Iterable[tuple]) -> None:
    """Print and write rows."""
    kept = list(rows)
    print(*(" ".join(map(str, (name, *row))) for row in kept), sep="\n", flush=True)
    write_rows(out / f"{name}.csv", header, kept)


def rehearsal(settings: DiscoveryBarsSettings, out: Path) -> DiscoveryBarsSettings:
    """Two little simulated sets."""
    imaging, paths = imaging_settings("light"), [out / f"{n}.h5" for n in ("known", "archive")]
    for seed, path in enumerate(paths):
        write_dataset(path, simulate_dataset(plan_stretches(96, seed), imaging), 96)
    small = {"known": (str(paths[0]),), "archive": (str(paths[1]),), "fewest": 7, "pairs": 1}
    small["search"] = settings.search.model_copy(update={"rendered": 6})
    return settings.model_copy(update={**small, "nulls": 2, "null_events": 40})
