"""Adapt a model to the published training set, probe it under three splits, and make Table 1.

For each split (the one of the set, blocks of time where times are known, events at random) a
model is adapted to the training events of that split alone; then simple classifiers on its codes
name the test events, beside the model before. Events stream through memory. The
folder of results gets `comparison.csv`, a model with its card for each split (`own/model` …), the
tables of `glitchvae probe` before and after, and `table1/`.
"""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray
from pydantic import Field

from glitchvae import probes
from glitchvae.adapting import AdaptSettings, adapt_model
from glitchvae.archive import create_archive, fill_from_images
from glitchvae.archive.known_classes import job_of
from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.classes.catalog import read_catalog
from glitchvae.config import Settings, parse, read_toml
from glitchvae.dataset import add_metadata, count_images, name_classes, stream_images
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.progress import progress_of
from glitchvae.recipes import find_files, find_recipe, load_main
from glitchvae.spectrogram import IMAGING, SpectrogramSet
from glitchvae.statistics import paired_difference
from glitchvae.store import replacing, write_rows
from glitchvae.triggers import Triggers, read_triggers

HEADER = ("split", "method", "test events", "before", "after", "gain", "lowest", "highest")


class GravitySpySettings(Settings):
    """Keys of `train_on_gravity_spy.toml`."""

    data: str = ""
    metadata: str = ""
    model: str = "default"
    labels: bool = True
    splits: tuple[str, ...] = Field(default=("own", "time blocks", "random"), min_length=1)
    block: float = Field(default=86400.0, gt=0)
    seed: int = Field(default=0, ge=0)
    device: str = "cpu"
    adapt: AdaptSettings = AdaptSettings()
    table1: bool = True
    table1_settings: dict[str, Any] = Field(default_factory=dict)


