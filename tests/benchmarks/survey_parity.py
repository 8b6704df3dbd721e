"""Parity with gwpy on many events: real strain at random times, and simulated glitches.

    python tests/benchmarks/survey_parity.py DATA [--real 200] [--simulated 200] [--seed 1]

DATA is the folder of real data that the tests use. Every tenth event is imaged with
Gravity Spy's own settings (64 s at 16 kHz, or what the strain allows), the others with
the light ones. Prints the figures of docs/performance.md; exit status 1 where a bar is
missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from glitchvae.errors import GlitchvaeError
from glitchvae.simulate import simulate_strain
from glitchvae.spectrogram import IMAGING, ImagingSettings
from glitchvae.spectrogram.parity import EventParity, ParityReport, compare, compare_block
from glitchvae.strain import open_strain

EVERY = 10  # one event in this many is imaged with Gravity Spy's own settings
REACH = 3.0  # seconds kept between a random time and the ends of the data
PER_STRETCH = 20  # simulated events in one stretch of noise


def settings_of(index: int) -> ImagingSettings:
    return IMAGING["gravity-spy" if index % EVERY == 0 else "light"]


def real_events(data: Path, count: int, rng: np.random.Generator) -> Iterator[EventParity]:
    """Random times in every strain file, in proportion to its length."""
    paths = sorted(p for p in (data / "strain").rglob("*") if p.suffix in (".hdf5", ".gwf"))
    sources = [open_strain([path]) for path in paths]
    lengths = np.array([abs(source.segments) for source in sources], dtype=float)
    for index in range(count):
        source = sources[rng.choice(len(sources), p=lengths / lengths.sum())]
        start, end = source.segments[rng.integers(len(source.segments))]
        gps = rng.uniform(start + REACH, end - REACH)
        try:
            yield from compare(source, [gps], settings_of(index)).events
        except GlitchvaeError as error:
            print(f"left out: {error}", file=sys.stderr)


def simulated_events(count: int, rng: np.random.Generator) -> Iterator[EventParity]:
    """Glitches of all classes in noise of H1, L1 and V1 at 4 and 16 kHz."""
    index = 0
    while index < count:
        rate = (4096.0, 16384.0)[(index // PER_STRETCH) % 2]
        ifo = ("H1", "L1", "V1")[(index // PER_STRETCH) % 3]
        seed = int(rng.integers(2**31))
        strain, truth = simulate_strain(
            256.0, ifo, seed, sample_rate=rate, glitches=PER_STRETCH, balance="uniform"
        )
        for gps in np.clip(truth.gps, strain.start + REACH, strain.end - REACH)[: count - index]:
            settings = settings_of(index)
            start = np.clip(
                np.round(gps - settings.block / 2), strain.start, strain.end - settings.block
            )
            block = strain.crop(float(start), float(start) + settings.block)
            yield compare_block(block, float(gps), settings)
            index += 1


def describe(name: str, events: list[EventParity]) -> str:
    report = ParityReport(events=tuple(events))
    medians = np.array([event.median_error for event in events])
    return (
        f"{name:10} {len(events):6d} {report.same_plane:10.2%} {np.nanmedian(medians):9.1e} "
        f"{report.median_error:9.1e} {report.largest_error:9.1e} {report.pixel_error:9.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--real", type=int, default=200)
    parser.add_argument("--simulated", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    real = list(real_events(options.data, options.real, rng))
    simulated = list(simulated_events(options.simulated, rng))
    print(
        f"{'':10} {'events':>6} {'same plane':>10} {'median':>9} {'worst':>9} {'largest':>9} "
        f"{'pixel':>9}"
    )
    for name, events in (("real", real), ("simulated", simulated), ("all", real + simulated)):
        if events:
            print(describe(name, events))
    for event in real + simulated:
        if not event.same_plane:
            print(
                f"other plane at {event.gps:.4f}: gwpy {event.q_gwpy:.2f}, "
                f"engine {event.q_engine:.2f}"
            )
    sys.exit(0 if ParityReport(events=tuple(real + simulated)).passed else 1)


if __name__ == "__main__":
    main()
