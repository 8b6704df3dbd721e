"""The Q engine on a GPU against the same engine on the CPU: planes, energies and images.

    python tests/benchmarks/bench_parity.py --device cuda [--events 64]

Noise with a glitch in each block, at the two settings of `bench_qtransform.py`. The bars are
those of the comparison with gwpy: every event in the same plane, energies of the pictures
equal to 1e-5 (median of the relative differences).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from glitchvae.qtransform import Grid
from glitchvae.shapes import VIEWS
from glitchvae.spectrogram.canvas import view_canvas
from tests.benchmarks.bench_qtransform import SETTINGS, Setting, engine, noise_with_glitches
from tests.benchmarks.figures import figure

MEDIAN_ERROR = 1e-5


def compare(setting: Setting, events: int, device: str, canvas: list[Grid]) -> None:
    """Print what differs between the device and the CPU in one setting."""
    values, centre = noise_with_glitches(setting, events)
    here = engine(setting, torch.from_numpy(values), torch.from_numpy(centre), canvas)
    tensors = [torch.from_numpy(part).to(device) for part in (values, centre)]
    there = engine(setting, *tensors, canvas)
    same = (there.q.cpu() == here.q).double().mean().item()
    figure(f"same plane, {setting.name}", 100 * same, "%", least=100)
    apart = []
    for found, expected in zip(there.views, here.views, strict=True):
        known = torch.isfinite(expected)
        if not torch.equal(known, torch.isfinite(found.cpu())):
            raise SystemExit(f"{setting.name}: other pixels are NaN than on the CPU")
        error = (found.cpu()[known] - expected[known]).abs() / expected[known].clamp_min(1e-3)
        apart.append(error.numpy())
    errors = np.concatenate(apart)
    name = f"relative difference of energies, {setting.name}"
    figure(f"{name}, median", float(np.median(errors)), "", most=MEDIAN_ERROR)
    figure(f"{name}, 99.9 %", float(np.quantile(errors, 0.999)), "")


def main() -> None:
    """Compare both settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--events", type=int, default=16)
    parser.add_argument("--setting", type=int, nargs="+", default=[0, 1], help="0 and 1")
    options = parser.parse_args()
    canvas = [view_canvas(view).grid for view in VIEWS]
    for setting in options.setting:
        compare(SETTINGS[setting], options.events, options.device, canvas)


if __name__ == "__main__":
    main()
