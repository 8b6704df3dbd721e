"""What it costs to read sound strain in the reader of `glitchvae.guard`, beside reading it here.

    python tests/benchmarks/bench_guard.py [--rounds 7] [--folder FOLDER]

Every file below FOLDER, or `strain/` of the real data, is opened and read whole, in turns through
the reader and in this process by the same functions. Time is processor time of all processes that
take part, so that other work on the machine counts little. Figures are medians over rounds of all
files; the start of the server, once a command, stands apart. The search for triggers in some of
the files is timed, too: it is the least that is done with strain.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from glitchvae import guard
from glitchvae.strain import is_strain, open_strain
from glitchvae.triggers import find_triggers
from tests.benchmarks.figures import figure, machine
from tests.conftest import DEFAULT_DATA

FOLDER = Path(os.environ.get("GLITCHVAE_TEST_DATA", DEFAULT_DATA)).resolve() / "strain"
SEARCHED = 8  # files in which triggers are looked for


def files(folder: Path) -> list[tuple[Path, str]]:
    """Every file of strain, and its detector, which some do not tell."""
    found = sorted(p for p in folder.rglob("*") if p.suffix in (".hdf5", ".gwf"))
    return [(path, re.findall("[GHKLV]1", path.name)[0]) for path in found]


def read_all(paths: list[tuple[Path, str]], *, search: bool = False) -> None:
    """As commands do: is it strain, what does it hold, its samples."""
    for path, ifo in paths:
        if is_strain(path):
            source = open_strain(path, ifo=ifo)
            strain = source.read(*source.segments.extent())
            if search:
                find_triggers(strain)


@contextmanager
def in_this_process() -> Iterator[None]:
    """What the reader does, done here."""
    guard._Reader.serving = True
    try:
        yield
    finally:
        guard._Reader.serving = False


def spent() -> float:
    """Seconds of processor time of this process and of all below it that live."""
    children = psutil.Process().children(recursive=True)
    return time.process_time() + sum(time.clock_gettime(_clock(child.pid)) for child in children)


def _clock(pid: int) -> int:
    """Linux's number of the clock of a process (clock_getcpuclockid)."""
    return (~pid << 3) | 2


def cost(paths: list[tuple[Path, str]], *, search: bool = False) -> float:
    before = spent()
    read_all(paths, search=search)
    return spent() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    paths = files(options.folder)
    if not paths:
        print(f"no strain at {options.folder}")
        return
    with in_this_process():
        read_all(paths)  # imports, and the files into memory
    start = cost(paths[:1])
    read_all(paths)
    apart, here = [], []
    for _ in range(options.rounds):
        apart.append(cost(paths))
        with in_this_process():
            here.append(cost(paths))
    size = sum(path.stat().st_size for path, _ in paths) / 2**20
    print(f"{len(paths)} files, {size:.0f} MiB; {machine()}")
    each = 1000 / len(paths)
    figure("a file here", statistics.median(here) * each, "ms")
    figure("a file in the reader", statistics.median(apart) * each, "ms")
    differences = [a - b for a, b in zip(apart, here, strict=True)]
    figure("more a file", statistics.median(differences) * each, "ms", most=10)
    ratios = [a / b for a, b in zip(apart, here, strict=True)]
    figure("ratio", statistics.median(ratios), "", most=1.05)
    figure("smallest ratio", min(ratios), "")
    figure("largest ratio", max(ratios), "")
    some = paths[:: max(len(paths) // SEARCHED, 1)]
    read_all(some[:1], search=True)
    searched = 1000 * cost(some, search=True) / len(some)
    figure("a file read in the reader and searched", searched, "ms")
    share = statistics.median(differences) * each / searched
    figure("more a file, as a share of that", 100 * share, "%", most=5)
    figure("the first file, with the start of the server", start, "s")


if __name__ == "__main__":
    main()
