"""Simulated events for replay during adaptation, and the noise of an archive's pictures.

A model that learns from an archive alone forgets what the archive has little of. So simulated
events of all classes are among those it learns from: made from the seed, since no set is shipped.
They stand in simulated noise, or in that of the quiet times of strain that is given, and borrow
that of the archive's pictures while they teach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from glitchvae.adapting.events import Events
from glitchvae.adapting.settings import AUGMENTATION, AdaptSettings
from glitchvae.dataset import stream_images
from glitchvae.dataset.donors import Donor
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.progress import Progress
from glitchvae.shapes import ENERGY_CEILING
from glitchvae.spectrogram import SpectrogramSet, imaging_settings
from glitchvae.store import digest
from glitchvae.training import TrainingData
from glitchvae.training.augmentation import NOISE_ENERGY
from glitchvae.training.data import LEFT_OUT, digest_of, joint_digest

PER_FILE = 500
"""Events per file: the most that an interrupted run has to make again."""

REAL_NOISE = 0.5
"""Share of the simulated events in real noise, if strain is given."""

QUIET = 128
"""Number of pictures of noise made from those of an archive."""

_ASKED = 1024  # pictures among which the quietest are looked for
_ROUNDS = 12  # times that a loud pixel is looked up in another picture


def simulated_sets(
    folder: Path,
    count: int,
    settings: AdaptSettings,
    *,
    splits: Mapping[str, float],
    seed: int,
    donors: Sequence[Donor] = (),
    device: str = "cpu",
    progress: Progress = lambda _: None,
) -> list[Path]:
    """Files of simulated events of all classes in equal numbers; existing files are reused.

    Args:
        folder: Where they are kept.
        count: Events in all.
        settings: Imaging.
        splits: Shares of train, validation and test.
        seed: With all else it fixes every byte.
        donors: Real strain that lends its noise.
        device: Where images are made.
        progress: Told of events.

    Raises:
        StorageError: the disk refused a write.
    """
    imaging = imaging_settings(settings.imaging)
    about = {
        "imaging": imaging.model_dump(mode="json"),
        "splits": dict(splits),
        "donors": {donor.name: digest(donor.strain.values.tobytes()) for donor in donors},
    }
    paths = []
    for number, first in enumerate(range(0, count, PER_FILE)):
        own = min(PER_FILE, count - first)
        path = folder / f"simulated-{digest({**about, 'key': [seed, number, own]})[:12]}.h5"
        paths.append(path)
        if path.exists():
            progress(own)
            continue
        stretches = plan_stretches(
            own,
            int(np.random.SeedSequence((seed, number)).generate_state(1)[0]),
            balance="uniform",
            sample_rate=imaging.sample_rate,
            donors=donors,
            real_noise=REAL_NOISE if donors else 0.0,
            splits=splits,
        )
        folder.mkdir(parents=True, exist_ok=True)
        parts = simulate_dataset(stretches, imaging, device=device)
        write_dataset(path, parts, own, progress=progress)
    return paths


def stream_sets(paths: Sequence[Path]) -> Iterator[SpectrogramSet]:
    """Iterate over the events of several files, part by part."""
    for path in paths:
        yield from stream_images(path)


def quiet_pictures(
    events: TrainingData, simulated: TrainingData, rng: np.random.Generator, count: int = QUIET
) -> TrainingData:
    """Pictures of an archive's noise, labelled as the class without a glitch.

    Of the quietest pictures every pixel that is louder than noise is taken from the same place
    in another picture, where it is not. Rows that were not computed are those of
    simulated noise.

    Args:
        events: Pictures of the archive.
        simulated: Events among which are some of that class, with all rows.
        rng: Chooses.
        count: Pictures to make.
    """
    asked = np.sort(rng.permutation(len(events))[:_ASKED])
    energies = events.images(torch.from_numpy(asked)).numpy()
    computed = np.asarray(np.isfinite(energies).all(axis=(1, 3)))
    energies = np.nan_to_num(energies, nan=0.0)
    loud = np.stack([_loud(picture) for picture in energies])
    order = np.argsort(loud.mean(axis=(1, 2, 3)), kind="stable")[:count]
    pool = order[: max(len(order), min(len(asked), 2))]
    made = energies[order].copy()
    missing = loud[order] | ~computed[order][:, None, :, None]
    for _ in range(_ROUNDS):
        if not missing.any():
            break
        other = rng.choice(pool, len(order))
        roll = int(rng.integers(made.shape[-1]))
        fine = ~loud[other] & computed[other][:, None, :, None]
        take = missing & np.roll(fine, roll, axis=-1)
        made = np.where(take, np.roll(energies[other], roll, axis=-1), made)
        missing &= ~take
    noise = _simulated_noise(simulated, len(order), rng)
    made = np.where(missing, noise, made).clip(0.0, ENERGY_CEILING)
    names = np.full(len(order), AUGMENTATION.noise_class, dtype=object)
    return TrainingData.from_images(made, labels=names, description="noise of the archive")


def _loud(picture: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(views, F, T) connected pixels louder than noise, and the pixels next to them.

    Single ones are noise: one in eight exceeds the energy by chance.
    """
    loud = picture > NOISE_ENERGY
    labelled: Any = ndimage.label(loud, structure=_BESIDE)
    groups = np.asarray(labelled[0])
    sizes = np.bincount(groups.ravel())
    touching = (sizes[groups] > _BY_CHANCE) & loud
    return np.asarray(ndimage.binary_dilation(touching, structure=_BESIDE), dtype=bool)


