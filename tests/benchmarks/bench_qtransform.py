"""Speed of the Q engine against gwpy, both measured in the same run.

    python tests/benchmarks/bench_qtransform.py [--threads 2] [--batch 16] [--rounds 3]
    python tests/benchmarks/bench_qtransform.py --device cuda --batch 64

gwpy makes the four views of one event by four calls of `q_transform`, one per view, as
Gravity Spy's pipeline does. The engine makes them for a batch, once on the bins that
Gravity Spy's pictures show and once on every bin of gwpy's own grid. Times are the
best of several rounds that take turns; the load of the machine is printed beside them.
On a GPU the table also gives events a second and the share reached of the floor that
memory sets: the bytes that `least_bytes` counts over the measured bandwidth of a copy.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from glitchvae.qtransform import Grid, Tiling, scan
from glitchvae.qtransform.whitening import whiten
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram import ImagingSettings
from glitchvae.spectrogram.canvas import view_canvas
from glitchvae.spectrogram.parity import gwpy_grids, gwpy_views
from glitchvae.strain import Strain

START = 1126259446.0


@dataclass(frozen=True, kw_only=True)
class Setting:
    name: str
    duration: int
    sample_rate: int
    whitened: bool
    bar: float

    @property
    def imaging(self) -> ImagingSettings:
        return ImagingSettings(
            name=self.name, sample_rate=self.sample_rate, block=self.duration, min_block=4
        )

    @property
    def tiling(self) -> Tiling:
        return Tiling(duration=float(self.duration), sample_rate=float(self.sample_rate))


SETTINGS = (
    Setting(name="8 s at 4 kHz, whitened", duration=8, sample_rate=4096, whitened=True, bar=30),
    Setting(
        name="64 s at 16 kHz, with whitening",
        duration=64,
        sample_rate=16384,
        whitened=False,
        bar=20,
    ),
)


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


def seconds(work: Callable[[], object], device: str) -> float:
    finish = torch.cuda.synchronize if device == "cuda" else lambda: None
    finish()
    start = time.perf_counter()
    work()
    finish()
    return time.perf_counter() - start


def least_bytes(setting: Setting) -> int:
    """Bytes one event moves at least: samples and spectrum once each way, every tile's
    amplitude written and read (complex64), its energy written and read (float32)."""
    samples = setting.duration * setting.sample_rate
    tiles = sum(int(np.sum(plane.tiles)) for plane in setting.tiling.planes)
    return samples * 4 + 2 * samples // 2 * 8 + tiles * 2 * (8 + 4)


def copy_bandwidth(device: str) -> float:
    """Bytes a second, read plus written, of a copy of 1 GiB on the device."""
    source = torch.ones(2**28, device=device)
    target = torch.empty_like(source)
    times = [seconds(lambda: target.copy_(source), device) for _ in range(10)]
    return 2 * source.nbytes / min(times)


def measure(setting: Setting, batch: int, rounds: int, device: str) -> dict[str, float]:
    """Seconds per event of gwpy and of the engine on both grids."""
    values, centre = noise_with_glitches(setting, batch)
    one = Strain(values=values[0], start=START, sample_rate=float(setting.sample_rate), ifo="H1")
    tensors = torch.from_numpy(values).to(device), torch.from_numpy(centre).to(device)
    canvas = [view_canvas(view).grid for view in VIEWS]
    dense = gwpy_grids(START + centre[0], setting.tiling.band)
    work = {
        "gwpy": lambda: gwpy_views(
            one, START + centre[0], setting.imaging, whitened=setting.whitened
        ),
        "canvas": lambda: engine(setting, *tensors, canvas),
        "dense": lambda: engine(setting, *tensors, dense),
    }
    events = {"gwpy": 1, "canvas": batch, "dense": batch}
    for task in work.values():
        task()
    times = [{name: seconds(task, device) for name, task in work.items()} for _ in range(rounds)]
    return {name: min(t[name] for t in times) / events[name] for name in work}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, batch of {options.batch}, load {os.getloadavg()[0]:.1f}")
    print(f"{'four views of one event':32} {'gwpy':>9} {'picture':>9} {'':>6} {'own grid':>9}")
    for setting in SETTINGS:
        t = measure(setting, options.batch, options.rounds, options.device)
        print(
            f"{setting.name:32} {t['gwpy'] * 1e3:6.0f} ms {t['canvas'] * 1e3:6.1f} ms "
            f"{t['gwpy'] / t['canvas']:5.0f}x {t['dense'] * 1e3:6.1f} ms "
            f"{t['gwpy'] / t['dense']:5.0f}x   bar {setting.bar:.0f}x"
        )
        if options.device == "cuda":
            floor = least_bytes(setting) / copy_bandwidth(options.device)
            print(
                f"  {1 / t['canvas']:,.0f} events/s, {floor / t['canvas']:.1%} of the memory floor"
            )


if __name__ == "__main__":
    main()
