"""Sets of images with labels, splits and factors, for training and evaluation of models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from torch import Tensor

from glitchvae.api.arrays import (
    Factors,
    as_array,
    as_factors,
    as_path,
    as_rows,
    as_text,
    checked_splits,
)
from glitchvae.api.results import DatasetSummary
from glitchvae.classes.catalog import read_catalog
from glitchvae.config import Settings, parse
from glitchvae.dataset import (
    count_images,
    name_classes,
    read_images,
    summarise,
)
from glitchvae.dataset import simulated as simulating
from glitchvae.errors import InputError
from glitchvae.models import prepare
from glitchvae.progress import progress_of
from glitchvae.resources import choose_device
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.simulate import Truth
from glitchvae.spectrogram import SpectrogramSet, imaging_settings
from glitchvae.training import PictureData, TrainingData, TrainingImages, resident_limit
from glitchvae.training.data import rows_of
from glitchvae.validation.disentanglement.glitch_factors import factors_of
from glitchvae.validation.images import chairs as drawn_chairs
from glitchvae.validation.images import dsprites as drawn_dsprites
from glitchvae.validation.images.factors import FactorData

if TYPE_CHECKING:
    pass

VIEWS_SHAPE = (len(VIEWS), *IMAGE_SHAPE)
"""Channels, rows and columns of the four views of a glitch."""

PREPARED_SHAPE = (len(VIEWS) + 1, *IMAGE_SHAPE)
"""Shape of the input of networks: the views with the computed band as a channel."""

_BATCH = 256
_BYTES_PER_EVENT = 2 * int(np.prod(VIEWS_SHAPE))


class Dataset:
    """Images with labels and splits: glitches or pictures.

    Args:
        images: Pictures (N, C, H, W) or (N, H, W): bool, uint8 or floats in [0, 1]. Floats of
            shape (N, 4, 140, 170) are glitches: normalised energies in four views, NaN in the
            rows above the highest frequency. numpy, torch, or anything numpy takes.
        labels: (N,) class names or numbers; None and "" where unknown.
        split: (N,) "train", "validation" or "test"; "" counts as train.
        factors: (N, K) which of its values each factor of variation has, from 0; or columns
            (N,) by name.
        name: What the set is called on the card of a model.

    Attributes:
        name: What the set is called.
        kind: "glitches" or "pictures".

    Raises:
        InputError: images of another shape, type or range, with NaN or infinity; labels, splits
            or factors of another length; an unknown split.

    Example:
        >>> import numpy as np
        >>> import glitchvae as gv
        >>> data = gv.Dataset(np.zeros((6, 32, 32)), labels=[0, 1] * 3, split=["train"] * 6)
        >>> data
        Dataset: 6 pictures (1, 32, 32), 2 classes, splits train 6
        >>> image, label = data.torch("train")[3]
        >>> image.shape, label
        (torch.Size([1, 32, 32]), 1)
    """

    def __init__(
        self,
        images: Any,
        labels: ArrayLike | None = None,
        split: ArrayLike | None = None,
        *,
        factors: ArrayLike | Mapping[str, ArrayLike] | None = None,
        name: str = "",
    ) -> None:
        array = as_array(images, "images")
        count = len(array) if array.ndim else 0
        texts = as_text(labels, count, "labels"), checked_splits(as_text(split, count, "split"))
        self.name = name
        self._data: SpectrogramSet | PictureData
        if array.shape[1:] == VIEWS_SHAPE and np.issubdtype(array.dtype, np.floating):
            self._data = SpectrogramSet.of_images(array, label=texts[0], split=texts[1])
        else:
            self._data = PictureData.from_images(
                array, labels=texts[0], split=texts[1], description=name
            )
        self._factors = None if factors is None else as_factors(factors, len(self))
        self._truth: Callable[[], Truth] | None = None

    @classmethod
    def _made(
        cls,
        data: SpectrogramSet | PictureData,
        name: str,
        *,
        factors: Factors | None = None,
        truth: Callable[[], Truth] | None = None,
    ) -> Dataset:
        made = cls.__new__(cls)
        made.name, made._data, made._factors, made._truth = name, data, factors, truth
        return made

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, rows: Any) -> Dataset:
        """Select images: by a slice, a mask, a list of indices or one index."""
        chosen = as_rows(rows, len(self))
        factors = None if self._factors is None else self._factors.take(chosen)
        return self._made(self._data.take(chosen), self.name, factors=factors, truth=self._truth)

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        parts = [f"{len(self):,} {self.kind} {self.shape}"]
        if self.classes:
            parts.append(f"{len(self.classes)} classes")
        if any(self.split):
            counts = Counter(self.split)
            parts.append("splits " + ", ".join(f"{s or 'none'} {counts[s]:,}" for s in counts))
        if self._factors is not None:
            parts.append(f"factors {', '.join(self._factors.names)}")
        return f"Dataset{name}: {', '.join(parts)}"

    @property
    def kind(self) -> str:
        """Kind of the images: "glitches" or "pictures"."""
        return "glitches" if isinstance(self._data, SpectrogramSet) else "pictures"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        return VIEWS_SHAPE if isinstance(self._data, SpectrogramSet) else self._data.shape

    @property
    def images(self) -> NDArray[Any]:
        """(N, 4, 140, 170) float16 energies, or pictures (N, C, H, W) as they are stored.

        Those are bool, uint8 up to 255 or float32 up to 1. Black and white ones are held as bits
        and unpacked here: of a large set take a part first, `data[:1000].images`.
        """
        if isinstance(self._data, SpectrogramSet):
            return self._data.images
        pixels = self._data.pixels.numpy(force=True)
        if not self._data.packed:
            return pixels
        count = int(np.prod(self.shape))
        return np.unpackbits(pixels, axis=1, count=count).astype(bool).reshape(-1, *self.shape)

    @property
    def labels(self) -> NDArray[np.object_]:
        """(N,) class names, "" where unknown."""
        found = self._data.label if isinstance(self._data, SpectrogramSet) else self._data.labels
        return np.full(len(self), "", dtype=object) if found is None else found

    @property
    def split(self) -> NDArray[np.object_]:
        """(N,) train, validation or test; "" where no split is given."""
        found = self._data.split
        return np.full(len(self), "", dtype=object) if found is None else found

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""
        return tuple(sorted(set(self.labels) - {""}))

    @property
    def factors(self) -> NDArray[np.int64] | None:
        """(N, K) index of the value of each factor of variation; None where no factor is known.

        Of simulated glitches they are SNR, frequency, Q, duration and bandwidth of what was
        injected, each in eight equally filled bins.
        """
        return None if self._known_factors is None else self._known_factors.values

    @property
    def factor_names(self) -> tuple[str, ...]:
        """(K,) names of the factors."""
        return () if self._known_factors is None else self._known_factors.names

    @property
    def event_id(self) -> NDArray[np.object_]:
        """(N,) identifiers; for pictures the row number."""
        if isinstance(self._data, SpectrogramSet):
            return self._data.event_id
        return np.arange(len(self)).astype(str).astype(object)

    @property
    def gps(self) -> NDArray[np.float64]:
        """(N,) times (s), NaN where unknown."""
        if isinstance(self._data, SpectrogramSet):
            return self._data.gps
        return np.full(len(self), np.nan)

    def torch(self, split: str | None = None) -> TorchImages:
        """The images as a torch Dataset of (image, label).

        An image is float32 as networks are given it: a picture (C, H, W) in [0, 1], a glitch
        (5, 140, 170), four views in [0, 1] and where they were computed. A label is the index
        into `classes`, -1 where unknown.

        Args:
            split: "train" (with images of no split), "validation" or "test"; None for all.

        Raises:
            InputError: no such split, or no image in it.
        """
        return TorchImages(self._of_split(split), self.classes)

    def summary(self) -> DatasetSummary:
        """Counts by class and split and other properties of the set, to be printed."""
        counts = Counter(zip(self.labels, self.split, strict=True))
        about = None
        if isinstance(self._data, SpectrogramSet):
            about = summarise([self._data])
        return DatasetSummary(repr(self), dict(counts), about)

    def inputs(self, rows: slice | NDArray[np.int64] = slice(None)) -> Tensor:
        """Images as network input, as `torch` describes it: (B, C, H, W)."""
        if isinstance(self._data, SpectrogramSet):
            return prepare(torch.from_numpy(self._data.images[rows]))[0]
        return self._data.images(rows if isinstance(rows, slice) else torch.from_numpy(rows))

    def batches(self, size: int = _BATCH) -> Iterator[Tensor]:
        """Iterate over `inputs` of all images in batches."""
        for start in range(0, len(self), size):
            yield self.inputs(slice(start, start + size))

    def training_images(self, shape: tuple[int, int] = IMAGE_SHAPE) -> TrainingImages:
        """The set in the form that training uses; glitches are reduced to this many pixels."""
        if isinstance(self._data, SpectrogramSet):
            return TrainingData.from_spectrograms(self._data, shape=shape, description=self.name)
        return replace(self._data, description=self.name) if self.name else self._data

    @property
    def record(self) -> SpectrogramSet | PictureData:
        """The record that holds the images; for glitches with all columns of each event."""
        return self._data

    @cached_property
    def _known_factors(self) -> Factors | None:
        if self._factors is None and self._truth is not None:
            return Factors(*factors_of(self._truth(), self.event_id))
        return self._factors

    def _of_split(self, split: str | None) -> Dataset:
        if split is None:
            return self
        checked_splits(np.array([split], dtype=object))
        names = (split, "") if split == "train" else (split,)
        rows = rows_of(self.split, names)
        if len(rows) == 0:
            counts = Counter(self.split)
            raise InputError(
                f"no image in the split {split!r}",
                where=self.name or None,
                found=", ".join(f"{name or 'no split'} {n}" for name, n in counts.items()),
            )
        return self[rows]


class TorchImages(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images and labels as a map-style dataset for torch's DataLoader.

    Attributes:
        classes: Names of the classes; a label is an index into them, -1 where unknown.
        labels: (N,) int64 labels.
    """

    def __init__(self, data: Dataset, classes: Sequence[str]) -> None:
        self.data, self.classes = data, tuple(classes)
        index = {name: number for number, name in enumerate(classes)}
        self.labels = np.array([index.get(name, -1) for name in data.labels], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Image (C, H, W) and label."""
        (row,) = as_rows(int(index), len(self))
        return self.data.inputs(slice(row, row + 1))[0], int(self.labels[row])

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, int]]:
        """Several items at once, as torch's DataLoader requests them."""
        rows = np.asarray(indices, dtype=np.int64)
        return list(zip(self.data.inputs(rows), self.labels[rows].tolist(), strict=True))


def open_dataset(path: str | Path) -> Dataset:
    """A set of images of glitches: our own, Gravity Spy's training set, or a folder of pictures.

    Labels become the names of the catalogue; one that it does not know stays as it is. Events
    without a usable image are left out, and counted in the summary. A table of what was injected
    beside a simulated set (`set_truth.h5` beside `set.h5`) gives the factors.

    Args:
        path: A file or a folder, told by its content.

    Raises:
        InputError: it is none of these, it is damaged, no image of it is usable, or there are
            more images than half of the memory holds.

    Example:
        >>> import glitchvae as gv
        >>> made = gv.simulate_dataset(8, seed=1, output="set.h5")
        >>> data = gv.open_dataset("set.h5")
        >>> data.images.shape, data.gps.tolist() == made.gps.tolist()
        ((8, 4, 140, 170), True)
        >>> data.factor_names
        ('snr', 'peak_frequency', 'q', 'duration', 'bandwidth')
    """
    path = as_path(path, "path")
    needed = count_images(path) * _BYTES_PER_EVENT
    if needed > (limit := resident_limit()):
        raise InputError(
            "the images do not fit in memory",
            where=path,
            expected=f"{limit / 1e9:.3g} GB",
            found=f"{needed / 1e9:.3g} GB",
            remedy="Train on the file itself: train(path).",
        )
    spectrograms = name_classes(read_images(path), read_catalog())
    truth = simulating.truth_path(path)
    return _of_spectrograms(
        spectrograms, path.name, partial(Truth.read, truth) if truth.is_file() else None
    )


class _Simulation(Settings):
    """Numeric and named arguments of `simulate_dataset`."""

    count: int = Field(ge=1)
    seed: int = Field(ge=0)
    balance: str
    imaging: str
    ifos: tuple[str, ...] = Field(min_length=1)


def simulate_dataset(
    count: int,
    *,
    seed: int,
    balance: str = "official",
    imaging: str = "light",
    ifos: str | Sequence[str] = ("H1", "L1"),
    output: str | Path | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> Dataset:
    """Simulate glitches and image them, with labels, splits and factors.

    Args:
        count: Events.
        seed: The same seed gives the same set.
        balance: How often each class occurs: "official", "o3" or "uniform".
        imaging: Settings of the images: "light" or "gravity-spy".
        ifos: Detectors, in equal shares.
        output: Write the set here, and what was injected beside it (`set_truth.h5`).
        device: Where images are made.
        progress: Show progress on stderr.

    Raises:
        ConfigError: a bad number, no such balance, imaging or device.
        StorageError: the disk refused the write.

    Example:
        >>> import glitchvae as gv
        >>> gv.simulate_dataset(8, seed=1, balance="uniform", ifos="V1")
        Dataset '8 simulated glitches, seed 1': 8 glitches (4, 140, 170), 8 classes, splits train 8
    """
    given = parse(
        _Simulation,
        {
            "count": count,
            "seed": seed,
            "balance": balance,
            "imaging": imaging,
            "ifos": (ifos,) if isinstance(ifos, str) else ifos,
        },
        where="simulate_dataset",
    )
    settings = imaging_settings(given.imaging)
    plan = simulating.plan_stretches(
        given.count,
        given.seed,
        balance=given.balance,
        ifos=given.ifos,
        sample_rate=settings.sample_rate,
    )
    parts = simulating.simulate_dataset(plan, settings, device=choose_device(device))
    with progress_of("simulating", count, "events", shown=progress) as report:
        if output is not None:
            output = as_path(output, "output")
            truth = simulating.write_dataset(output, parts, count, progress=report)
            truth.write(simulating.truth_path(output))
            return open_dataset(output)
        truths: list[Truth] = []
        images = list(simulating.keep_truth(parts, truths, report))
    truth = Truth.join(truths)
    name = f"{count} simulated glitches, seed {seed}"
    return _of_spectrograms(SpectrogramSet.join(images), name, lambda: truth)


class _Sample(Settings):
    """Number of images to draw, and the seed."""

    points: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)


def dsprites(
    path: str | Path | None = None, *, points: int | None = None, seed: int = 0
) -> Dataset:
    """dSprites: 737,280 pictures (1, 64, 64) with five factors.

    Args:
        path: The published .npz or .hdf5; unless given, the same pictures are drawn, which takes
            seconds.
        points: So many of them, drawn at random; all unless given.
        seed: Of that draw.

    Raises:
        InputError: it is another file, or not whole.
        ConfigError: `points` or `seed` is no such number.

    Example:
        >>> import glitchvae as gv
        >>> gv.dsprites(points=500).factor_names
        ('shape', 'scale', 'orientation', 'x', 'y')
    """
    sample = parse(_Sample, {"points": points, "seed": seed}, where="dsprites")
    if path is None:
        return _of_factors(drawn_dsprites.draw_dsprites(), sample)
    return _of_factors(drawn_dsprites.read_dsprites(as_path(path, "path")), sample)


def chairs(path: str | Path | None = None, *, points: int | None = None, seed: int = 0) -> Dataset:
    """3D Chairs: pictures (1, 64, 64) of chairs in 62 orientations.

    Args:
        path: The published folder `rendered_chairs`, with three factors; unless given, 13,392
            pictures of parametric chairs with seven factors are drawn, which takes a minute.
        points: So many of them, drawn at random; all unless given.
        seed: Of that draw.

    Raises:
        InputError: another folder, or not the whole one.
        ConfigError: `points` or `seed` is no such number.

    Example:
        >>> import glitchvae as gv
        >>> gv.chairs(points=500).factor_names
        ('width', 'height', 'back', 'legs', 'arms', 'azimuth', 'elevation')
    """
    sample = parse(_Sample, {"points": points, "seed": seed}, where="chairs")
    if path is None:
        return _of_factors(drawn_chairs.draw_chairs(), sample)
    return _of_factors(drawn_chairs.read_chairs(as_path(path, "path")), sample)


def as_dataset(images: Any) -> Dataset:
    """Convert images to a Dataset: from a Dataset, a SpectrogramSet or an array.

    Raises:
        InputError: it holds none, or bad ones.
    """
    if isinstance(images, Dataset):
        return images
    record = spectrograms_of(images)
    return Dataset(images) if record is None else _of_spectrograms(record, "")


def spectrograms_of(images: Any) -> SpectrogramSet | None:
    """The SpectrogramSet given directly or as the attribute `spectrograms`, else None."""
    record = getattr(images, "spectrograms", images)
    return record if isinstance(record, SpectrogramSet) else None


def _of_spectrograms(
    spectrograms: SpectrogramSet, name: str, truth: Callable[[], Truth] | None = None
) -> Dataset:
    """The usable events of a SpectrogramSet."""
    usable = spectrograms.usable
    if not usable.any():
        raise InputError("no usable image", where=name or None, found=f"{len(usable)} without")
    lost = Counter(str(status) for status in spectrograms.status[~usable])
    left_out = {**lost, **spectrograms.left_out}  # where readers counted a status, it is there
    record = replace(spectrograms, left_out=left_out)
    return Dataset._made(record if usable.all() else record.take(usable), name, truth=truth)


def _of_factors(data: FactorData, sample: _Sample) -> Dataset:
    if sample.points is not None:
        data = data.sample(sample.points, np.random.default_rng(sample.seed))
    factors = Factors(data.factors, data.names)
    return Dataset._made(data.to_training(), data.description, factors=factors)
