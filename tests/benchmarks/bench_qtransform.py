"""Speed of the Q engine against gwpy, both measured in the same run.

    python tests/benchmarks/bench_qtransform.py [--threads 2] [--batch 16] [--rounds 3]
    python tests/benchmarks/bench_qtransform.py --device cuda --batch 64 256 --medians --kernels

gwpy makes the four views of one event by four calls of `q_transform`, one per view, as
Gravity Spy's pipeline does. The engine makes them for batches, on the bins that Gravity
Spy's pictures show and, in the first batch, on every bin of gwpy's own grid. Times are the
best of several rounds; the load of the machine is printed beside them.

Events a second come with the share reached of two floors, measured in the same run: the inverse
FFTs of all tiles alone, in the engine's pieces and threads, and the bytes that `least_bytes`
counts over the bandwidth of a copy. `--medians` times the ways to the rows' medians, `--kernels`
prints what a batch spends its time with.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from unittest import mock

import numpy as np
import torch

from glitchvae.qtransform import Grid, Tiling, medians, scan
from glitchvae.qtransform.energies import chunks, row_groups
from glitchvae.qtransform.medians import MEDIANS, row_medians
from glitchvae.qtransform.whitening import whiten
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram import ImagingSettings
from glitchvae.spectrogram.canvas import view_canvas
from glitchvae.spectrogram.parity import gwpy_grids, gwpy_views
from glitchvae.strain import Strain
from glitchvae.threads import run
from tests.benchmarks.figures import copy_bandwidth, figure, print_kernels, seconds

START = 1126259446.0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of block.

    Attributes:
        name: Of the figures.
        duration: Seconds.
        sample_rate: Hz.
        whitened: Whether the engine is given whitened strain.
        bar: Least ratio to gwpy on a CPU.
        rate: Least events a second on a GPU.
    """

    name: str
    duration: int
    sample_rate: int
    whitened: bool
    bar: float
    rate: float | None = None

    @property
    def imaging(self) -> ImagingSettings:
        return ImagingSettings(
            name=self.name, sample_rate=self.sample_rate, block=self.duration, min_block=4
        )

    @property
    def tiling(self) -> Tiling:
        return Tiling(duration=float(self.duration), sample_rate=float(self.sample_rate))


SETTINGS = (
    Setting(
        name="8 s at 4 kHz, whitened",
        duration=8,
        sample_rate=4096,
        whitened=True,
        bar=150,
        rate=5000,
    ),
    Setting(
        name="64 s at 16 kHz, with whitening",
        duration=64,
        sample_rate=16384,
        whitened=False,
        bar=60,
    ),
)
FLOOR_SHARE = 30.0
"""Percent of the memory floor that a GPU is to reach."""


