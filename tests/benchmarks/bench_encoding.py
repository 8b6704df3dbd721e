"""Size and speed of a model that encodes: megabytes, events a second, the same codes again.

    python tests/benchmarks/bench_encoding.py [--events 256] [--times 1] [--device cuda]

Simulated events are encoded, all of them so many times over. On a GPU the codes are also
compared with those of the CPU.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from glitchvae.checkpoint import load_checkpoint
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset
from glitchvae.embedding import encode_spectrograms
from glitchvae.spectrogram import IMAGING, SpectrogramSet
from tests.benchmarks.figures import figure

CODES_AGREE = 1e-3


def main() -> None:
    """Simulate events, encode them, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--events", type=int, default=256)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--batch", type=int, nargs="+", default=[64])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    checkpoint = load_checkpoint(options.model, options.device)
    plan = plan_stretches(options.events, 5)
    parts = simulate_dataset(plan, IMAGING["light"], device=options.device)
    some = SpectrogramSet.join([images for images, _ in parts])
    images = SpectrogramSet.join([some] * options.times)
    size = sum(f.stat().st_size for f in Path(checkpoint.path).iterdir() if f.is_file())
    figure("size of the model", size / 1e6, "MB")
    first = encode_spectrograms(images, checkpoint, device=options.device).mean
    for batch in options.batch:
        for uncertainty in (False, True):
            start = time.perf_counter()
            again = encode_spectrograms(
                images,
                checkpoint,
                device=options.device,
                batch_size=batch,
                uncertainty=uncertainty,
            ).mean
            rate = len(images) / (time.perf_counter() - start)
            what = "with" if uncertainty else "without"
            figure(f"encoding, batches of {batch}, {what} columns of uncertainty", rate, "events/s")
            figure("the same codes again, largest difference", largest(again, first), "")
    if options.device != "cpu":
        expected = encode_spectrograms(some, load_checkpoint(options.model)).mean
        figure(
            "codes, largest difference from the CPU's",
            largest(first[: len(some)], expected),
            "",
            most=CODES_AGREE,
        )


def largest(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference; infinite where one has a code and the other has none."""
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return np.inf
    return float(np.nanmax(np.abs(found - expected)))


if __name__ == "__main__":
    main()