_BESIDE = np.zeros((3, 3, 3), dtype=bool)
_BESIDE[1] = True  # pixels of one view
_BY_CHANCE = 12  # pixels of noise that touch; noise has a width of several pixels


def _simulated_noise(
    simulated: TrainingData, count: int, rng: np.random.Generator
) -> NDArray[np.floating]:
    """(count, views, F, T) energies of events without a glitch, with all rows."""
    whole = simulated.computed.all(dim=1).numpy()
    rows = np.flatnonzero(whole & (simulated.labels == AUGMENTATION.noise_class))
    drawn = torch.from_numpy(rng.choice(rows, count))
    return simulated.images(drawn).numpy()


def training_data(
    simulated: TrainingData, events: Events, quiet: TrainingData, share: float
) -> TrainingData:
    """Training data that mix simulated and archived events in fixed shares.

    Args:
        simulated: Events of the split train.
        events: Of the archive; held-out ones are not learnt from.
        quiet: Pictures of noise; they count among the simulated ones.
        share: Of the events of a batch that are the archive's, above 0 and below 1.

    Labelled events of the archive are drawn as often as the others together, or ten times as
    often as each where they are very few.
    """
    seen = ~events.held_out
    own = _relabelled(events.data, events.label, np.where(seen, "train", LEFT_OUT))
    labelled = (events.label != "") & seen
    others = int(seen.sum() - labelled.sum())
    often = np.clip(others / max(int(labelled.sum()), 1), 1.0, 10.0)
    each = np.where(labelled, often, 1.0)
    weights_own = share * each / each[seen].sum()
    taught = simulated.split.astype(str) == "train"
    rest = (1 - share) / (taught.sum() + len(quiet))
    weights = [np.full(len(simulated), rest), np.full(len(quiet), rest), weights_own]
    data = TrainingData.join([simulated, quiet, own])
    return data.weighted(np.concatenate(weights))


def _relabelled(data: TrainingData, labels: NDArray[np.object_], split: NDArray) -> TrainingData:
    """The same pictures with new labels and splits."""
    split = split.astype(object)
    changed = joint_digest([data.digest, digest_of(labels, split)])
    return replace(data, labels=labels, split=split, digest=changed)
