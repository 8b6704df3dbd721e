"""How fast images reach the training step, beside a plain DataLoader over the same set.

    python tests/benchmarks/bench_loading.py [--events 1000] [--batch 64] [--device cuda]

Three ways to deliver the same batches to the device, ready for the model, in turns:

- resident: one byte a pixel, on the device, as `glitchvae train` holds what fits;
- mapped: the same bytes in a file that is mapped, as it holds what does not;
- DataLoader: torch's, over a Dataset that reads one event of the HDF5 file at a time.

A second table is the DataLoader's best case: float32 energies in memory, nothing to read.
Figures are the best of several rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from glitchvae.models import prepare
from glitchvae.shapes import IMAGE_SHAPE, VIEWS
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.training import TrainingData, read_training_data


class FileDataset(Dataset):
    """One event at a time from a spectrogram set on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: h5py.File | None = None
        with h5py.File(path) as file:
            self.count = len(file["event_id"])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> torch.Tensor:
        if self.file is None:  # opened by the worker that reads
            self.file = h5py.File(self.path)
        return torch.from_numpy(self.file["images"][row].astype(np.float32))


class MemoryDataset(Dataset):
    """The same, from an array."""

    def __init__(self, path: Path) -> None:
        self.images = torch.from_numpy(SpectrogramSet.read(path).images.astype(np.float32))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> torch.Tensor:
        return self.images[row]


def write_set(path: Path, events: int) -> None:
    """Noise of unit energy with a bright line, which compresses as real images do."""
    rng = np.random.default_rng(1)
    images = rng.exponential(1.0, (events, len(VIEWS), *IMAGE_SHAPE)).astype(np.float16)
    images[:, :, 60:64] += np.float16(10)
    column = np.zeros(events)
    names = ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    SpectrogramSet(
        images=images,
        event_id=[str(i) for i in range(events)],
        ifo=["H1"] * events,
        **dict.fromkeys(names, column),
        f_max=column + 2048,
        status=["ok"] * events,
    ).write(path)


def from_data(data: TrainingData, batch: int, rng: np.random.Generator) -> Iterator[torch.Tensor]:
    """An epoch of `TrainingData`, as the trainer goes through it."""
    order = torch.from_numpy(rng.permutation(len(data))).to(data.computed.device)
    for rows in order.split(batch):
        yield data.batch(rows).x


def from_loader(loader: DataLoader, device: str) -> Iterator[torch.Tensor]:
    """An epoch of a DataLoader."""
    for images in loader:
        yield prepare(images.to(device))[0]


def rate(epoch: Callable[[], Iterator[torch.Tensor]], device: str) -> float:
    """Images a second of one epoch."""
    begin, count = time.perf_counter(), 0
    for x in epoch():
        count += len(x)
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return count / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2, help="processes of the DataLoader")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.h5"
        write_set(path, options.events)
        measure(path, options, Path(folder))


def measure(path: Path, options: argparse.Namespace, folder: Path) -> None:
    """Print images a second of each way, and its ratio to the plain DataLoader."""
    device, batch = options.device, options.batch
    rng = np.random.default_rng(2)
    begin = time.perf_counter()
    resident = read_training_data([path]).to(device)
    reading = time.perf_counter() - begin
    mapped = read_training_data([path], limit=0, folder=folder).to(device)
    loaders = {
        f"DataLoader, HDF5, {n} workers": DataLoader(
            FileDataset(path), batch, shuffle=True, num_workers=n
        )
        for n in sorted({0, options.workers})
    }
    loaders["DataLoader, float32 in memory"] = DataLoader(MemoryDataset(path), batch, shuffle=True)
    ways: dict[str, Callable[[], Iterator[torch.Tensor]]] = {
        "resident": lambda: from_data(resident, batch, rng),
        "mapped": lambda: from_data(mapped, batch, rng),
    }
    ways |= {
        name: lambda loader=loader: from_loader(loader, device) for name, loader in loaders.items()
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(options.rounds):
        for name, epoch in ways.items():
            best[name] = max(best[name], rate(epoch, device))
    plain = best["DataLoader, HDF5, 0 workers"]
    print(
        f"{options.events} events, batches of {batch}, {device}, {torch.get_num_threads()} threads;"
        f" {resident.nbytes / 1e6:.0f} MB resident, read once in {reading:.1f} s"
    )
    for name, images in best.items():
        print(f"{name:32s}{images:12,.0f} images/s {images / plain:8.1f} x")


if __name__ == "__main__":
    main()
