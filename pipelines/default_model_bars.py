"""Measure what a model is worth: probes, clusters, real events, sample rates, calibration.

Everything that a user relies on is measured on events the model was not trained on: the
test split of simulated sets, simulated events made for this alone, and real ones where they
are at hand. The folder of results gets `bars.csv`, `rates.csv` (share of each class that
keeps its name at lower sample rates) and `reliability.png`.
"""

import csv
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler

from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.dataset import read_images, stream_images
from glitchvae.embedding import Embeddings, embed_strain, encode_spectrograms
from glitchvae.errors import ConfigError, ModelError
from glitchvae.models import prepare
from glitchvae.noise import Unsteadiness, asd
from glitchvae.plots.probing import reliability_diagram
from glitchvae.probes import calibrate, fit_linear_probe, score
from glitchvae.recipes import find_files, write_rows
from glitchvae.simulate import FAMILIES, inject
from glitchvae.simulated_set import SPACING, plan_stretches, simulate_dataset, write_dataset
from glitchvae.spectrogram import IMAGING, ImagingSettings, image_strain
from glitchvae.strain import Strain, open_strain
from glitchvae.training.data import text_or_empty
from glitchvae.triggers import at_times
from glitchvae.whitening import resample

Row = tuple[str, str, float, float, float]
"""What was measured, the measure, its value, and an interval (NaN where there is none)."""

RATES = (16384.0, 4096.0, 2048.0, 1024.0)
BLOCK_OF_TIME = 512.0
"""Seconds: simulated sets hold one stretch of noise in each, and split by them."""

SIBLINGS = {"Tomte": "Blip_Low_Frequency", "Scattered_Light": "Fast_Scattering"}


