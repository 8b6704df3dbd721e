"""Measure what a model makes of real glitches: published images, labelled strain, mergers.

What is not there is left out and said. The folder of results gets `bars.csv`.
"""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.dataset import read_images
from glitchvae.embedding import Embeddings, Job, embed_strain, encode_spectrograms
from glitchvae.errors import ConfigError
from glitchvae.probes import score
from glitchvae.recipes import Row, find_files, plain, show
from glitchvae.spectrogram import IMAGING
from glitchvae.store import write_rows
from glitchvae.strain import open_strain
from glitchvae.triggers import at_times

SIBLINGS = {"Tomte": "Blip_Low_Frequency", "Scattered_Light": "Fast_Scattering"}


class RealSettings(Settings):
    """Keys of `real_event_bars.toml`."""

    model: str = "default"
    events: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    mergers: tuple[tuple[str, float], ...] = ()


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Measure, print and write every figure; a rehearsal takes the images and the mergers."""
    settings = read_config(RealSettings, config)
    if tiny:
        settings = settings.model_copy(update={"labels": ()})
    checkpoint = load_checkpoint(settings.model)
    rows = [show(row) for row in measure(settings, checkpoint, config)]
    write_rows(out / "bars.csv", ("what", "measure", "value", "lowest", "highest"), rows)


def measure(settings: RealSettings, checkpoint: Checkpoint, config: Path) -> Iterator[Row]:
    """Every figure, one after the other."""
    yield from real_events(optional(settings.events, config), checkpoint)
    yield from labelled_strain(optional(settings.labels, config), checkpoint)
    yield from mergers(settings, checkpoint, config)


def real_events(paths: list[Path], checkpoint: Checkpoint) -> Iterator[Row]:
    """Nearest class of published images, and of the classes that have a single one."""
    for path in paths:
        found = encode_spectrograms(read_images(path), checkpoint)
        found = found.take(found.usable)
        label = np.asarray(found.label, dtype=object)
        names, counts = np.unique(label.astype(str), return_counts=True)
        yield from score(label, found.class_name, np.random.default_rng(0)).rows(
            f"real events, {path.name}"
        )
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


def mergers(settings: RealSettings, checkpoint: Checkpoint, config: Path) -> Iterator[Row]:
    """Whether known mergers are Chirps."""
    for pattern, gps in settings.mergers:
        for path in optional((pattern,), config):
            said = embed_at(path, gps, checkpoint).class_name[0]
            yield plain(path.name, "is a Chirp", said == "Chirp")


def embed_at(path: Path, gps: float, checkpoint: Checkpoint) -> Embeddings:
    """The code of one event of a strain file."""
    source = open_strain(path)
    triggers = at_times([gps], source.ifo)
    job = Job(checkpoint=checkpoint, imaging=IMAGING["gravity-spy"], uncertainty=False)
    ((code, _),) = embed_strain(source, triggers, job)
    return code


def optional(patterns: Iterable[str], config: Path) -> list[Path]:
    """The files that patterns match; that there is none is said, and no error."""
    try:
        return find_files(patterns, config) if patterns else []
    except ConfigError as error:
        print(f"left out: {error}", file=sys.stderr)
        return []
