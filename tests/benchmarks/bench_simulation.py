"""How fast a training set is simulated, and what of it is noise, images and the file.

    python tests/benchmarks/bench_simulation.py [--events 8000] [--imaging light] [--device cuda]

What `glitchvae simulate dataset --balance official --seed 1` does, into a temporary file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from glitchvae.dataset.simulated import plan_stretches, simulate_dataset, write_dataset
from glitchvae.simulate import Truth
from glitchvae.spectrogram import IMAGING, SpectrogramSet
from tests.benchmarks.figures import figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=8000)
    parser.add_argument("--imaging", default="light", choices=sorted(IMAGING))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    imaging, waited = IMAGING[options.imaging], 0.0

    def timed() -> Iterator[tuple[SpectrogramSet, Truth]]:
        nonlocal waited
        plan = plan_stretches(options.events, 1, balance="official")
        parts = simulate_dataset(plan, imaging, device=options.device)
        while True:
            begin = time.perf_counter()
            part = next(parts, None)
            waited += time.perf_counter() - begin
            if part is None:
                return
            yield part

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        path = Path(folder) / "set.h5"
        write_dataset(path, timed(), options.events)
        seconds = time.perf_counter() - begin
        size = path.stat().st_size
    figure(f"simulation of {options.events} events", options.events / seconds, "events/s")
    figure("simulation, noise and images of it", 100 * waited / seconds, "%")
    figure("simulation, the file", size / 1e6, "MB")


if __name__ == "__main__":
    main()
