"""How robust a model's classes are: attacks on strain, and corruptions of it.

Simulated glitches, and those of tables of one's own, are attacked (`attacks.csv`, a line an
event) and corrupted as detectors do (`corruptions.csv`, `corruptions.png`). `summary.md` has
the medians.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from glitchvae.checkpoint import Checkpoint, load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.plots.corruptions import corruption_panels
from glitchvae.recipes import find_files
from glitchvae.simulate import FAMILIES
from glitchvae.spectrogram import imaging_settings
from glitchvae.spectrogram.blocks import cut_block
from glitchvae.store import replacing, write_rows
from glitchvae.validation.robustness.corruption_test import Kept
from glitchvae.validation.robustness.strain_attacks import attack_strain, noise_limit
from glitchvae.validation.robustness.strain_corruptions import corrupt_strain
from glitchvae.validation.robustness.strain_events import (
    Event,
    events_of,
    read_events,
    simulate_class,
)
from glitchvae.validation.robustness.whitened_events import classify_blocks, whiten_event

SPACING = 36.0  # seconds: the longest block of a corruption holds one simulated glitch
COLUMNS = ("events", "class", "target", "gps", "event_snr", "attack_snr", "white_noise_snr")
Attacked = tuple[str, str, str, float, float, float, float]
"""A line of `attacks.csv`, with `COLUMNS`; NaN where the target was not reached."""


class AttackSettings(Settings):
    """Simulated glitches of one class, and what they are to be taken for."""

    label: str
    target: str
    count: int
    snr: tuple[float, float]


class GlitchRobustnessSettings(Settings):
    """Keys of `glitch_robustness.toml`."""

    model: str = "default"
    imaging: str = "light"
    seed: int = 0
    events: tuple[str, ...] = ()
    target: str = "Koi_Fish"
    sample_rate: float = 4096.0
    classes: tuple[str, ...] = tuple(sorted(FAMILIES))
    per_class: int = 3
    attacks: tuple[AttackSettings, ...]


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Attack, corrupt, and write what came of it."""
    settings = read_config(GlitchRobustnessSettings, config)
    if tiny:
        settings = rehearsal(settings)
    checkpoint, imaging = load_checkpoint(settings.model), imaging_settings(settings.imaging)
    tables = find_files(settings.events, config) if settings.events else []
    known = [event for table in tables for event in read_events(table)]
    known = [e for e in known if cut_block(e.source, e.gps, imaging).strain is not None]
    attacked: list[Attacked] = []
    for spec in settings.attacks:
        some = simulated(spec.label, 3 * spec.count, settings, spec.snr)
        found = attack(checkpoint, some, spec.target, "simulated", settings)
        attacked += islice(found, spec.count)
    attacked += attack(checkpoint, known, settings.target, "tables", settings)
    write_rows(out / "attacks.csv", COLUMNS, attacked)
    every = [simulated(label, settings.per_class, settings) for label in settings.classes]
    events = {"simulated": [event for some in every for event in some], "tables": known}
    tests = {
        origin: corrupt_strain(checkpoint, some, imaging, seed=settings.seed)
        for origin, some in events.items()
        if some
    }
    corruption_panels(tests, out / "corruptions.png")
    kept = [
        (origin, corruption, *one)
        for origin, test in tests.items()
        for corruption in test.corruptions
        for one in test.of(corruption).kept()
    ]
    write_rows(out / "corruptions.csv", ("origin", "corruption", *Kept._fields), kept)
    lines = [
        *summary(attacked),
        "",
        "| events | corruption | half have another class from |",
        "|---|---|---|",
    ]
    for origin, test in tests.items():
        test.write(out / f"corruptions-{origin}.h5")
        lines += [f"| {origin} | {name} | {test.of(name).half} |" for name in test.corruptions]
    with replacing(out / "summary.md") as temporary:
        temporary.write_text(text := "\n".join(lines) + "\n", encoding="utf-8")
    print(text, end="")


def rehearsal(settings: GlitchRobustnessSettings) -> GlitchRobustnessSettings:
    """One attack, one event of two classes, at a low rate."""
    one = settings.attacks[0].model_copy(update={"count": 1})
    few = {"events": (), "classes": ("Blip", "Tomte"), "per_class": 1, "attacks": (one,)}
    return settings.model_copy(update={**few, "sample_rate": 1024.0})


def simulated(
    label: str,
    count: int,
    settings: GlitchRobustnessSettings,
    snr: tuple[float, float] = (0.0, np.inf),
) -> Iterator[Event]:
    """Of some simulated glitches of a class those within a range of SNR."""
    strain, truth = simulate_class(
        label,
        count,
        spacing=SPACING,
        margin=SPACING / 2,
        sample_rate=settings.sample_rate,
        seed=settings.seed,
    )
    inside = (snr[0] <= truth.snr) & (truth.snr <= snr[1])
    return (event for event, good in zip(events_of(strain, truth), inside, strict=True) if good)


def attack(
    checkpoint: Checkpoint,
    events: Iterable[Event],
    target: str,
    origin: str,
    settings: GlitchRobustnessSettings,
) -> Iterator[Attacked]:
    """Attack one after the other what the model names rightly."""
    rng, imaging = np.random.default_rng(settings.seed), imaging_settings(settings.imaging)
    for source, gps, label in events:
        event = whiten_event(source, gps, imaging)
        if label == target or classify_blocks(checkpoint, event, event.block).class_name != label:
            continue
        least = attack_strain(checkpoint, event, target).smallest
        limit = noise_limit(checkpoint, event, rng)
        print(f"{label} -> {target}: {least:.2f} of {event.snr:.1f}", file=sys.stderr)
        yield origin, label, target, gps, event.snr, least, limit


def summary(attacked: Iterable[Attacked]) -> Iterator[str]:
    """A line for each origin, class and target."""
    yield "| events | attack | reached | SNR of the attack | of the event's SNR | white noise |"
    yield "|---|---|---|---|---|---|"
    for (origin, label, target), group in groupby(sorted(attacked), key=lambda one: one[:3]):
        event, least, noise = np.array([one[4:] for one in group]).T
        reached = f"{np.isfinite(least).sum()} of {len(least)}"
        cells = (spread(values) for values in (least, least / event, noise))
        yield f"| {origin} | {label} to {target} | {reached} | {' | '.join(cells)} |"


def spread(values: np.ndarray) -> str:
    """Median and range of what is finite."""
    if not len(usable := values[np.isfinite(values)]):
        return "none"
    return f"{np.median(usable):.3g} ({usable.min():.3g} to {usable.max():.3g})"
