"""Attacks as one batch beside the papers' optimiser: how low they get, evaluations and time.

    python tests/benchmarks/bench_attacks.py --model RUN [--pairs 10] [--alone 1] [--every 4]

RUN is a model of pictures trained on dSprites, such as one of `glitchvae recipe run
seatbelt_robustness`. All pairs are attacked at all 50 penalties as one batch; the first few at
every fourth lambda one by one by scipy's L-BFGS-B, with the same bound on the evaluations of
each attack. Milliseconds are of processors; a ratio of objectives above one is in the batch's
favour.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.validation.images.dsprites import draw_dsprites
from glitchvae.validation.robustness.attacks import STRENGTHS, Attacks, attack
from glitchvae.validation.robustness.measuring import random_pairs

NO_WORSE = 1e-3
"""Share of an objective that the other may be above it."""


def timed(**options: Any) -> tuple[Attacks, float, float]:
    """Attacks, the processor seconds that each took, and the seconds that all took."""
    start, begin = time.process_time(), time.perf_counter()
    found = attack(**options)
    seconds = time.perf_counter() - begin
    return found, (time.process_time() - start) / len(found), seconds


def main() -> None:
    """Attack, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--alone", type=int, default=1)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--evaluations", type=int, default=200, help="most, of an attack")
    options = parser.parse_args()
    model = load_checkpoint(options.model).model
    pictures = draw_dsprites().sample(2 * options.pairs, np.random.default_rng(0))
    x = pictures.fitted(model.settings.image_shape).to_training().batch(slice(None)).x
    inputs, targets = random_pairs(x, options.pairs, torch.Generator().manual_seed(0))
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


if __name__ == "__main__":
    main()
