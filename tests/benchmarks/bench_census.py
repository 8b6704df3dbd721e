"""A day of three detectors through a census, and the gain of a second worker.

    python -m tests.benchmarks.bench_census day [--seconds 86400] [--file 4096] [--undisturbed]
    python -m tests.benchmarks.bench_census workers [--seconds 16384] [--rounds 3]

`day` simulates strain of H1, L1 and V1 in files of one length, leaves out the eleventh hour of L1
(of a shorter day: its 24th part), cuts a file of V1 off in its middle, and runs `glitchvae census
run --workers 2`, of which one worker is killed while it embeds. The live time has to be that of
the files, which is computed from their names alone. `--undisturbed` runs a second census with one
worker and without the kill; both archives have to be equal, row for row. `pytest -m slow
tests/census/test_kills.py` runs eight minutes of it.

`workers` runs one `glitchvae embed` and censuses with one and two workers over files of H1, with
one thread each, in turns; the fastest round counts.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.figures import figure

START, RATE = 1238163456, 4096.0  # GPS time of the first sample, a multiple of 4,096 s
SPACING = 60.0  # mean seconds between two glitches: that of O3
EDGE, SHORTEST = 1.0, 8.0  # seconds that are not searched at an end, and the shortest stretch
DETECTORS = ("H1", "L1", "V1")
SHARD = 600  # seconds, so that two workers end nearly at the same time

Spans = list[tuple[int, int]]


def spans(seconds: int, file: int, gap: tuple[int, int] | None = None) -> Spans:
    """Start and end of the files of a detector, of `file` s each, with or without a gap."""
    whole = [(START, START + seconds)]
    if gap is not None:
        whole = [(START, START + gap[0]), (START + gap[1], START + seconds)]
    cut = []
    for first, last in whole:
        inner = range(-(-(first + 1) // file) * file, last, file)
        cut += list(itertools.pairwise([first, *inner, last]))
    return cut


def write_strain(folder: Path, ifo: str, files: Spans) -> list[Path]:
    """Files of simulated strain, made once and kept in `folder`, each with its truth."""
    from glitchvae.simulate import simulate_strain
    from glitchvae.strain import write_gwosc

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for first, last in files:
        path = folder / f"{ifo[0]}-{ifo}_CENSUS-{first}-{last - first}.hdf5"
        paths.append(path)
        if path.exists():
            continue
        strain, truth = simulate_strain(
            float(last - first),
            ifo,
            seed=first + DETECTORS.index(ifo),
            sample_rate=RATE,
            glitches=round((last - first) / SPACING),
            start=float(first),
        )
        truth.write_csv(path.with_name(f"{path.stem}_truth.csv"))
        write_gwosc(path, strain)
    return paths


def live(files: Spans) -> tuple[float, float]:
    """Seconds that are covered by files, and seconds of them that a search looks at."""
    ends = {last for _, last in files}
    starts = {first for first, _ in files}
    edges = zip(sorted(starts - ends), sorted(ends - starts), strict=True)
    lengths = [last - first for first, last in edges]
    searched = [length - 2 * EDGE for length in lengths if length >= SHORTEST]
    return float(sum(lengths)), float(sum(searched))


def run(*arguments: object, **options: object) -> subprocess.Popen[str]:
    """A command of this package in a process of its own."""
    command = [sys.executable, "-m", "glitchvae", *map(str, arguments)]
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]


def kill_a_worker(process: subprocess.Popen[str], census: Path) -> None:
    """Kill a worker of a census once one embeds."""
    while process.poll() is None and not any(census.glob("parts/*/archive/parts/.running-*")):
        time.sleep(0.1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [c for c in children if b"\0work\0" in Path(f"/proc/{c}/cmdline").read_bytes()]
    os.kill(int(workers[0]), signal.SIGKILL)
    print(f"killed worker {workers[0]}", flush=True)


def embed_day(strain: Path, census: Path, workers: int, *, kill: bool) -> tuple[float, str]:
    """Wall time of a whole census, and what it printed to stderr."""
    begin = time.monotonic()
    options = ("--workers", workers, "--backoff", 1)
    with tempfile.TemporaryFile("w+") as told:
        process = run("census", "run", strain, "-o", census, *options, stderr=told)
        if kill:
            kill_a_worker(process, census)
        status = process.wait()
        told.seek(0)
        text = told.read()
    if status != 1:
        raise SystemExit(f"status {status}, 1 expected, since a file is cut off:\n{text}")
    return time.monotonic() - begin, text


def found(census: Path, strain: Path, least: float) -> tuple[int, int]:
    """Injected glitches of some SNR within the live time, and how many of them have an event."""
    from glitchvae.archive import Archive

    archive = Archive(census / "archive")
    rows, searched = archive.embeddings(), archive.live_time()
    count = hits = 0
    truth = pd.concat(map(pd.read_csv, sorted(strain.glob("*_truth.csv"))))
    for ifo, injected in truth[truth.snr >= least].groupby("ifo"):
        own = rows.take(np.flatnonzero(rows.ifo == str(ifo)))
        half = np.maximum(own.duration / 2, 0.25)
        for gps, duration in zip(injected.gps, injected.duration, strict=True):
            if any(gps in stretch for stretch in searched[str(ifo)]):
                count += 1
                hits += bool((np.abs(own.gps - gps) < half + duration / 2).any())
    return count, hits


def day(folder: Path, seconds: int, file: int, *, undisturbed: bool) -> None:
    """A day through a census, and its outcome."""
    from glitchvae.archive import Archive

    hour = (10 * seconds // 24, 11 * seconds // 24)
    strain = folder / f"strain-{seconds}"
    files = {ifo: spans(seconds, file, hour if ifo == "L1" else None) for ifo in DETECTORS}
    paths = {ifo: write_strain(strain, ifo, own) for ifo, own in files.items()}
    cut = len(files["V1"]) // 2
    damaged = paths["V1"][cut]
    os.truncate(damaged, damaged.stat().st_size // 2)
    del files["V1"][cut]
    for old in folder.glob("census-*"):
        shutil.rmtree(old)

    wall, told = embed_day(strain, folder / "census-killed", 2, kill=True)
    total = sum(live(own)[0] for own in files.values())
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    figure("a day of three detectors, two workers, wall time", wall, "s")
    figure("times real time", total / wall, "x")
    figure("processor time", spent.ru_utime + spent.ru_stime, "s")
    figure("largest process", spent.ru_maxrss / 1024, "MiB")
    unsaid = [what for what in (damaged.name, "killed by signal 9") if what not in told]
    print(f"the damaged file and the killed worker are named: {'NO' if unsaid else 'yes'}")
    gaps = [line.strip() for line in told.splitlines() if re.search(r"no strain|gap", line)]
    print(*gaps, sep="\n")
    archive = Archive(folder / "census-killed" / "archive")
    covered, searched = archive.ledger().covered(), archive.live_time()
    wrong = 0
    for ifo, own in files.items():
        expected, stored = live(own), (float(abs(covered[ifo])), float(abs(searched[ifo])))
        wrong += stored != expected
        for name, value, right in zip(("covered", "searched"), stored, expected, strict=True):
            print(f"{ifo}: {name} {value:,} s of {right:,}")
    print(f"live time: {'WRONG' if wrong else 'right'}")
    for least in (8.0, 10.0, 15.0):
        count, hits = found(folder / "census-killed", strain, least)
        print(f"injected glitches of SNR {least:g} and more: {count}, with an event {hits}")
    print(f"events: {len(archive.embeddings())}", flush=True)
    if undisturbed:
        wall, _ = embed_day(strain, folder / "census-undisturbed", 1, kill=False)
        figure("the same, one worker, undisturbed", wall, "s")
        compare(folder / "census-killed", folder / "census-undisturbed")
    if wrong or unsaid:
        raise SystemExit(1)


def compare(one: Path, other: Path) -> None:
    """That the archives of two censuses are equal, row for row.

    Raises:
        AssertionError: they are not.
    """
    from tests.census.simulated import assert_equal

    assert_equal(one / "archive", other / "archive")
    print("both archives are equal, row for row")


def gain(folder: Path, seconds: int, file: int, rounds: int) -> None:
    """Wall times of one process, of one worker, and of two."""
    strain = folder / f"alone-{seconds}"
    write_strain(strain, "H1", spans(seconds, file))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    out = folder / "out"
    ways: dict[str, tuple[object, ...]] = {
        "embed": ("embed", strain, "--archive", out),
        "one worker": ("census", "run", strain, "-o", out, "--shard", SHARD, "--workers", 1),
        "two workers": ("census", "run", strain, "-o", out, "--shard", SHARD, "--workers", 2),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, command in ways.items():
            shutil.rmtree(out, ignore_errors=True)
            begin = time.monotonic()
            done = run(*command, "-q", env=environment, stdout=subprocess.DEVNULL)
            if status := done.wait():
                raise SystemExit(f"{name}: status {status}")
            best[name] = min(best[name], time.monotonic() - begin)
    for name, wall in best.items():
        figure(f"{seconds:,} s of strain, {name}", wall, "s")
        figure(f"times real time, {name}", seconds / wall, "x")
    figure("gain of a second worker", best["one worker"] / best["two workers"], "x", least=1.8)
    overhead = 100 * (best["one worker"] / best["embed"] - 1)
    figure("overhead of a census", overhead, "% of embed", most=5)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("day", "workers"))
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--file", type=int, default=4096, help="seconds of a file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--undisturbed", action="store_true")
    parser.add_argument("--folder", type=Path, help="where strain is kept for the next time")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if options.what == "day":
            day(folder, options.seconds or 86_400, options.file, undisturbed=options.undisturbed)
        else:
            gain(folder, options.seconds or 16_384, options.file, options.rounds)


if __name__ == "__main__":
    main()
