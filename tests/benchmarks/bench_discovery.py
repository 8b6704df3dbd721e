"""Time and peak memory of discovery and of the search for neighbours.

    python tests/benchmarks/bench_discovery.py [--events 100000] [--search 200000]

Codes of 32 dimensions are drawn around the middles of 24 classes, of which one is not
known; the neighbours are looked for in an archive on disk.
"""

import argparse
import resource
import tempfile
import time

import numpy as np

from glitchvae.archive import create_archive
from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery import discover
from glitchvae.embedding import Embeddings

CLASSES, SIZE, NEW = 24, 32, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--search", type=int, default=200_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    middles = rng.normal(0.0, 2.0, (CLASSES, SIZE))
    if options.events:
        search_for_classes(options.events, middles, rng)
    if options.search:
        counts = rng.multinomial(options.search, np.full(CLASSES, 1 / CLASSES))
        search_for_neighbours(events_of(*draw(middles, counts, rng), rng))


def search_for_classes(events, middles, rng) -> None:
    """Discovery with the first class unknown."""
    known, names = draw(middles, np.r_[0, np.full(CLASSES - 1, 400)], rng)
    prototypes = Prototypes.fit(known, names)
    shares = rng.dirichlet(np.ones(CLASSES - 1))
    counts = np.r_[NEW, rng.multinomial(events - NEW, shares)]
    archive = events_of(*draw(middles, counts, rng), rng)
    begin, used = time.perf_counter(), time.process_time()
    found = discover(archive, prototypes)
    print(
        f"discovery of {len(archive):,} events: {time.perf_counter() - begin:.1f} s,",
        f"{time.process_time() - used:.1f} s of processor time,",
        f"{len(found.candidates)} candidates, peak memory {peak():.2f} GiB",
    )
    for candidate in found.candidates:
        of_it = int((candidate.members < NEW).sum())
        print(f"{candidate.name}: {len(candidate.members)} events, {of_it} of the {NEW} new ones")


def draw(middles, counts, rng):
    """Codes and labels of `counts` events around each middle."""
    owners = np.repeat(np.arange(len(middles)), counts)
    widths = 0.4 + 0.6 * np.random.default_rng(1).random(len(middles))
    codes = rng.normal(middles[owners], widths[owners, None])
    return codes, np.array([f"class-{n}" for n in owners], dtype=object)


def events_of(codes, labels, rng) -> Embeddings:
    """Rows of two detectors over thirty days."""
    count = len(codes)
    numbers = rng.uniform(8.0, 30.0, (5, count))
    return Embeddings(
        event_id=np.array([f"e{n}" for n in range(count)], dtype=object),
        gps=1_238_166_018.0 + rng.uniform(0.0, 30 * 86400.0, count),
        ifo=rng.choice(["H1", "L1"], count).astype(object),
        snr=numbers[0],
        peak_frequency=numbers[1],
        q=numbers[2],
        duration=numbers[3],
        bandwidth=numbers[4],
        mean=codes,
        log_var=np.zeros_like(codes),
        class_name=labels,
        class_probability=np.ones(count),
        novelty_p=np.zeros(count),
        f_max=np.full(count, 2048.0),
        block_duration=np.full(count, 64.0),
        status=np.full(count, "ok", dtype=object),
        label=np.full(count, "", dtype=object),
        model={"name": "drawn", "digest": "0" * 64},
    )


def search_for_neighbours(events: Embeddings, queries: int = 50) -> None:
    """Median time of an exact search by code, in an archive on disk."""
    with tempfile.TemporaryDirectory() as folder:
        archive = create_archive(f"{folder}/archive")
        archive.append(events)
        on_disk = timed(archive.nearest, events.mean[:queries])
    print(f"neighbours among {len(events):,}: {on_disk:.1f} ms")


def timed(nearest, codes) -> float:
    """Median time of a search (ms), the first one left out."""
    nearest(codes[0])
    times = []
    for code in codes:
        begin = time.perf_counter()
        nearest(code)
        times.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(times))


def peak() -> float:
    """Peak resident memory of this process (GiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
