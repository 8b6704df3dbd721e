"""Size and speed of a model that encodes: megabytes, events a second, the same codes again."""

import argparse
import time
from pathlib import Path

import numpy as np

from glitchvae.checkpoint import load_checkpoint
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset
from glitchvae.embedding import encode_spectrograms
from glitchvae.spectrogram import IMAGING, SpectrogramSet


def main() -> None:
    """Simulate events, encode them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--events", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    checkpoint = load_checkpoint(options.model, options.device)
    parts = simulate_dataset(plan_stretches(options.events, 5), IMAGING["light"])
    images = SpectrogramSet.join(list(parts))
    size = sum(f.stat().st_size for f in Path(checkpoint.path).iterdir() if f.is_file())
    print(f"| model | {size / 1e6:.1f} MB |")
    first = encode_spectrograms(images, checkpoint, device=options.device).mean
    for uncertainty in (False, True):
        start = time.perf_counter()
        again = encode_spectrograms(
            images, checkpoint, device=options.device, uncertainty=uncertainty
        ).mean
        rate = len(images) / (time.perf_counter() - start)
        what = "with" if uncertainty else "without"
        print(f"| {what} columns of uncertainty | {rate:.0f} events/s |")
    print(f"| the same codes again | {np.array_equal(first, again, equal_nan=True)} |")


if __name__ == "__main__":
    main()
