"""Train every objective under one protocol and probe its codes: Table 1 of the annealed VAE.

Model, latent size, steps, split and probe are the same for all; each objective is trained
with several seeds into a folder of its own, and a finished one is not trained again. The
folder of results ends up with the table (Markdown and CSV), its figure, and the verdicts on
the order that the paper claims.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae import probes
from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.config import Settings, read_config
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.plots.probing import ranking_bars
from glitchvae.recipes import find_files
from glitchvae.spectrogram import imaging_settings
from glitchvae.training import TrainingConfig, TrainingData, changed_config, train

PIXELS, PREDICTIONS = "pixels, PCA", "predictions.csv"


class ObjectiveSettings(Settings):
    """One line of the table."""

    name: str
    objective: dict[str, Any]
    model: dict[str, Any] | None = None
    published: float | None = None


class Table1Settings(Settings):
    """Keys of `table1_gravity_spy.toml`."""

    data: tuple[str, ...] = ()
    count: int = 8000
    block: float = 512.0
    pool: int = 1
    seeds: tuple[int, ...] = (0, 1, 2)
    device: str = "cpu"
    training: dict[str, Any]
    objectives: tuple[ObjectiveSettings, ...]
    claims: tuple[tuple[str, str], ...] = ()


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Read or simulate, train and probe what is missing, then write the table."""
    settings = read_config(Table1Settings, config)
    if tiny:
        settings = rehearsal(settings)
    runs = plan_runs(settings, config)
    paths = find_files(settings.data, config) if settings.data else [simulate(settings, out)]
    data, blocks = probes.read_pooled(paths, pool=settings.pool, block=settings.block)
    for name, run in runs.items():
        if not (out / name / PREDICTIONS).exists():
            print(name, file=sys.stderr)
            codes = train_and_encode(data, run, out / name, settings.device)
            probe(probes.fit_linear_probe, codes, data, blocks, out / name)
    pixels = data.batch(slice(None)).x[:, :-1].flatten(1).numpy()
    probe(probes.fit_pixel_probe, pixels, data, blocks, out / PIXELS)
    write_table(settings, blocks[data.rows("test")], out)


def plan_runs(settings: Table1Settings, config: Path) -> dict[str, TrainingConfig]:
    """Settings of every run by the name of its folder: all objectives, seed after seed."""
    runs = {}
    for seed in settings.seeds:
        for line in settings.objectives:
            table = {**settings.training, "objective": line.objective, "seed": seed}
            table |= {"model": line.model} if line.model else {}
            runs[f"{line.name}-{seed}"] = changed_config(table, {}, where=config)
    return runs


def train_and_encode(data: TrainingData, run: TrainingConfig, folder: Path, on: str) -> NDArray:
    """Train into `folder`, or go on there; the codes of all events."""
    train(data, run, folder, resume=(folder / "resume").exists(), device=on)
    return probes.encode_data(load_checkpoint(folder), data)


def rehearsal(settings: Table1Settings) -> Table1Settings:
    """Few events and steps of the same kind."""
    training = {**settings.training, "steps": 3, "batch_size": 8}
    changes = {"data": (), "count": 160, "seeds": (0, 1), "training": training}
    return settings.model_copy(update=changes)


def simulate(settings: Table1Settings, out: Path) -> Path:
    """A simulated set with the classes of the official one in its proportions, made once."""
    path, imaging = out / "set.h5", imaging_settings("light")
    if not path.exists():
        print(f"simulating {settings.count} events: {path}", file=sys.stderr)
        stretches = plan_stretches(settings.count, 1, sample_rate=imaging.sample_rate)
        write_dataset(path, simulate_dataset(stretches, imaging), settings.count)
    return path


def probe(fit: Any, codes: NDArray, data: TrainingData, blocks: NDArray, folder: Path) -> None:
    """Learn from all but the test events, and keep what the probe calls those."""
    rest, test = data.rows("train", "validation"), data.rows("test")
    named = fit(codes[rest], data.labels[rest], groups=blocks[rest]).predict(codes[test])
    probes.write_predictions(folder / PREDICTIONS, data.labels[test], named)


def read_entry(line: ObjectiveSettings, seeds: tuple[int, ...], out: Path) -> probes.Entry:
    """All seeds of one objective, with distortion and rate of the validation events in nats."""
    folders = [out / f"{line.name}-{seed}" for seed in seeds]
    _, classes = probes.read_predictions([folder / PREDICTIONS for folder in folders])
    cards = [read_card(folder) for folder in folders]
    figures = {
        name: float(np.mean([card.figures[f"validation_{key}"] for card in cards]))
        for name, key in (("distortion", "reconstruction"), ("rate", "rate"))
    }
    shortfalls = tuple(f"seed {card.seed}: {each}" for card in cards for each in card.shortfalls)
    return probes.Entry(
        name=line.name,
        classes=classes,
        published=line.published,
        figures=figures,
        shortfalls=shortfalls,
    )


def write_table(settings: Table1Settings, blocks: NDArray, out: Path) -> None:
    """`table1.csv`, `table1.md` with the claims of an order, and `table1.png`."""
    entries = [read_entry(line, settings.seeds, out) for line in settings.objectives]
    truth, classes = probes.read_predictions([out / PIXELS / PREDICTIONS])
    entries.append(probes.Entry(name=PIXELS, classes=classes))
    lines = probes.rank(truth, entries, groups=blocks)
    order = probes.check_order(truth, entries, settings.claims, groups=blocks)
    print(probes.write_ranking(out / "table1", lines, order))
    ranking_bars(lines, out / "table1.png")