class BarsSettings(Settings):
    """Keys of `default_model_bars.toml`."""

    model: str = "default"
    official: tuple[str, ...]
    uniform: tuple[str, ...]
    events: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    mergers: tuple[tuple[str, float], ...] = ()
    clusters: int = 36
    per_class: int = 8
    imaging: str = "gravity-spy"
    seed: int = 77


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Measure, print and write every figure."""
    settings = read_config(BarsSettings, config)
    if tiny:
        settings = rehearsal(settings, out)
    checkpoint = load_checkpoint(settings.model)
    rows = [show(row) for row in measure(settings, checkpoint, config, out)]
    write_rows(out / "bars.csv", ("what", "measure", "value", "lowest", "highest"), rows)


def rehearsal(settings: BarsSettings, out: Path) -> BarsSettings:
    """A little simulated set in place of all others, one event a class for the rates."""
    path = out / "simulated.h5"
    write_dataset(path, simulate_dataset(plan_stretches(72, 1), IMAGING["light"]), 72)
    return settings.model_copy(update={
        "official": (str(path),), "uniform": (str(path),), "events": (), "labels": (),
        "mergers": (), "clusters": 5, "per_class": 1, "imaging": "light",
    })  # fmt: skip


def measure(
    settings: BarsSettings, checkpoint: Checkpoint, config: Path, out: Path
) -> Iterator[Row]:
    """Every figure, one after the other."""
    rng = np.random.default_rng(settings.seed)
    official = codes_of(find_files(settings.official, config), checkpoint)
    yield from probe(official, rng)
    yield from cluster(official, settings)
    uniform = codes_of(find_files(settings.uniform, config), checkpoint)
    yield from prototypes(uniform, rng, out)
    yield from rates(settings, checkpoint, out)
    yield from real_events(optional(settings.events, config), checkpoint, rng)
    yield from labelled_strain(optional(settings.labels, config), checkpoint)
    yield from mergers(settings, checkpoint, config)
    yield from upkeep(find_files(settings.official, config)[0], checkpoint)


def codes_of(paths: Iterable[Path], checkpoint: Checkpoint) -> Embeddings:
    """The usable codes of sets of images, read in parts."""
    parts = (
        encode_spectrograms(part, checkpoint) for path in paths for part in stream_images(path)
    )
    codes = Embeddings.join(list(parts))
    return codes.take(codes.usable)


def truth_of(codes: Embeddings) -> NDArray[np.object_]:
    """(N,) labels, "" where there is none."""
    return text_or_empty(codes.label, len(codes))


def in_split(codes: Embeddings, split: str) -> Embeddings:
    """The codes of one split."""
    return codes.take(text_or_empty(codes.split, len(codes)) == split)


def probe(codes: Embeddings, rng: np.random.Generator) -> Iterator[Row]:
    """Linear probe on unsupervised codes: fitted to the training split, asked of the test split."""
    train, test = in_split(codes, "train"), in_split(codes, "test")
    fitted = fit_linear_probe(train.mean, truth_of(train), groups=train.gps // BLOCK_OF_TIME)
    said = fitted.predict(test.mean)
    found = score(truth_of(test), said, rng, groups=test.gps // BLOCK_OF_TIME)
    yield from found.rows("linear probe, official balance")


def cluster(codes: Embeddings, settings: BarsSettings) -> Iterator[Row]:
    """k-means on standardised codes against the classes, nothing of which it knows."""
    points = StandardScaler().fit_transform(codes.mean)
    group = KMeans(settings.clusters, random_state=settings.seed).fit_predict(points)
    labels = truth_of(codes).astype(str)
    most = [np.unique(labels[group == g], return_counts=True)[1].max() for g in np.unique(group)]
    what = f"{settings.clusters} clusters, official balance"
    yield plain(what, "purity", sum(most) / len(codes))
    yield plain(what, "NMI", normalized_mutual_info_score(labels, group))
    yield plain(what, "ARI", adjusted_rand_score(labels, group))


def prototypes(codes: Embeddings, rng: np.random.Generator, out: Path) -> Iterator[Row]:
    """Nearest class of the test split, and how well its probability is kept."""
    test = in_split(codes, "test")
    found = score(truth_of(test), test.class_name, rng, groups=test.gps // BLOCK_OF_TIME)
    yield from found.rows("nearest class, uniform balance")
    kept = calibrate(test.class_probability, test.class_name == truth_of(test))
    yield plain("class probability, uniform balance", "calibration error", kept.error)
    reliability_diagram({"nearest class": kept}, out / "reliability.png")


def rates(settings: BarsSettings, checkpoint: Checkpoint, out: Path) -> Iterator[Row]:
    """The same glitches imaged at four sample rates: do they keep the class of the first?"""
    names = sorted(FAMILIES)
    found = [np.concatenate(each) for each in zip(
        *(classes_at_rates(n, i, settings, checkpoint) for i, n in enumerate(names)), strict=True
    )]  # fmt: skip
    truth = np.repeat(np.array(names, dtype=object), settings.per_class)
    lines = []
    for rate, (name, sure) in zip(
        RATES, [(f[:, 0], f[:, 1].astype(float)) for f in found], strict=True
    ):
        same = name == found[0][:, 0]
        yield plain("same events at lower rates", f"same class at {rate:g} Hz", same.mean())
        lines += [
            (label, rate, same[own].mean(), (name[own] == label).mean(), sure[own].mean())
            for label in names for own in [truth == label]
        ]  # fmt: skip
    columns = ("class", "sample rate", "same class", "right class", "mean probability")
    write_rows(out / "rates.csv", columns, lines)


def classes_at_rates(
    label: str, number: int, settings: BarsSettings, checkpoint: Checkpoint
) -> list[np.ndarray]:
    """(N, 2) class and probability of glitches of one class, for each rate."""
    imaging = IMAGING[settings.imaging]
    count = settings.per_class
    times = imaging.block / 2 + 1.0 + SPACING * np.arange(count, dtype=np.float64)
    strain, truth = inject(
        times, [label] * count, duration=float(np.ceil(times[-1] + imaging.block / 2 + 1)),
        ifo="H1", sample_rate=RATES[0], start=1.24e9 + 4096.0 * number,
        rng=np.random.default_rng((settings.seed, number)), curve=asd("H1"),
        unsteadiness=Unsteadiness(), simulation={},
    )  # fmt: skip
    print(f"{label}: {count} events at {len(RATES)} rates", file=sys.stderr)
    return [classify_at(rate, strain, truth.gps, imaging, checkpoint) for rate in RATES]


def classify_at(
    rate: float, strain: Strain, gps: np.ndarray, imaging: ImagingSettings, checkpoint: Checkpoint
) -> np.ndarray:
    """(N, 2) class and probability of each event of a strain, resampled to a rate before."""
    lower = Strain(
        values=resample(strain.values, strain.sample_rate, rate), start=strain.start,
        sample_rate=rate, ifo=strain.ifo,
    )  # fmt: skip
    starts = np.round(gps - imaging.block / 2)
    blocks = [lower.crop(start, start + imaging.block) for start in starts]
    views = image_strain(blocks, gps, imaging).views
    prototypes = checkpoint.prototypes
    if prototypes is None:
        raise ModelError("no class prototypes", where=checkpoint.path)
    found = prototypes.classify(encode_views(views, checkpoint))
    return np.column_stack([found.class_name, found.class_probability])


def encode_views(views: np.ndarray, checkpoint: Checkpoint) -> np.ndarray:
    """(N, Z) posterior means of energies (N, 4, F, T)."""
    with torch.inference_mode():
        return checkpoint.model.encode(prepare(torch.from_numpy(views))[0]).mean.numpy()


def real_events(
    paths: list[Path], checkpoint: Checkpoint, rng: np.random.Generator
) -> Iterator[Row]:
    """Nearest class of published images, and of the classes that have a single one."""
    for path in paths:
        found = encode_spectrograms(read_images(path), checkpoint)
        found = found.take(found.usable)
        label = truth_of(found).astype(str)
        names, counts = np.unique(label, return_counts=True)
        yield from score(truth_of(found), found.class_name, rng).rows(f"real events, {path.name}")
        alone = np.isin(label, names[counts == 1])
        right = found.class_name == label
        yield plain(f"real events, {path.name}", "one-per-class", right[alone].mean())
        for name in names[counts > 1]:
            yield plain(f"real events, {path.name}", name, right[label == name].mean())


def labelled_strain(paths: list[Path], checkpoint: Checkpoint) -> Iterator[Row]:
    """Real strain with published labels: the label's own class, or its sibling's name."""
    same = SIBLINGS | {b: a for a, b in SIBLINGS.items()}
    found = []
    for path in paths:
        with path.open(encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                code = embed_at(path.parent / row["file"], float(row["gps"]), checkpoint)
                if code.usable[0]:
                    said = code.class_name[0]
                    print(f"{row['file']}: {row['label']}, said {said}", file=sys.stderr)
                    found.append(
                        (said == row["label"], said in (row["label"], same.get(row["label"])))
                    )
    if found:
        exact, near = np.mean(found, axis=0)
        yield plain(f"labelled strain, {len(found)} glitches", "same class", exact)
        yield plain(f"labelled strain, {len(found)} glitches", "same class or sibling", near)


def mergers(settings: BarsSettings, checkpoint: Checkpoint, config: Path) -> Iterator[Row]:
    """Whether known mergers are Chirps."""
    for pattern, gps in settings.mergers:
        for path in optional((pattern,), config):
            said = embed_at(path, gps, checkpoint).class_name[0]
            yield plain(path.name, "is a Chirp", said == "Chirp")


def embed_at(path: Path, gps: float, checkpoint: Checkpoint) -> Embeddings:
    """The code of one event of a strain file."""
    source = open_strain(path)
    triggers = at_times([gps], source.ifo)
    ((code, _),) = embed_strain(source, triggers, checkpoint, IMAGING["gravity-spy"])
    return code


def upkeep(path: Path, checkpoint: Checkpoint) -> Iterator[Row]:
    """Size, speed and repeatability."""
    size = sum(file.stat().st_size for file in checkpoint.path.iterdir() if file.is_file())
    yield plain("model", "megabytes", size / 1e6)
    images = next(stream_images(path))
    encode_spectrograms(images, checkpoint)
    start = time.perf_counter()
    codes = [encode_spectrograms(images, checkpoint).mean for _ in range(3)]
    yield plain("model", "events/s", 3 * len(images) / (time.perf_counter() - start))
    yield plain("model", "same codes again", np.array_equal(codes[0], codes[1], equal_nan=True))


def optional(patterns: Iterable[str], config: Path) -> list[Path]:
    """The files that patterns match; that there is none is said, and no error."""
    try:
        return find_files(patterns, config) if patterns else []
    except ConfigError as error:
        print(f"left out: {error}", file=sys.stderr)
        return []


def plain(what: str, measure: str, value: float) -> Row:
    """A figure without an interval."""
    return what, measure, float(value), np.nan, np.nan


def show(row: Row) -> Row:
    """Print a figure for people, and hand it on."""
    what, measure, value, low, high = row
    spread = "" if np.isnan(low) else f"  ({low:.3f} to {high:.3f})"
    print(f"{what:<45} {measure:<28} {value:8.4g}{spread}")
    return row
