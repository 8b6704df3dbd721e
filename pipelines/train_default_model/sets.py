"""The simulated sets of a recipe, made once, in simulated noise or in that of real strain."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from glitchvae.config import Settings
from glitchvae.dataset.donors import Donor, find_donors
from glitchvae.dataset.simulated import (
    RATES,
    SPLITS,
    plan_stretches,
    simulate_dataset,
    truth_path,
    write_dataset,
)
from glitchvae.recipes import find_files
from glitchvae.spectrogram import imaging_settings


class SetSettings(Settings):
    """One simulated set of images.

    Attributes:
        imaging: Name of its imaging settings.
        count: Events.
        seed: With the settings it fixes every byte.
        balance: How often each class occurs.
        ifos: Detectors of the simulated noise, in turn.
        rates: Sample rates (Hz) below that of the imaging, and their shares.
        splits: Shares of train, validation and test.
        real_noise: Share of the events that stand in real noise.
        share: Of the events of a batch, relative to the other sets; where no set has one,
            every event is as likely.
    """

    imaging: str
    count: int = Field(ge=1)
    seed: int
    balance: str = "uniform"
    ifos: tuple[str, ...] = ("H1", "L1")
    rates: dict[float, float] = Field(default_factory=lambda: dict(RATES))
    splits: dict[str, float] = Field(default_factory=lambda: dict(SPLITS))
    real_noise: float = Field(default=0.0, ge=0, le=1)
    share: float | None = Field(default=None, gt=0)


class NoiseSettings(Settings):
    """Real strain that lends its noise.

    Attributes:
        files: Names or patterns.
        labels: Tables of labelled glitches with a column `file`: what they name lends
            nothing, so that figures on those glitches are of strain the model never met.
    """

    files: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def make_sets(
    sets: Sequence[SetSettings], noise: NoiseSettings, folder: Path, device: str, config: Path
) -> list[Path]:
    """The simulated sets of some settings; those that are there are not made again."""
    paths = [folder / f"{each.imaging}-{each.seed}.h5" for each in sets]
    missing = [(each, path) for each, path in zip(sets, paths, strict=True) if not path.exists()]
    wanted = any(each.real_noise for each, _ in missing)
    donors = read_donors(noise, config) if wanted else []
    for each, path in missing:
        make_set(each, path, donors, device)
    return paths


def read_donors(noise: NoiseSettings, config: Path) -> list[Donor]:
    """The donors among the files of some settings; how much noise they hold is said."""
    held_out = set()
    for table in find_files(noise.labels, config) if noise.labels else ():
        with table.open(newline="", encoding="utf-8") as stream:
            held_out |= {row["file"] for row in csv.DictReader(stream)}
    files = find_files(noise.files, config)
    donors = find_donors(path for path in files if path.name not in held_out)
    seconds = sum(donor.seconds for donor in donors)
    print(f"{len(donors)} donors with {seconds:.0f} s of quiet noise", file=sys.stderr)
    return donors


def make_set(settings: SetSettings, path: Path, donors: Sequence[Donor], device: str) -> None:
    """Simulate a set and write it, and beside it what its events are."""
    print(f"simulating {settings.count} events: {path}", file=sys.stderr, flush=True)
    imaging = imaging_settings(settings.imaging)
    stretches = plan_stretches(
        settings.count,
        settings.seed,
        balance=settings.balance,
        ifos=settings.ifos,
        sample_rate=imaging.sample_rate,
        rates=settings.rates,
        donors=donors,
        real_noise=settings.real_noise,
        splits=settings.splits,
    )
    parts = simulate_dataset(stretches, imaging, device=device)
    write_dataset(path, parts, settings.count).write(truth_path(path))
