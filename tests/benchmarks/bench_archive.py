"""An archive of a million made-up glitches: how long its questions take, and in how much memory.

    python tests/benchmarks/bench_archive.py [--rows 1000000] [--without-index] [--keep FOLDER]

The archive has 250 parts of two detectors, codes of 64 dimensions made by a model with 20
classes, and a ledger of 100,000 files with a gap in each. Times are of processors (user and
system), the best of several; a process of its own answers each question, so that the operating
system tells its peak memory. With `--without-index` the same is asked of the parts alone, as on
a place that cannot be written.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.benchmarks.figures import figure

PARTS, SIZE, CLASSES, NEIGHBOURS = 250, 64, 20, 20
START, SECONDS = 1_126_000_000, 4096
FILES = 100_000
IMAGING = {"name": "bench"}


def make_model(folder: Path) -> str:
    """A head of 20 classes in 64 dimensions, kept as a model's folder; the digest of its codes."""
    import tomli_w

    from glitchvae.classes.model_card import CARD, PROTOTYPES
    from glitchvae.classes.prototypes import Prototypes
    from glitchvae.store import digest
    from tests.cards import blank_card

    rng = np.random.default_rng(0)
    centres = rng.normal(scale=3.0, size=(CLASSES, SIZE))
    owners = np.repeat(np.arange(CLASSES), 50)
    codes = centres[owners] + rng.normal(size=(len(owners), SIZE))
    names = np.array([f"Class_{k:02}" for k in range(CLASSES)], dtype=object)
    folder.mkdir(parents=True)
    Prototypes.fit(codes, names[owners]).save(folder / PROTOTYPES)
    digests = {
        "weights_digest": "0" * 64,
        "prototypes_digest": digest(folder / PROTOTYPES),
    }
    card = blank_card("glitch", latent_size=SIZE).model_copy(update=digests)
    (folder / CARD).write_bytes(tomli_w.dumps(card.model_dump(mode="json")).encode())
    return card.code_digest


def make_part(root: Path, number: int, rows: int, model: str) -> None:
    """One part of one detector, its events spread over the seconds of its name."""
    from glitchvae.archive.layout import name_part
    from glitchvae.archive.parts import part_table, write_part
    from glitchvae.embedding import Embeddings

    rng = np.random.default_rng(1 + number)
    ifo, start = ("H1", "L1")[number % 2], START + number // 2 * SECONDS
    gps = np.sort(start + rng.uniform(0.0, SECONDS, rows)).round(4)
    centres = np.random.default_rng(0).normal(scale=3.0, size=(CLASSES, SIZE))
    mean = centres[rng.integers(CLASSES, size=rows)] + rng.normal(size=(rows, SIZE))
    numbers = {
        name: rng.lognormal(sigma=0.5, size=rows)
        for name in ("snr", "peak_frequency", "q", "duration", "bandwidth")
    }
    unknown = np.full(rows, np.nan)
    embeddings = Embeddings(
        event_id=[f"{ifo}-{number:04}-{row:06}" for row in range(rows)],
        gps=gps,
        ifo=[ifo] * rows,
        **numbers,
        mean=mean,
        log_var=rng.normal(size=(rows, SIZE)),
        class_name=np.full(rows, "", dtype=object),
        class_probability=unknown,
        novelty_p=unknown,
        f_max=np.full(rows, 2048.0),
        block_duration=np.full(rows, 8.0),
        status=["ok"] * rows,
        model={"name": "bench", "digest": model},
        imaging=IMAGING,
    )
    target = root / "parts" / str(name_part(ifo, start, start + SECONDS))
    target.parent.mkdir(exist_ok=True)
    write_part(target, [part_table(embeddings)])


def make_ledger(root: Path, files: int) -> None:
    """A ledger of so many files with a gap in each, 20,000 rows in a file of it."""
    from glitchvae.archive.ledger import add_to_ledger, table_of

    for first in range(0, files, 20_000):
        rows = [_searched(number) for number in range(first, min(first + 20_000, files))]
        add_to_ledger(root, [("searched", table_of("searched", rows))])


