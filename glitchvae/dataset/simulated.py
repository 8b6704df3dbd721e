"""Image sets of simulated glitches, with label, split and truth, for training and tests.

Glitches are injected into stretches of noise, several to a stretch and far enough apart
that no image sees two of them. A stretch is one block of time: all of it goes to one
split. Some stretches are sampled at a lower rate, so that a model meets images whose
upper rows are missing. The noise of a stretch is simulated, or that of a real detector
(`glitchvae.dataset.donors`); then each glitch stands in a copy of its own.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import cast

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from glitchvae.dataset.donors import Donor, choose_donor, cut_around, draw_centre, lend_noise
from glitchvae.errors import InputError
from glitchvae.progress import Progress
from glitchvae.simulate import FAMILIES, Truth, draw_labels, inject
from glitchvae.simulate.noise import Unsteadiness, asd, measured_asd
from glitchvae.simulate.strain import START, add_glitch
from glitchvae.simulate.truth import truth_of
from glitchvae.spectrogram import ImagingSettings, SpectrogramSet
from glitchvae.spectrogram.imaging import image_strain, tile_snr
from glitchvae.status import Status
from glitchvae.store import replacing
from glitchvae.strain import Strain
from glitchvae.threads import ahead

SPACING = 9.0
"""Seconds between glitches of one stretch; a waveform reaches at most 4 s."""

PER_STRETCH = 8
"""Glitches of one stretch."""

APART = 512.0
"""GPS seconds from the start of one stretch to the next."""

RATES: Mapping[float, float] = MappingProxyType({4096.0: 0.2, 2048.0: 0.07, 1024.0: 0.03})
"""Sample rates below the imaging's own, and the share of events made at each."""

SPLITS: Mapping[str, float] = MappingProxyType({"train": 0.7, "validation": 0.15, "test": 0.15})
"""Share of the stretches in each split: that of the training set v1.1."""


@dataclass(frozen=True, kw_only=True)
class SimulatedStretch:
    """Plan of one stretch of noise: its glitches, detector and sample rate.

    Attributes:
        number: Its place in the set.
        seed: Of its random numbers.
        sample_rate: Hz.
        ifo: Detector.
        labels: Class of each glitch.
        split: Split of all of them.
        donor: Real strain whose noise it has; None for simulated noise.
    """

    number: int
    seed: np.random.SeedSequence
    sample_rate: float
    ifo: str
    labels: tuple[str, ...]
    split: str
    donor: Donor | None = None


def plan_stretches(
    count: int,
    seed: int,
    *,
    balance: str = "official",
    ifos: Sequence[str] = ("H1", "L1"),
    sample_rate: float = 8192.0,
    rates: Mapping[float, float] = RATES,
    donors: Sequence[Donor] = (),
    real_noise: float = 0.0,
    splits: Mapping[str, float] = SPLITS,
) -> list[SimulatedStretch]:
    """Distribute `count` events over stretches.

    Args:
        count: Events.
        seed: The same seed gives the same plan.
        balance: How often each class occurs ("official", "o3", "uniform").
        ifos: Detectors, used in equal shares.
        sample_rate: Of the events that are not made at a lower rate (Hz).
        rates: Lower rates and their shares; a class that a rate cannot show is made at
            the full one.
        donors: Real strain that lends its noise.
        real_noise: Share of the stretches that have noise of theirs; in a split that no
            donor belongs to, all noise is simulated.
        splits: Shares of the stretches that go to train, validation and test.

    Raises:
        InputError: no events, no detectors, no such balance, or real noise without a donor.
    """
    if real_noise and not donors:
        raise InputError(
            "real noise needs a donor",
            expected="at least one donor",
            found=f"a share of {real_noise:g} and none",
        )
    if count < 1 or not ifos:
        raise InputError(
            "nothing to simulate",
            expected="at least one event and one detector",
            found=f"{count} events of {len(ifos)} detectors",
        )
    root = np.random.SeedSequence(seed)
    rng = np.random.default_rng(root)
    groups = _group_by_rate(draw_labels(balance, count, rng), sample_rate, rates, rng)
    parts = [
        (rate, tuple(labels[first : first + PER_STRETCH]))
        for rate, labels in groups.items()
        for first in range(0, len(labels), PER_STRETCH)
    ]
    split = rng.choice(list(splits), len(parts), p=list(splits.values()))
    lenders = [
        choose_donor(donors, name, rng) if real_noise and rng.random() < real_noise else None
        for name in map(str, split)
    ]
    return [
        SimulatedStretch(
            number=i,
            seed=child,
            sample_rate=rate,
            ifo=ifos[i % len(ifos)] if donor is None else donor.strain.ifo,
            labels=labels,
            split=str(split[i]),
            donor=donor,
        )
        for i, ((rate, labels), donor, child) in enumerate(
            zip(parts, lenders, root.spawn(len(parts)), strict=True)
        )
    ]


