"""Measure what a model makes of real glitches: published images, labelled strain, mergers.

What is not there is left out and said; where nothing is there, there is no table. The folder
of results gets `bars.csv`. A rehearsal measures simulated events in the same way.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.dataset import read_images
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.embedding import Embeddings, Job, embed_strain, encode_spectrograms
from glitchvae.errors import ConfigError, InputError
from glitchvae.probes import score
from glitchvae.recipes import Row, find_files, plain, show
from glitchvae.spectrogram import IMAGING
from glitchvae.store import write_rows
from glitchvae.strain import StrainSource, open_strain, write_gwosc
from glitchvae.triggers import at_times
from glitchvae.validation.robustness.strain_events import read_events, simulate_class

SIBLINGS = {"Tomte": "Blip_Low_Frequency", "Scattered_Light": "Fast_Scattering"}


class RealSettings(Settings):
    """Keys of `real_event_bars.toml`."""

    model: str = "default"
    events: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    mergers: tuple[tuple[str, float], ...] = ()


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Measure, print and write every figure."""
    settings = read_config(RealSettings, config)
    settings = rehearsal(settings, out) if tiny else settings
    checkpoint = load_checkpoint(settings.model)
    rows = [show(row) for row in measure(settings, checkpoint, config)]
    if not rows:
        raise InputError(
            "nothing to measure",
            where=config,
            expected="published images, labelled strain or mergers",
            found="none of the files",
            remedy="Set the environment variables it names, "
            "or change its patterns: `glitchvae recipe copy real_event_bars`.",
        )
    write_rows(out / "bars.csv", ("what", "measure", "value", "lowest", "highest"), rows)


def rehearsal(settings: RealSettings, out: Path) -> RealSettings:
    """Simulated images, two labelled glitches in strain and a merger in place of real ones."""
    write_dataset(
        out / "simulated.h5", simulate_dataset(plan_stretches(24, 1), IMAGING["light"]), 24
    )
    lines = ["file,gps,label"]
    for label in ("Blip", "Tomte", "Chirp"):
        strain, truth = simulate_class(label, 1, spacing=1, margin=16, sample_rate=4096.0, seed=1)
        write_gwosc(out / f"{label}.hdf5", strain)
        lines.append(f"{label}.hdf5,{truth.gps[0]},{label}")
    (out / "labels.csv").write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    return settings.model_copy(
        update={
            "events": (str(out / "simulated.h5"),),
            "labels": (str(out / "labels.csv"),),
            "mergers": ((str(out / "Chirp.hdf5"), float(lines[-1].split(",")[1])),),
        }
    )


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
            f"labelled images, {path.name}"
        )
        alone = np.isin(label, names[counts == 1])
        right = found.class_name == label
        if alone.any():
            yield plain(f"labelled images, {path.name}", "one-per-class", right[alone].mean())
        for name in names[counts > 1]:
            yield plain(f"labelled images, {path.name}", name, right[label == name].mean())


def labelled_strain(paths: list[Path], checkpoint: Checkpoint) -> Iterator[Row]:
    """Real strain with published labels: the label's own class, or its sibling's name."""
    same = SIBLINGS | {b: a for a, b in SIBLINGS.items()}
    found = []
    for path in paths:
        for source, gps, label in read_events(path):
            code = embed_at(source, gps, checkpoint)
            if code.usable[0]:
                said = code.class_name[0]
                print(f"{source.files[0].name}: {label}, said {said}", file=sys.stderr)
                found.append((said == label, said in (label, same.get(label))))
    if found:
        exact, near = np.mean(found, axis=0)
        yield plain(f"labelled strain, {len(found)} glitches", "same class", exact)
        yield plain(f"labelled strain, {len(found)} glitches", "same class or sibling", near)


def mergers(settings: RealSettings, checkpoint: Checkpoint, config: Path) -> Iterator[Row]:
    """Whether known mergers are Chirps."""
    for pattern, gps in settings.mergers:
        for path in optional((pattern,), config):
            said = embed_at(open_strain(path), gps, checkpoint).class_name[0]
            yield plain(path.name, "is a Chirp", said == "Chirp")


def embed_at(source: StrainSource, gps: float, checkpoint: Checkpoint) -> Embeddings:
    """The code of one event in strain."""
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
