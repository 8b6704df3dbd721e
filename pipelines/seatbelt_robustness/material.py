"""What a study of robustness trains on and attacks: sprites, chairs, faces or glitches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glitchvae.dataset import read_images
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.errors import InputError
from glitchvae.models import prepare, reduce
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet, imaging_settings
from glitchvae.training import TrainingImages, read_training_data
from glitchvae.training.data import text_or_empty
from glitchvae.validation.images.celeba import read_celeba
from glitchvae.validation.images.chairs import read_chairs
from glitchvae.validation.images.dsprites import draw_dsprites, read_dsprites
from glitchvae.validation.images.faces import read_faces
from glitchvae.validation.images.factors import FactorData
from glitchvae.validation.images.picture_sets import drawn_chairs

MaterialName = Literal["dsprites", "chairs", "faces", "celeba", "glitches"]


@dataclass(frozen=True, kw_only=True)
class Material:
    """Images of one kind, apart for training and for attacks.

    Attributes:
        training: What models are trained on.
        network: Entries of the table `[model]` of a hierarchy that fit the images.
        images: (N, C, F, T) others, as models take them.
        factors: (N, K) factors of variation of those, for the mutual information gap; of
            glitches their class. A factor with one value in more than nine of ten images is
            left out: its gap would hang on a few.
    """

    training: TrainingImages
    network: dict[str, Any]
    images: Tensor
    factors: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How much of which images.

    Attributes:
        path: The published dSprites file, folder `rendered_chairs`, tensor of 3D Faces or
            folder of CelebA, or a set of images of glitches; None has the same drawn or
            simulated, but for faces.
        events: Most images to train on.
        images: To be attacked.
        reduction: Squares of this many pixels are averaged to one; 1 leaves images whole.
        folder: Where simulated sets are kept.
    """

    path: Path | None
    events: int
    images: int
    reduction: int
    folder: Path


def dsprites(wanted: Wanted) -> Material:
    """The published sprites, or the same drawn."""
    whole = draw_dsprites() if wanted.path is None else read_dsprites(wanted.path)
    return _pictures(whole, wanted)


def chairs(wanted: Wanted) -> Material:
    """The published chairs, or parametric ones: of a small study only every eighth azimuth."""
    if wanted.path is not None:
        return _pictures(read_chairs(wanted.path), wanted)
    return _pictures(drawn_chairs(wanted.events + wanted.images), wanted)


def faces(wanted: Wanted) -> Material:
    """The published 3D Faces.

    Raises:
        InputError: no path.
    """
    return _pictures(read_faces(_published("faces", wanted)), wanted)


def celeba(wanted: Wanted) -> Material:
    """The published photographs: those of its training part, and its test part to attack.

    No person is in both.

    Raises:
        InputError: no path.
    """
    folder = _published("celeba", wanted)
    known = read_celeba(folder, split="train", limit=wanted.events)
    return _material(known, read_celeba(folder, split="test", limit=wanted.images), wanted)


def glitches(wanted: Wanted) -> Material:
    """A set of images of glitches, whose test events are attacked; or two are simulated.

    Raises:
        InputError: the set has no test events, or is no set.
    """
    shape = (IMAGE_SHAPE[0] // wanted.reduction, IMAGE_SHAPE[1] // wanted.reduction)
    if wanted.path is None:
        known = _simulated(wanted.folder, wanted.events, 1)
        events = read_images(_simulated(wanted.folder, wanted.images, 2))
        rows = np.flatnonzero(events.usable)
    else:
        known, events = wanted.path, read_images(wanted.path)
        rows = _test_rows(events, wanted.path)
    chosen = events.take(rows[: wanted.images])
    x, _ = prepare(torch.from_numpy(chosen.images))
    labels = text_or_empty(chosen.label, len(chosen)).astype(str)
    _, classes = np.unique(labels, return_inverse=True)
    return Material(
        training=read_training_data([known], shape=shape),
        network={"network": "glitch", "glitch": {"image_shape": list(shape)}},
        images=reduce(x, shape),
        factors=classes[:, None],
    )


MATERIALS: dict[MaterialName, Callable[[Wanted], Material]] = {
    "dsprites": dsprites,
    "chairs": chairs,
    "faces": faces,
    "celeba": celeba,
    "glitches": glitches,
}

_COMMON = 0.9


def _pictures(whole: FactorData, wanted: Wanted) -> Material:
    """Some for training, and some of the rest."""
    count = min(wanted.events, len(whole) - wanted.images)
    if count < 1:
        raise InputError(
            "too few images",
            where=whole.description,
            expected=f"more than {wanted.images}",
            found=len(whole),
        )
    known = np.sort(np.random.default_rng(0).choice(len(whole), count, replace=False))
    others = np.ones(len(whole), bool)
    others[known] = False
    held_out = np.random.default_rng(1).choice(np.flatnonzero(others), wanted.images, replace=False)
    return _material(whole.take(known), whole.take(held_out), wanted)


def _material(known: FactorData, others: FactorData, wanted: Wanted) -> Material:
    """Pictures to train on, and others."""
    known, others = (_reduced(pictures, wanted.reduction) for pictures in (known, others))
    return Material(
        training=known.to_training(),
        network={"network": "burgess", "image_shape": list(known.shape)},
        images=others.to_training().batch(slice(None)).x,
        factors=_varied(others.factors),
    )


def _varied(factors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those columns (N, K) in which no value stands in more than nine of ten rows."""
    commonest = np.array([np.bincount(column).max() for column in factors.T])
    return factors[:, commonest <= _COMMON * len(factors)]


def _published(name: MaterialName, wanted: Wanted) -> Path:
    if wanted.path is None:
        raise InputError(
            f"no path to the published {name}",
            where="path",
            expected="where they lie",
            found="an empty path",
            remedy="These pictures can neither be drawn nor simulated.",
        )
    return wanted.path


def _reduced(data: FactorData, reduction: int) -> FactorData:
    return data.reduced(reduction) if reduction > 1 else data


def _test_rows(events: SpectrogramSet, path: Path) -> NDArray[np.int64]:
    """Usable events that no model is trained on."""
    split = np.full(len(events), "") if events.split is None else events.split.astype(str)
    rows = np.flatnonzero(events.usable & (split == "test"))
    if len(rows) == 0:
        raise InputError(
            "no test events to attack",
            where=path,
            expected='rows whose split is "test"',
            found=sorted(set(split.tolist())),
            remedy="`glitchvae dataset split` divides a set.",
        )
    return rows


def _simulated(folder: Path, count: int, seed: int) -> Path:
    """Glitches, every class as often as the others, unless they are there."""
    path = folder / f"glitches-{count}-{seed}.h5"
    if not path.exists():
        imaging = imaging_settings("light")
        rate = imaging.sample_rate
        stretches = plan_stretches(count, seed, balance="uniform", sample_rate=rate)
        write_dataset(path, simulate_dataset(stretches, imaging), count)
    return path
