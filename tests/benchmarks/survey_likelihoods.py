"""What likelihoods of images of glitches say of held-out pixels.

    python tests/benchmarks/survey_likelihoods.py RUN... --data SET

Pixels are bytes: an energy in steps of 0.1, the first and last of which stand for all beyond.
The probability of a byte is one number for every likelihood, so that -ELBO = -log P(x|z) + KL
can be compared. A Bernoulli likelihood gives no probability of a byte between the ends. It is
given that of a normal around its mean, whose width is fitted to residuals of the validation
events for each view and row; so is a Gaussian one in its second line.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from glitchvae.checkpoint import load_checkpoint
from glitchvae.models import Model
from glitchvae.models.energy import ClippedWeibull
from glitchvae.objectives import layer_rates_of
from glitchvae.shapes import ENERGY_CEILING
from glitchvae.statistics import mean_estimate
from glitchvae.training import TrainingData, read_training_data

SMALLEST = 1e-30


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper edge of the bytes of roots; the ends reach to infinity."""
    counts = (x.double().square() * ENERGY_CEILING / 0.1).round()
    low = ((counts - 0.5).clamp_min(0) * 0.1 / ENERGY_CEILING).sqrt()
    high = ((counts + 0.5) * 0.1 / ENERGY_CEILING).sqrt()
    infinity = torch.full_like(low, torch.inf)
    return torch.where(counts == 0, -infinity, low), torch.where(counts == 255, infinity, high)


def of_weibull(found: ClippedWeibull, x: Tensor) -> Tensor:
    """Log probability of bytes."""
    scale, shape = found.log_scale.double().exp(), found.log_shape.double().exp()
    survival = [(-((edge.clamp_min(0) / scale) ** shape)).exp() for edge in edges(x)]
    return (survival[0] - survival[1]).clamp_min(SMALLEST).log()


def of_normal(mean: Tensor, width: Tensor, x: Tensor) -> Tensor:
    """Log probability of bytes."""
    low, high = (Normal(mean.double(), width.double()).cdf(edge) for edge in edges(x))
    return (high - low).clamp_min(SMALLEST).log()


def batches(model: Model, data: TrainingData, split: str):
    """Pixels, what exists of them, latents and likelihood of a split, under one seed."""
    torch.manual_seed(0)
    for rows in torch.from_numpy(data.rows(split)).split(64):
        batch = data.batch(rows)
        latents = model.infer(batch.x)
        yield batch.target, batch.valid.expand_as(batch.target), latents, model.decode(latents.z)


def widths(model: Model, data: TrainingData) -> Tensor:
    """(views, rows, 1) root mean square residual of the validation events."""
    sums, counts = 0, 0
    for x, valid, _, found in batches(model, data, "validation"):
        left = (x - found.mean).square() * valid
        sums, counts = sums + left.sum(dim=(0, 3)), counts + valid.sum(dim=(0, 3))
    return (sums / counts).sqrt()[..., None]


@torch.no_grad()
def measure(run: Path, data: TrainingData) -> dict[str, tuple[float, float, float]]:
    """Bits of a byte, distortion and rate in nats an event, by the name of a likelihood."""
    model = load_checkpoint(run).model
    name = model.settings.likelihood
    width = widths(model, data)
    ways: dict[str, Callable[[Distribution, Tensor], Tensor]] = {}
    if name == "clipped-energy":
        ways[name] = of_weibull
    elif name == "gaussian":
        ways[name] = lambda found, x: of_normal(found.mean, found.stddev, x)
    if name != "clipped-energy":
        ways[f"{name}, fitted widths"] = lambda found, x: of_normal(found.mean, width, x)
    sums = dict.fromkeys(ways, 0.0)
    pixels = events = spent = 0
    for x, valid, latents, found in batches(model, data, "test"):
        for way, log_probability in ways.items():
            sums[way] -= float((log_probability(found, x) * valid).sum())
        pixels, events = pixels + int(valid.sum()), events + len(x)
        spent += float(layer_rates_of(model, latents).sum())
    return {
        way: ((lost + spent) / pixels / np.log(2), lost / events, spent / events)
        for way, lost in sums.items()
    }


def main() -> None:
    """Print a line for each likelihood, with intervals over its runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", required=True, type=Path)
    options = parser.parse_args()
    shape = load_checkpoint(options.runs[0]).model.settings.image_shape
    data = read_training_data([options.data], shape=shape)
    found: dict[str, list[tuple[float, float, float]]] = {}
    for run in options.runs:
        for way, values in measure(run, data).items():
            found.setdefault(way, []).append(values)
    print("| likelihood | runs | bits a pixel, -ELBO | distortion (nats) | rate (nats) |")
    print("|---|---|---|---|---|")
    for way, values in found.items():
        cells = [mean_estimate([each[i] for each in values]) for i in range(3)]
        text = " | ".join(f"{e.value:.4g} ({e.low:.4g} to {e.high:.4g})" for e in cells)
        print(f"| {way} | {len(values)} | {text} |")


if __name__ == "__main__":
    main()