def _searched(number: int) -> dict:
    start = float(START + number // 2 * SECONDS)
    middle, end = start + 2000.0, start + SECONDS
    good = [{"start": start, "end": middle}, {"start": middle + 100.0, "end": end}]
    return {
        "ifo": ("H1", "L1")[number % 2],
        "snr": 7.5,
        "search": "{}",
        "sample_rate": 4096.0,
        "limits": ["mask DATA"],
        "path": f"/data/{number}.hdf5",
        "digest": f"{number:064}",
        "size": 1,
        "modified": 1,
        "start": start,
        "end": end,
        "examined": [{"start": start, "end": end}],
        "covered": good,
        "searched": good,
        "triggers": [],
        "marks": [{"gps": int(start) + 8 * k, "checksum": k} for k in range(SECONDS // 8)],
        "glitchvae_version": "0",
        "written": "",
    }


def make_archive(root: Path, rows: int) -> None:
    """The whole archive."""
    from glitchvae.archive import create_archive

    create_archive(root)
    model = make_model(root / "head")
    (root / "models").mkdir()
    (root / "head").rename(root / "models" / model)
    for number in range(PARTS):
        make_part(root, number, rows // PARTS, model)
    make_ledger(root, FILES)


def best(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Least processor time and least wall time of several calls, in seconds."""
    found = []
    for _ in range(times):
        begin, wall = time.process_time(), time.perf_counter()
        work()
        found.append((time.process_time() - begin, time.perf_counter() - wall))
    worked, elapsed = zip(*found, strict=True)
    return min(worked), min(elapsed)


def answer(question: str, root: Path, times: int, *, indexed: bool) -> dict[str, float]:
    """One question to an archive, asked several times in this process, and the peak memory."""
    import glitchvae.archive.index as database
    from glitchvae.archive import Archive

    if not indexed:
        database._up_to_date = lambda root: None
    archive = Archive(root)
    code = np.random.default_rng(7).normal(size=SIZE).astype(np.float32)
    questions = {
        "info": lambda: Archive(root).info(),
        "events of one class and detector": lambda: Archive(root).embeddings(
            ifo="H1", class_name="Class_07"
        ),
        "neighbours": lambda: archive.nearest(code, NEIGHBOURS),
        "live time": lambda: Archive(root).live_time(),
        "refresh classes": lambda: Archive(root).refresh_classes(),
    }
    if question == "neighbours":  # after opening
        archive.nearest(-code, NEIGHBOURS)
    worked, elapsed = best(questions[question], times)
    return {"cpu_s": worked, "wall_s": elapsed, "peak_GiB": peak_memory()}


def peak_memory() -> float:
    """Most memory of this program in GiB; that of getrusage can be of the one that began it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def ask(question: str, root: Path, times: int, *, indexed: bool) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_archive", "--ask", question]
    command += ["--keep", str(root), "--times", str(times)] + ["--without-index"] * (not indexed)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="Where the archive is made, and stays.")
    parser.add_argument("--without-index", action="store_true", help="Ask the parts alone.")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        indexed = not options.without_index
        print(json.dumps(answer(options.ask, options.keep, options.times, indexed=indexed)))
        return
    with tempfile.TemporaryDirectory() as name:
        root = options.keep or Path(name) / "archive"
        if not root.exists():
            make_archive(root, options.rows)
        report(root, indexed=not options.without_index)


def report(root: Path, *, indexed: bool) -> None:
    """Every figure, one a line."""
    first = ask("refresh classes", root, 1, indexed=indexed)
    figure("first opening, classes derived", first["cpu_s"], "s of processor")
    figure("first opening, peak memory", first["peak_GiB"], "GiB", most=2.0)
    bars = {
        "info": 1.0,
        "events of one class and detector": 1.0,
        "neighbours": 0.1,
        "live time": 0.2,
    }
    for question, most in bars.items():
        told = ask(question, root, 5, indexed=indexed)
        figure(question, told["cpu_s"], "s of processor", most=most)
        figure(f"{question}, peak memory", told["peak_GiB"], "GiB", most=2.0)
    from glitchvae.archive.heads import MODELS

    (model,) = (folder.name for folder in (root / MODELS).iterdir())
    make_part(root, len(list((root / "parts").glob("*.parquet"))), 4000, model)
    again = ask("refresh classes", root, 1, indexed=indexed)
    figure("one part more, classes brought up to date", again["cpu_s"], "s of processor")
    for path in ("archive.duckdb", "classes.parquet"):
        if (root / path).exists():
            figure(path, (root / path).stat().st_size / 2**20, "MiB")


if __name__ == "__main__":
    main()
