"""The program of the study: see the package's docstring for what it writes."""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae import probes
from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.config import Settings, read_config
from glitchvae.errors import InputError
from glitchvae.plots import Curve, curves
from glitchvae.recipes import find_files, find_recipe, run_recipe
from glitchvae.store import replacing, write_rows
from glitchvae.training import TrainingData
from glitchvae.validation.robustness.boundaries import ClassScores
from glitchvae.validation.robustness.whitened_events import prototypes_of

from .comparing import (
    ModelHardness,
    Models,
    as_markdown,
    compare_hardness,
)
from .hardness import corrupt_images, measure_hardness

TABLE, PIXELS = "table1_gravity_spy", "pixels, PCA"
SIZES = np.geomspace(0.01, 3.0, 40)


class HardestCodesSettings(Settings):
    """Keys of `hardest_codes.toml`."""

    runs: str = ""
    data: tuple[str, ...] = ()
    pool: int = 5
    block: float = 512.0
    baseline: str = "VAE"
    steps: int = 60


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Measure every model, then compare."""
    settings = read_config(HardestCodesSettings, config)
    if tiny:
        settings = settings.model_copy(update={"runs": "", "data": (), "steps": 5})
    runs = Path(settings.runs or out / TABLE)
    if not settings.runs:
        run_recipe(find_recipe(TABLE), runs, tiny=tiny)
    folders = sorted({path.parent for path in runs.glob("*/predictions.csv")} - {runs / PIXELS})
    if not folders:
        raise InputError("no models of Table 1", where=runs, expected=f"results of {TABLE}")
    paths = find_files(settings.data, config) if settings.data else [runs / "set.h5"]
    data, blocks = probes.read_pooled(paths, pool=settings.pool, block=settings.block)
    found, short = defaultdict(list), defaultdict(list)
    for folder in folders:
        name, _, seed = folder.name.rpartition("-")
        short[name] += [f"seed {seed}: {each}" for each in read_card(folder).shortfalls]
        found[name].append(measure(folder, data, blocks, settings.steps))
        print(f"{name} {seed}: {found[name][-1].probe.median:.3f}", file=sys.stderr)
    write_models(found, out / "hardness.csv")
    draw(found, out / "hardness.png")
    rows = compare_hardness(found, settings.baseline, groups=blocks[data.rows("test")])
    with replacing(out / "against.md") as temporary:
        text = as_markdown(rows, settings.baseline, short)
        temporary.write_text(text, encoding="utf-8")
    print(text, end="")


def measure(folder: Path, data: TrainingData, blocks: NDArray, steps: int) -> ModelHardness:
    """Fit the linear probe to all but the test events, then attack and corrupt those."""
    checkpoint = load_checkpoint(folder)
    codes = probes.encode_data(checkpoint, data)
    rest, test = data.rows("train", "validation"), data.rows("test")
    probe = probes.fit_linear_probe(codes[rest], data.labels[rest], groups=blocks[rest])
    by_probe = ClassScores.of_probe(probe)
    nearest = ClassScores.of_prototypes(prototypes_of(checkpoint))
    x, truth = data.batch(torch.from_numpy(test)).x, data.labels[test]
    return ModelHardness(
        probe=measure_hardness(checkpoint.model, by_probe, x, truth, steps=steps),
        nearest=measure_hardness(checkpoint.model, nearest, x, truth, steps=steps),
        corruptions=corrupt_images(checkpoint, by_probe, x),
    )


def write_models(found: Models, path: Path) -> None:
    """Accuracies, median distances and the shares kept under each corruption, model by model."""
    rows, header = [], []
    for name, models in found.items():
        for seed, one in enumerate(models):
            kept = [
                (f"{corruption} {at.strength:g}", at.share)
                for corruption in one.corruptions.corruptions
                for at in one.corruptions.of(corruption).kept()
            ]
            header = [corruption for corruption, _ in kept]
            figures = [
                f for hit in (one.probe, one.nearest) for f in (hit.right.mean(), hit.median)
            ]
            rows.append((name, seed, *figures, *(share for _, share in kept)))
    columns = ("probe_accuracy", "probe_distance", "nearest_accuracy", "nearest_distance")
    write_rows(path, ("objective", "seed", *columns, *header), rows)


def draw(found: Models, path: Path) -> None:
    """Accuracy of the linear probe under attack; bands hold the seeds."""
    lines = {}
    for name, models in found.items():
        left = np.stack([one.probe.accuracy_under(SIZES) for one in models])
        lines[name] = Curve(SIZES, left.mean(axis=0), left.min(axis=0), left.max(axis=0))
    curves(
        lines,
        path,
        xscale="log",
        xlabel="size of the perturbation (Euclidean norm)",
        ylabel="named rightly whatever the perturbation",
    )
