"""Attacks as one batch beside the papers' optimiser: how low they get, evaluations and time.

    python tests/benchmarks/bench_attacks.py [--model RUN] [--pairs 10] [--alone 1] [--device cuda]

RUN is a model of pictures trained on dSprites, such as one of `glitchvae recipe run
seatbelt_robustness`; without it a VAE of 64 x 64 sprites is trained first (1,200 steps). All
pairs are attacked at all 50 penalty weights as one batch; the first few at every fourth one by
one by scipy's L-BFGS-B, with the same bound on the evaluations of each attack. Milliseconds are
of processors; a ratio of objectives above one is in the batch's favour.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.models import ImageVAESettings, Model
from glitchvae.objectives import Beta
from glitchvae.training import TrainingConfig, train
from glitchvae.validation.images.dsprites import draw_dsprites
from glitchvae.validation.robustness.attacks import STRENGTHS, Attacks, attack
from glitchvae.validation.robustness.measuring import random_pairs
from tests.benchmarks.figures import figure

NO_WORSE = 1e-3
"""Share of an objective that the other may be above it."""


def timed(**options: Any) -> tuple[Attacks, float, float]:
    """Attacks, the processor seconds that each took, and the seconds that all took."""
    start, begin = time.process_time(), time.perf_counter()
    found = attack(**options)
    seconds = time.perf_counter() - begin
    return found, (time.process_time() - start) / len(found), seconds


def model_of(options: argparse.Namespace) -> Model[Any]:
    """The model that is named, or one that is trained for the purpose."""
    if options.model:
        return load_checkpoint(options.model, options.device).model
    config = TrainingConfig(
        objective=Beta(beta=1.0),
        model=ImageVAESettings(network="burgess", latent_size=10),
        steps=options.steps,
        batch_size=64,
        learning_rate=5e-4,
    )
    sprites = draw_dsprites().sample(min(20_000, 64 * options.steps), np.random.default_rng(1))
    with tempfile.TemporaryDirectory() as folder:
        run = train(sprites.to_training(), config, Path(folder) / "run", device=options.device)
        return load_checkpoint(run, options.device).model


def main() -> None:
    """Attack, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--steps", type=int, default=1200, help="of the training without --model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--alone", type=int, default=1)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--evaluations", type=int, default=200, help="most, of an attack")
    options = parser.parse_args()
    model = model_of(options)
    pictures = draw_dsprites().sample(2 * options.pairs, np.random.default_rng(0))
    x = pictures.fitted(model.settings.image_shape).to_training().batch(slice(None)).x
    pairs = random_pairs(x, options.pairs, torch.Generator().manual_seed(0))
    inputs, targets = (images.to(options.device) for images in pairs)
    on_gpu = options.device.startswith("cuda")
    few = {"inputs": inputs[: options.alone], "targets": targets[: options.alone]}
    few |= {"strengths": STRENGTHS[:: options.every], "method": "l-bfgs-b"}
    print(
        "| goal | batch: ms, evaluations | one by one | ratio | batch no worse | within 1 % |"
        " objective of one by one over the batch's: median, largest |"
    )
    print("|---|---|---|---|---|---|---|")
    for goal in ("latent", "output"):
        most = {"model": model, "goal": goal, "evaluations": options.evaluations}
        batch, first, seconds = timed(inputs=inputs, targets=targets, **most)
        alone, second, _ = timed(**few, **most)
        grid = batch.objective.reshape(-1, len(STRENGTHS))
        ours = grid[: options.alone, :: options.every].ravel()
        shares = [
            (ours <= alone.objective + share * np.abs(alone.objective)).mean()
            for share in (NO_WORSE, 0.01)
        ]
        print(
            f"| {goal} | {1e3 * first:.0f}, {batch.evaluations.mean():.0f} | "
            f"{1e3 * second:.0f}, {alone.evaluations.mean():.0f} | {second / first:.1f} | "
            f"{shares[0]:.0%} | {shares[1]:.0%} | "
            f"{np.median(alone.objective / ours):.4f}, {np.max(alone.objective / ours):.3g} |"
        )
        fall = np.diff(grid, axis=1).min()
        took = f"{first * len(batch):.1f} s of processors, {seconds:.1f} s on the clock"
        print(f"{goal}: {len(batch)} attacks in {took}; steepest fall along lambda {fall:.2g}")
        figure(f"{len(batch)} attacks on the {goal}", seconds, "s", most=5 if on_gpu else None)
        figure(f"attacks on the {goal}, no worse than L-BFGS-B", 100 * shares[0], "%", least=95)


if __name__ == "__main__":
    main()