def _group_by_rate(
    labels: list[str], full: float, rates: Mapping[float, float], rng: np.random.Generator
) -> dict[float, list[str]]:
    """Labels by sample rate, each at a rate that can show its class."""
    lower = {rate: share for rate, share in rates.items() if rate < full}
    choices = [full, *lower]
    shares = [1 - sum(lower.values()), *lower.values()]
    groups: defaultdict[float, list[str]] = defaultdict(list)
    for label, rate in zip(labels, rng.choice(choices, len(labels), p=shares), strict=True):
        groups[rate if rate >= FAMILIES[label].lowest_rate else full].append(label)
    return {rate: groups[rate] for rate in sorted(groups, reverse=True)}


def image_stretch(
    stretch: SimulatedStretch, imaging: ImagingSettings, *, device: str = "cpu"
) -> tuple[SpectrogramSet, Truth]:
    """Simulate one stretch and image every glitch in it, in the order of time."""
    blocks, truth = _simulate(stretch, imaging)
    return _image(blocks, truth, stretch.split, imaging, device), truth


def _simulate(stretch: SimulatedStretch, imaging: ImagingSettings) -> tuple[list[Strain], Truth]:
    """Strain around each glitch, and the truth about the glitches."""
    if stretch.donor is not None:
        return _inject_into(stretch, stretch.donor, imaging)
    rng = np.random.default_rng(stretch.seed)
    count = len(stretch.labels)
    jitter = rng.uniform(-0.5, 0.5, count)
    times = imaging.block / 2 + 1.0 + SPACING * np.arange(count) + jitter
    strain, truth = inject(
        times,
        stretch.labels,
        duration=float(np.ceil(times[-1] + imaging.block / 2 + 1.0)),
        ifo=stretch.ifo,
        sample_rate=stretch.sample_rate,
        start=START + APART * stretch.number,
        rng=rng,
        curve=asd(stretch.ifo),
        unsteadiness=Unsteadiness(),
        simulation={"stretches": PER_STRETCH, "spacing": SPACING},
    )
    starts = np.round(truth.gps - imaging.block / 2)
    return [strain.crop(start, start + imaging.block) for start in starts], truth


def _inject_into(
    stretch: SimulatedStretch, donor: Donor, imaging: ImagingSettings
) -> tuple[list[Strain], Truth]:
    """Inject each glitch into its own copy of a donor's strain, at a quiet time.

    The events get times of their own, as those of other stretches do; the time of the noise
    stands among the parameters.
    """
    rng = np.random.default_rng(stretch.seed)
    noise = lend_noise(donor, stretch.sample_rate, rng)
    curve = measured_asd(noise.values, noise.sample_rate)
    blocks, rows = [], []
    for place, label in enumerate(stretch.labels):
        centre = draw_centre(donor, rng)
        block = cut_around(noise, centre, imaging.block)
        sample = round((centre - block.start) * block.sample_rate)
        row = add_glitch(block.values, sample, label, block.sample_rate, curve, rng)
        gps = START + APART * stretch.number + SPACING * place
        row["parameters"] = {**row["parameters"], "noise_gps": round(centre, 4)}
        rows.append({"gps": gps, **row})
        blocks.append(replace(block, start=gps - sample / block.sample_rate))
    simulation = {"stretches": PER_STRETCH, "spacing": SPACING, "curve": "measured"}
    return blocks, truth_of(donor.strain.ifo, rows, simulation)