def noise_with_glitches(setting: Setting, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise (B, T) with a sine-Gaussian of some Q near the middle (B,) of each block."""
    rng = np.random.default_rng(7)
    t = np.arange(setting.duration * setting.sample_rate) / setting.sample_rate
    centre = setting.duration / 2 + rng.uniform(-0.4, 0.4, batch)
    frequency, q = np.exp(rng.uniform(np.log([[30], [5]]), np.log([[500], [60]]), (2, batch)))
    phase = 2 * np.pi * frequency[:, None] * (t - centre[:, None])
    glitches = 3 * np.exp(-((phase / q[:, None]) ** 2)) * np.cos(phase)
    return rng.standard_normal((batch, len(t))) + glitches, centre


def engine(setting: Setting, values: torch.Tensor, centre: torch.Tensor, grids: list[Grid]):
    whitened = values.float() if setting.whitened else whiten(values, setting.sample_rate)
    return scan(whitened, setting.tiling, centre=centre, grids=grids)


def least_bytes(setting: Setting) -> int:
    """Bytes one event moves at least: samples and spectrum once each way, every tile's
    amplitude written and read (complex64), its energy written and read (float32)."""
    samples = setting.duration * setting.sample_rate
    tiles = sum(int(np.sum(plane.tiles)) for plane in setting.tiling.planes)
    return samples * 4 + 2 * samples // 2 * 8 + tiles * 2 * (8 + 4)


def inverse_ffts(setting: Setting, batch: int, options: argparse.Namespace) -> float:
    """Seconds of the inverse FFTs of all tiles of one event, as the engine makes them."""
    device = torch.device(options.device)
    at_once = 1 if device.type == "cpu" else batch
    pieces = [
        torch.randn(
            (events.stop - events.start, rows.stop - rows.start, group.tiles),
            dtype=torch.complex64,
            device=device,
        )
        for group in row_groups(setting.tiling, device)
        for events, rows in chunks(group, at_once, device)
    ]

    def part(_: int) -> None:
        for piece in pieces:
            torch.fft.ifft(piece)

    return best_of(lambda: run(part, range(batch // at_once), device), options) / batch


def best_of(work, options: argparse.Namespace) -> float:
    """Seconds of the best of some rounds, after one that warms up."""
    work()
    return min(seconds(work, options.device) for _ in range(options.rounds))


def measure_gwpy(setting: Setting, options: argparse.Namespace) -> float:
    """Seconds of gwpy's four views of one event."""
    values, centre = noise_with_glitches(setting, 1)
    one = Strain(values=values[0], start=START, sample_rate=float(setting.sample_rate), ifo="H1")
    gps = START + centre[0]
    return best_of(
        lambda: gwpy_views(one, gps, setting.imaging, whitened=setting.whitened), options
    )


def measure(setting: Setting, options: argparse.Namespace, bandwidth: float) -> None:
    """Print what a setting gives for every batch size."""
    on_gpu = options.device.startswith("cuda")
    gwpy = measure_gwpy(setting, options)
    figure(f"gwpy, {setting.name}", 1e3 * gwpy, "ms an event")
    canvas = [view_canvas(view).grid for view in VIEWS]
    for place, batch in enumerate(options.batch):
        values, centre = noise_with_glitches(setting, batch)
        tensors = [torch.from_numpy(part).to(options.device) for part in (values, centre)]
        name = f"{setting.name}, batches of {batch}"
        per_event = best_of(lambda t=tensors: engine(setting, *t, canvas), options) / batch
        floor = least_bytes(setting) / bandwidth
        transforms = inverse_ffts(setting, batch, options)
        figure(name, 1 / per_event, "events/s", least=setting.rate if on_gpu else None)
        figure(f"{name}, all of an event", 1e3 * per_event, "ms")
        figure(f"{name}, its inverse FFTs alone", 1e3 * transforms, "ms")
        figure(f"{name}, share of the inverse FFTs", 100 * transforms / per_event, "%")
        figure(
            f"{name}, of the memory floor",
            100 * floor / per_event,
            "%",
            least=FLOOR_SHARE if on_gpu else None,
        )
        figure(f"{name}, gwpy over engine", gwpy / per_event, "x", least=setting.bar)
        if place == 0:
            dense = gwpy_grids(START + centre[0], setting.tiling.band)
            all_bins = best_of(lambda t=tensors: engine(setting, *t, dense), options) / batch  # noqa: B023
            figure(f"{name}, gwpy's own grid, gwpy over engine", gwpy / all_bins, "x")
        if options.kernels and place == 0:
            print_kernels(lambda t=tensors: engine(setting, *t, canvas), options.device)
        if options.medians and place == 0:
            compare_medians(setting, tensors, canvas, options, bandwidth)


def compare_medians(
    setting: Setting,
    tensors: list[torch.Tensor],
    canvas: list[Grid],
    options: argparse.Namespace,
    bandwidth: float,
) -> None:
    """Every way to the medians, alone on all rows of a batch and inside of a scan."""
    device = torch.device(options.device)
    batch = len(tensors[0])
    sizes = [(len(group.rows), group.tiles) for group in row_groups(setting.tiling, device)]
    rows = [torch.empty(batch, *size, device=device).exponential_() for size in sizes]
    floor = sum(part.nbytes for part in rows) / bandwidth
    for way in MEDIANS:
        alone = best_of(lambda w=way: [row_medians(part, w) for part in rows], options)
        name = f"medians by {way}, {setting.name}"
        figure(name, 1e3 * alone / batch, "ms an event")
        figure(f"{name}, one reading over it", 100 * floor / alone, "%")
        if device.type == "cuda":
            with mock.patch.object(medians, "MEDIAN_ON_GPU", way):
                whole = best_of(lambda: engine(setting, *tensors, canvas), options)
            figure(f"events with {name}", batch / whole, "events/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, nargs="+", default=[16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--setting", type=int, nargs="+", default=[0, 1], help="0 and 1")
    parser.add_argument("--medians", action="store_true")
    parser.add_argument("--kernels", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, load {os.getloadavg()[0]:.1f}")
    bandwidth = copy_bandwidth(options.device)
    figure("bandwidth of a copy", bandwidth / 1e9, "GB/s")
    for setting in options.setting:
        measure(SETTINGS[setting], options, bandwidth)


if __name__ == "__main__":
    main()
