"""The program of the study: see the package's docstring for what it writes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.dataset import stream_images
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.discovery.clustering import agreement
from glitchvae.embedding import Embeddings, encode_spectrograms
from glitchvae.plots.probing import reliability_diagram
from glitchvae.probes import calibrate, fit_linear_probe, score
from glitchvae.recipes import Row, find_files, plain, show
from glitchvae.spectrogram import IMAGING
from glitchvae.store import write_rows

from .sample_rates import RATES, RateTest, classify_at_rates

BLOCK_OF_TIME = 512.0
"""Seconds: simulated sets hold one stretch of noise in each, and split by them."""


class DefaultModelBarsSettings(Settings):
    """Keys of `default_model_bars.toml`."""

    model: str = "default"
    official: tuple[str, ...]
    uniform: tuple[str, ...]
    clusters: int = 36
    per_class: int = 8
    imaging: str = "gravity-spy"
    seed: int = 77


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Measure, print and write every figure."""
    settings = read_config(DefaultModelBarsSettings, config)
    if tiny:
        settings = rehearsal(settings, out)
    checkpoint = load_checkpoint(settings.model)
    rows = [show(row) for row in measure(settings, checkpoint, config, out)]
    write_rows(out / "bars.csv", ("what", "measure", "value", "lowest", "highest"), rows)


def rehearsal(settings: DefaultModelBarsSettings, out: Path) -> DefaultModelBarsSettings:
    """A little simulated set in place of all others, one event a class for the rates."""
    path = out / "simulated.h5"
    write_dataset(path, simulate_dataset(plan_stretches(72, 1), IMAGING["light"]), 72)
    return settings.model_copy(
        update={
            "official": (str(path),),
            "uniform": (str(path),),
            "clusters": 5,
            "per_class": 1,
            "imaging": "light",
        }
    )


def measure(
    settings: DefaultModelBarsSettings, checkpoint: Checkpoint, config: Path, out: Path
) -> Iterator[Row]:
    """Every figure, one after the other."""
    rng = np.random.default_rng(settings.seed)
    official = codes_of(find_files(settings.official, config), checkpoint)
    yield from probe(official, rng)
    yield from cluster(official, settings)
    uniform = codes_of(find_files(settings.uniform, config), checkpoint)
    yield from prototypes(uniform, rng, out)
    yield from rates(settings, checkpoint, out)


def codes_of(paths: Iterable[Path], checkpoint: Checkpoint) -> Embeddings:
    """The usable codes of simulated sets, which have labels and splits, read in parts."""
    parts = (
        encode_spectrograms(part, checkpoint) for path in paths for part in stream_images(path)
    )
    codes = Embeddings.join(list(parts))
    return codes.take(codes.usable)


def probe(codes: Embeddings, rng: np.random.Generator) -> Iterator[Row]:
    """Linear probe on unsupervised codes: fitted to the training split, asked of the test split."""
    train, test = codes.take(codes.split == "train"), codes.take(codes.split == "test")
    known, days = np.asarray(train.label), train.gps // BLOCK_OF_TIME
    fitted = fit_linear_probe(train.mean, known, groups=days)
    truth, said = np.asarray(test.label), fitted.predict(test.mean)
    found = score(truth, said, rng, groups=test.gps // BLOCK_OF_TIME)
    yield from found.rows("linear probe, official balance")


def cluster(codes: Embeddings, settings: DefaultModelBarsSettings) -> Iterator[Row]:
    """k-means on standardised codes against the classes, nothing of which it knows."""
    points = StandardScaler().fit_transform(codes.mean)
    group = KMeans(settings.clusters, random_state=settings.seed).fit_predict(points)
    found = agreement(group, np.asarray(codes.label))
    for measure, value in found._asdict().items():
        yield plain(f"{settings.clusters} clusters, official balance", measure, value)


def prototypes(codes: Embeddings, rng: np.random.Generator, out: Path) -> Iterator[Row]:
    """Nearest class of the test split, and how well its probability is kept."""
    test = codes.take(codes.split == "test")
    found = score(np.asarray(test.label), test.class_name, rng, groups=test.gps // BLOCK_OF_TIME)
    yield from found.rows("nearest class, uniform balance")
    kept = calibrate(test.class_probability, test.class_name == np.asarray(test.label))
    yield plain("class probability, uniform balance", "calibration error", kept.error)
    reliability_diagram({"nearest class": kept}, out / "reliability.png")


def rates(settings: DefaultModelBarsSettings, checkpoint: Checkpoint, out: Path) -> Iterator[Row]:
    """The same glitches imaged at four sample rates: do they keep the class of the first?"""
    imaging = IMAGING[settings.imaging]
    test = classify_at_rates(checkpoint, imaging, per_class=settings.per_class, seed=settings.seed)
    for rate in RATES:
        kept = test.kept(rate).mean()
        yield plain("same events at lower rates", f"same class at {rate:g} Hz", kept)
    columns = ("class", "sample rate", "same class", "right class", "mean probability")
    write_rows(out / "rates.csv", columns, rates_by_class(test))


def rates_by_class(test: RateTest) -> Iterator[tuple[str, float, float, float, float]]:
    """Lines of `rates.csv`."""
    for rate in RATES:
        found, kept = test.at(rate), test.kept(rate)
        for label in np.unique(found.truth.astype(str)):
            own = found.truth == label
            right = (found.class_name[own] == label).mean()
            yield label, rate, kept[own].mean(), right, found.class_probability[own].mean()