def _image(
    blocks: list[Strain], truth: Truth, split: str, imaging: ImagingSettings, device: str
) -> SpectrogramSet:
    made = image_strain(blocks, truth.gps, imaging, device=device)
    short = blocks[0].duration < imaging.block - 0.5 / blocks[0].sample_rate
    return SpectrogramSet(
        images=made.views.astype(np.float16),
        event_id=truth.event_id,
        gps=truth.gps,
        ifo=truth.ifo,
        snr=tile_snr(made.peak_energy),
        peak_frequency=made.peak_frequency,
        q=made.q,
        duration=truth.duration,
        bandwidth=truth.bandwidth,
        f_max=_repeated(made.f_max, len(truth)),
        block_duration=_repeated(blocks[0].duration, len(truth)),
        status=np.full(len(truth), Status.OK, object),
        flags=np.full(len(truth), "short_block" if short else "", object),
        label=truth.label,
        split=np.full(len(truth), split, dtype=object),
        imaging=imaging.model_dump(mode="json"),
    )


def _repeated(value: float, count: int) -> NDArray[np.float32]:
    return np.full(count, value, dtype=np.float32)


def simulate_dataset(
    stretches: Sequence[SimulatedStretch], imaging: ImagingSettings, *, device: str = "cpu"
) -> Iterator[tuple[SpectrogramSet, Truth]]:
    """Simulate stretches one after the other; rows of images and truth match.

    While a GPU makes the images of one, the host's cores simulate the next: noise takes
    longer there than its images.
    """
    helpers = 0 if torch.device(device).type == "cpu" else os.cpu_count() or 1
    made = ahead(partial(_simulate, imaging=imaging), stretches, helpers)
    for stretch, (blocks, truth) in zip(stretches, made, strict=True):
        yield _image(blocks, truth, stretch.split, imaging, device), truth


def truth_path(path: str | Path) -> Path:
    """Path of the truth of a set: `set_truth.h5` beside `set.h5`."""
    path = Path(path)
    return path.with_name(f"{path.stem}_truth.h5")


def keep_truth(
    parts: Iterable[tuple[SpectrogramSet, Truth]], truths: list[Truth], progress: Progress
) -> Iterator[SpectrogramSet]:
    """Yield the images of `parts` and append their truth to `truths`."""
    for images, truth in parts:
        truths.append(truth)
        yield images
        progress(len(images))


def write_dataset(
    path: str | Path,
    parts: Iterable[tuple[SpectrogramSet, Truth]],
    count: int,
    *,
    progress: Progress = lambda _: None,
) -> Truth:
    """Write image sets to one file as they come; memory holds one part at a time.

    The file is what `SpectrogramSet.write` would have written for all of them.

    Args:
        path: Replaced only once all parts are in.
        parts: Images and truth, `count` rows in all.
        count: Rows.
        progress: Called with the number of events just finished.

    Returns:
        The truth of all rows, in the order of the file.

    Raises:
        StorageError: the disk refused the write.
    """
    truths: list[Truth] = []
    with replacing(path) as temporary:
        first = 0
        for images in keep_truth(parts, truths, progress):
            if first == 0:
                _lay_out(images, temporary, count)
            _fill(images, temporary, first)
            first += len(images)
    return Truth.join(truths)


def _lay_out(part: SpectrogramSet, path: Path, count: int) -> None:
    """An empty file for `count` rows with the schema and attributes of `part`."""
    part.take(slice(0, 0)).write(path)
    with h5py.File(path, "a") as file:
        for field in part.columns():
            value = getattr(part, field.name)
            del file[field.name]
            text = value.dtype == object
            file.create_dataset(
                field.name,
                shape=(count, *value.shape[1:]),
                dtype=h5py.string_dtype() if text else value.dtype,
                **(
                    _COMPRESSED | {"chunks": (1, *value.shape[1:])}
                    if field.metadata["compress"]
                    else {}
                ),
            )


def _fill(part: SpectrogramSet, path: Path, first: int) -> None:
    with h5py.File(path, "a") as file:
        for field in part.columns():
            dataset = cast("h5py.Dataset", file[field.name])
            dataset[first : first + len(part)] = getattr(part, field.name)


_COMPRESSED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
