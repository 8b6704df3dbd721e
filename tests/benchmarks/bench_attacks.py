"""Attacks as one batch beside the papers' optimiser: how low they get, evaluations and time.

    python tests/benchmarks/bench_attacks.py --checkpoint RUN [--pairs 10] [--alone 2]

RUN is a model of pictures trained on dSprites, such as one of `glitchvae recipe run
seatbelt_robustness`. All pairs are attacked as one batch, the first few one by one.
"""

import argparse
import time

import numpy as np
import torch

from glitchvae.checkpoint import load_checkpoint
from glitchvae.validation.attacks import STRENGTHS, Attacks, attack
from glitchvae.validation.dsprites import draw_dsprites
from glitchvae.validation.robustness import random_pairs


def timed(**options: object) -> tuple[Attacks, float]:
    """Attacks, and the processor seconds they took."""
    start = time.process_time()
    found = attack(**options)
    return found, time.process_time() - start


def main() -> None:
    """Attack, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--alone", type=int, default=2)
    options = parser.parse_args()
    model = load_checkpoint(options.checkpoint).model
    pictures = draw_dsprites().sample(2 * options.pairs, np.random.default_rng(0))
    x = torch.from_numpy(pictures.images()).float()
    inputs, targets = random_pairs(x, options.pairs, torch.Generator().manual_seed(0))
    print("| goal | batch, attacks/s | one by one, attacks/s | ratio | evaluations | no worse |")
    print("|---|---|---|---|---|---|")
    for goal in ("latent", "output"):
        batch, first = timed(model=model, inputs=inputs, targets=targets, goal=goal)
        few = {"inputs": inputs[: options.alone], "targets": targets[: options.alone]}
        alone, second = timed(model=model, **few, goal=goal, method="l-bfgs-b")
        rates = len(batch) / first, len(alone) / second
        same = batch.objective[: len(alone)] <= alone.objective * (1 + 1e-3) + 1e-6
        print(
            f"| {goal} | {rates[0]:.1f} | {rates[1]:.1f} | {rates[0] / rates[1]:.1f} | "
            f"{batch.evaluations.mean():.0f}, {alone.evaluations.mean():.0f} | {same.mean():.0%} |"
        )
        falls = np.diff(batch.objective.reshape(-1, len(STRENGTHS)), axis=1).min()
        print(f"{goal}: {first:.1f} s of processors for {len(batch)}; steepest fall {falls:.2g}")


if __name__ == "__main__":
    main()