class Source:
    """The published set, part by part, with the names of the catalogue and what is known of times.

    Args:
        path: The set.
        metadata: Its table of times; None where there is none.
    """

    def __init__(self, path: Path, metadata: Triggers | None) -> None:
        self.path, self.metadata, self.catalog = path, metadata, read_catalog()

    def parts(self) -> Iterator[SpectrogramSet]:
        """The usable labelled events, 256 at a time."""
        for part in stream_images(self.path):
            named = name_classes(part, self.catalog)
            if self.metadata is not None:
                named = add_metadata(named, self.metadata)
            yield named.take(named.usable & (np.asarray(named.label) != ""))

    def encoded(self, checkpoint: Checkpoint, device: str) -> probes.ProbeSet:
        """Codes and small images of all of them."""
        count = count_images(self.path)
        with progress_of(f"encoding with {checkpoint.name}", count, "events") as report:
            return probes.encode_events(
                self.parts(), checkpoint, where=self.path, device=device, progress=report
            )


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Adapt and probe split by split, then Table 1; what is there is not made again."""
    settings = parse(GravitySpySettings, read_toml(config), where=config)
    if tiny:
        settings = rehearsal(settings, out)
    (path,) = find_files([settings.data], config)
    table = find_files([settings.metadata], config)[0] if settings.metadata else None
    source = Source(path, None if table is None else read_triggers(table))
    start = load_checkpoint(settings.model, settings.device)
    events = source.encoded(start, settings.device)
    rng = np.random.default_rng(settings.seed)
    splits = probes.split_events(events, rng, block=settings.block)
    about = {"data": path.name, "block": settings.block, "seed": settings.seed}
    rows = []
    for name in filter(splits.__contains__, settings.splits):
        folder = out / name.replace(" ", "-")
        kept = dict(zip(events.event_id, splits[name], strict=True))
        tuned = adapted(source, kept, settings, folder)
        after = source.encoded(tuned, settings.device)
        outcomes = []
        for each, where in ((events, "before"), (after, "after")):
            found = probed(each, name, splits[name], settings)
            probes.write_report(folder / where, found, each, {**about, "model": where})
            outcomes.append(found)
        rows += compared(name, outcomes[0], outcomes[1], events)
    write_rows(out / "comparison.csv", HEADER, rows)
    for split, method, count, before, now, gain, low, high in rows:
        print(
            f"{split:<12} {method:<20} {count:5d} test events: {before:.3f} -> {now:.3f}"
            f"  ({100 * gain:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f})"
        )
    if settings.table1:
        make_table1(settings, path, out, tiny=tiny)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(events):,} events, peak memory {peak:,.0f} MB", file=sys.stderr)


def adapted(
    source: Source, kept: dict[str, str], settings: GravitySpySettings, folder: Path
) -> Checkpoint:
    """The model adapted to the training events of a split; test events are not in its archive."""
    model = folder / "model"
    if not (model / "card.toml").exists():
        store = create_archive(folder / "archive")
        job, _ = job_of(
            settings.model, catalog=store.own_catalog, uncertainty=False, device=settings.device
        )
        taught = {event for event, split in kept.items() if split != "test"}
        parts = (
            part.take(np.array([event in taught for event in part.event_id], dtype=bool))
            for part in source.parts()
        )
        with progress_of(f"{folder.name}: archive", len(taught), "events") as report:
            fill_from_images(store, parts, job, progress=report)
        adapt_model(
            store,
            model,
            None if settings.labels else "none",
            model=settings.model,
            settings=settings.adapt,
            device=settings.device,
            tell=lambda text: print(text, file=sys.stderr),
        )
    return load_checkpoint(model, settings.device)


def probed(
    events: probes.ProbeSet, name: str, split: NDArray[np.object_], settings: GravitySpySettings
) -> list[probes.ProbeResult]:
    """Every method under one split."""
    methods = probes.methods_for(events)
    found = probes.run_probes(
        events, {name: split}, methods, seed=settings.seed, block=settings.block
    )
    return list(found)


def compared(
    split: str,
    before: list[probes.ProbeResult],
    after: list[probes.ProbeResult],
    events: probes.ProbeSet,
) -> list[tuple[Any, ...]]:
    """A line for each method on codes: accuracy before and after, and the gain with interval."""
    rows = []
    for one, other in zip(before, after, strict=True):
        if not one.method.startswith("codes") or "shot" in one.method:
            continue
        truth = events.label[one.test]
        right = [(each.classes == truth)[None] for each in (one, other)]
        gain = paired_difference(right[1], right[0])
        shares = [float(each.mean()) for each in right]
        rows.append((split, one.method, len(truth), *shares, gain.value, *gain.interval))
    return rows


def make_table1(settings: GravitySpySettings, path: Path, out: Path, *, tiny: bool) -> None:
    """Table 1 of the annealed VAE on the same events, by its own recipe."""
    recipe = find_recipe("table1_gravity_spy")
    values = read_toml(recipe.config) | {"data": [str(path)], "block": settings.block}
    values |= {"device": settings.device} | settings.table1_settings
    with replacing(out / "table1.toml") as temporary:
        temporary.write_bytes(tomli_w.dumps(values).encode())
    load_main(recipe)(out / "table1.toml", out / "table1", tiny=tiny)


def rehearsal(settings: GravitySpySettings, out: Path) -> GravitySpySettings:
    """A few simulated events in the place of the published ones, a model of five steps."""
    path = out / "set.h5"
    if not path.exists():
        plan = plan_stretches(160, 1, balance="uniform", rates={})
        write_dataset(path, simulate_dataset(plan, IMAGING["light"]), 160)
    few = {"steps": 2, "simulated": 200, "hold_out": 100, "batch_size": 8}
    return settings.model_copy(
        update={
            "data": str(path),
            "metadata": "",
            "splits": ("own",),
            "block": 512.0,
            "adapt": settings.adapt.model_copy(update=few),
            "table1": False,
        }
    )
