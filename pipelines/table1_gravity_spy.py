"""Train every objective under one protocol and probe its codes: Table 1 of the annealed VAE.

Model, latent size, steps, split and probe are the same for all; each objective is trained
with several seeds into a folder of its own, and a finished one is not trained again. The
folder of results ends up with the table (Markdown and CSV), its figure, the verdicts on
the order that the paper claims, and a page of all that. A seed whose loss diverges is set aside
and named.
"""

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae import probes
from glitchvae.checkpoint import load_checkpoint, read_card
from glitchvae.config import Settings, read_config
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.errors import ConfigError, DivergenceError, InputError
from glitchvae.models import build
from glitchvae.plots.probing import ranking_bars
from glitchvae.recipes import find_files
from glitchvae.recipes.settings import SETTINGS, enter, settings_in
from glitchvae.spectrogram import imaging_settings
from glitchvae.statistics import Claim, Comparison, by_chance, claims_markdown
from glitchvae.store import replacing, write_rows
from glitchvae.training import TrainingConfig, TrainingData, changed_config, train

PIXELS, PREDICTIONS, FAILED = "pixels, PCA", "predictions.csv", "failed.txt"
FREE = ("seeds", "objectives", "claims", "device")
"""Settings in which a study that goes on may differ."""


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
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    device: str = "cpu"
    training: dict[str, Any]
    objectives: tuple[ObjectiveSettings, ...]
    claims: tuple[tuple[str, str], ...] = ()

    def reductions(self) -> tuple[str, ...]:
        """What is not as in the paper, whose events are the 22 classes of Gravity Spy."""
        found = {
            "simulated events": not self.data,
            f"squares of {self.pool} x {self.pool} pixels averaged": self.pool > 1,
        }
        return tuple(name for name, differs in found.items() if differs)


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Read or simulate, train and probe what is missing, then write the table."""
    settings = read_config(Table1Settings, config)
    if tiny:
        settings = rehearsal(settings)
    runs = plan_runs(settings, config)
    enter(out, settings, free=FREE)
    paths = find_files(settings.data, config) if settings.data else [simulate(settings, out)]
    data, blocks = probes.read_pooled(paths, pool=settings.pool, block=settings.block)
    for name, run in runs.items():
        if (out / name / PREDICTIONS).exists() or (out / name / FAILED).exists():
            continue
        print(name, file=sys.stderr)
        try:
            codes = train_and_encode(data, run, out / name, settings.device)
        except DivergenceError as error:
            set_aside(out / name, error)
            continue
        probe(probes.fit_linear_probe, codes, data, blocks, out / name)
    pixels = data.batch(slice(None)).x[:, :-1].flatten(1).numpy()
    probe(probes.fit_pixel_probe, pixels, data, blocks, out / PIXELS)
    write_table(settings, blocks[data.rows("test")], out)


def plan_runs(settings: Table1Settings, config: Path) -> dict[str, TrainingConfig]:
    """Settings of every run by the name of its folder: all objectives, seed after seed.

    Raises:
        ConfigError: an unknown key or a bad value; a claim of an objective that is not there.
        ModelError: an objective that does not fit its model.
    """
    names = [line.name for line in settings.objectives]
    for name in (name for claim in settings.claims for name in claim):
        if name not in names:
            raise ConfigError("a claim of no objective", where=config, expected=names, found=name)
    runs = {}
    for seed in settings.seeds:
        for line in settings.objectives:
            table = {**settings.training, "objective": line.objective, "seed": seed}
            table |= {"model": line.model} if line.model else {}
            runs[f"{line.name}-{seed}"] = changed_config(table, {}, where=config)
    for run in {repr(run.objective): run for run in runs.values()}.values():
        values = run.model_dump()["model"]
        run.objective.check(build(values.pop("architecture"), values))
    return runs


def set_aside(folder: Path, error: DivergenceError) -> None:
    """Keep why a training failed; without the file it is tried again."""
    print(f"set aside: {error}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / FAILED) as temporary:
        temporary.write_text(f"{error}\n", encoding="utf-8")


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


def read_entry(
    line: ObjectiveSettings, seeds: Sequence[int], out: Path, *, reduced: bool
) -> probes.Entry:
    """Some seeds of one objective, with distortion and rate of the validation events in nats."""
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
        reduced=reduced,
    )


def write_table(settings: Table1Settings, blocks: NDArray, out: Path) -> None:
    """`table1.csv`, `table1.md` with the claims of an order, `table1.png` and `page.md`."""
    lines = {line.name: line for line in settings.objectives}
    failed = {
        (name, seed): path.read_text(encoding="utf-8").strip()
        for name in lines
        for seed in settings.seeds
        if (path := out / f"{name}-{seed}" / FAILED).exists()
    }
    write_rows(
        out / "failed.csv", ("method", "seed", "failure"), [(*k, v) for k, v in failed.items()]
    )
    trained = {
        name: [seed for seed in settings.seeds if (name, seed) not in failed] for name in lines
    }
    reduced = bool(settings.reductions())
    truth, classes = probes.read_predictions([out / PIXELS / PREDICTIONS])
    entries = [
        read_entry(lines[name], seeds, out, reduced=reduced)
        for name, seeds in trained.items()
        if seeds
    ]
    ranked = probes.rank(
        truth, [*entries, probes.Entry(name=PIXELS, classes=classes)], groups=blocks
    )
    order = []
    for claim in settings.claims:
        both = [s for s in settings.seeds if all(s in trained[name] for name in claim)]
        pair = [read_entry(lines[name], both, out, reduced=reduced) for name in claim if both]
        order += (
            probes.check_order(truth, pair, [claim], groups=blocks) if pair else [no_pair(claim)]
        )
    print(probes.write_ranking(out / "table1", ranked, order))
    ranking_bars(ranked, out / "table1.png")
    with replacing(out / "claims.md") as temporary:
        temporary.write_text(claims_markdown(order), encoding="utf-8")
    write_page(out, out / "page.md")


def no_pair(claim: tuple[str, str]) -> Claim:
    """A claim of two objectives that have no trained seed in common."""
    return Claim(text=f"{claim[0]} above {claim[1]} (points of accuracy)", found=None)


def write_page(folder: Path, path: Path, *, command: str = "make results") -> Path:
    """The page of a study: settings, published values beside ours, claims, figure, notes.

    Args:
        folder: Of results: `settings.toml`, `table1.csv` and what else the recipe wrote.
        path: Where the page goes.
        command: That writes it, to be told.

    Raises:
        InputError: the folder holds no study.
        StorageError: the disk refused the write.
    """
    settings, table = settings_in(folder, Table1Settings), folder / "table1.csv"
    if settings is None or not table.exists():
        raise InputError("no study here", where=folder, expected=f"{SETTINGS} and table1.csv")
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    stated = {line.name: line.published for line in settings.objectives if line.published}
    compared = {
        row["method"]: Comparison(
            published=stated[row["method"]],
            ours=tuple(map(float, row["seeds"].split())),
            reduced=bool(settings.reductions()),
            fell_short=len({x.partition(":")[0] for x in row["shortfalls"].split("; ") if x}),
        )
        for row in rows
        if row["method"] in stated
    }
    parts = [
        PAGE.format(command=command, less="; ".join(settings.reductions()) or "nothing"),
        by_chance(list(compared.values())),
        "",
        "| objective | seeds | accuracy | by seed | distortion | rate | published | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        beside = compared.get(row["method"])
        cells = (
            row["method"],
            f"{len(row['seeds'].split())}",
            f"{float(row['accuracy']):.3f} [{float(row['low']):.3f}, {float(row['high']):.3f}]",
            " ".join(f"{float(value):.3f}" for value in row["seeds"].split()),
            *(
                f"{float(row[name]):.5g}" if row.get(name) else ""
                for name in ("distortion", "rate")
            ),
            "not stated" if beside is None else f"{beside.published:.4f}",
            "" if beside is None else beside.verdict,
        )
        parts.append(f"| {' | '.join(cells)} |")
    for name, title in (("claims.md", "## The order that the paper claims\n"), ("notes.md", "")):
        if (folder / name).exists():
            parts += ["", title, (folder / name).read_text(encoding="utf-8")]
    if (folder / "table1.png").exists():
        picture = os.path.relpath(folder / "table1.png", path.parent)
        parts += ["", f"![Accuracy by objective; diamonds are published]({picture})"]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    return path


PAGE = """# Table 1: objectives side by side

*This page is written from the results beside it: `{command}`.*

Table 1 of "beta-Annealed Variational Autoencoder for glitches" (Sankarapandian & Kulis): accuracy
of a linear classifier on latents, 22 classes of Gravity Spy, repeated by `glitchvae recipe run
table1_gravity_spy`. The paper does not state beta, C, gamma and beta0, the size of latents and
images, steps, split, classifier and seeds.

Not as in the paper: {less}. A published value is consistent where one more of our trainings would
lie with a probability of 90 %; below five seeds nothing is judged, and a value of another setting
is compared by rank only. In brackets: 90 % intervals. Principal components of the same images are
the last line. Distortion and rate are in nats, of validation events.
"""
