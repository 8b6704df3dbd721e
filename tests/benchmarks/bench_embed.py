"""How fast strain becomes codes, in how much memory, and how fast neighbours are found.

Run as a script, it prints a table; each figure of `embed` is from a process of its own,
whose peak memory the operating system reports:

    python tests/benchmarks/bench_embed.py --segments 1 4 16 [--imaging light] [--device cuda]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.figures import figure

SECONDS, RATE, GLITCHES = 4096.0, 4096.0, 60
START = 1187008512.0
EVENTS, SIZE, NEIGHBOURS = 200_000, 32, 20


def simulate_segments(folder: Path, count: int) -> list[Path]:
    """Consecutive files of simulated H1 strain, made once and kept in `folder`."""
    from glitchvae.simulate import simulate_strain
    from glitchvae.strain import write_gwosc

    paths = [
        folder / f"H-H1_BENCH-{int(START + n * SECONDS)}-{int(SECONDS)}.hdf5" for n in range(count)
    ]
    for number, path in enumerate(paths):
        if not path.exists():
            strain, _ = simulate_strain(
                SECONDS,
                "H1",
                number,
                sample_rate=RATE,
                glitches=GLITCHES,
                start=START + number * SECONDS,
            )
            write_gwosc(path, strain)
    return paths


def embed(
    files: list[Path], model: str, imaging: str, archive: Path, device: str
) -> dict[str, float]:
    """Wall clock and peak memory of one whole run, the start of Python left out."""
    from glitchvae.archive import create_archive, fill_from_strain
    from glitchvae.checkpoint import load_checkpoint
    from glitchvae.embedding import Job
    from glitchvae.spectrogram import imaging_settings
    from glitchvae.strain import open_strain

    job = Job(
        checkpoint=load_checkpoint(model, device),
        imaging=imaging_settings(imaging),
        device=device,
    )
    begin, worked = time.perf_counter(), time.process_time()
    source = open_strain(files)
    filled = fill_from_strain(create_archive(archive), source, None, job)
    elapsed = time.perf_counter() - begin
    return {
        "strain_s": float(abs(source.segments)),
        "glitches": 0 if filled.rows is None else len(filled.rows),
        "wall_s": elapsed,
        "cpu_s": time.process_time() - worked,
        "times_real_time": float(abs(source.segments)) / elapsed,
        "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def embed_in_a_process(
    files: list[Path], model: str, imaging: str, device: str
) -> dict[str, float]:
    """The figures of `embed`, from a process that did nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--run", *map(str, files), "--model", model, "--imaging", imaging]
        arguments += ["--device", device]
        command = [sys.executable, __file__, *arguments, "--archive", f"{folder}/archive"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def search(folder: Path) -> dict[str, float]:
    """Time of one exact search among many codes, and of the first one, which indexes them."""
    from glitchvae.archive import create_archive
    from glitchvae.embedding import Embeddings

    rng = np.random.default_rng(1)
    gps = START + np.arange(EVENTS, dtype=float)
    names = np.full(EVENTS, "Blip", dtype=object)
    unknown = np.full(EVENTS, np.nan)
    columns = (
        "snr",
        "peak_frequency",
        "q",
        "duration",
        "bandwidth",
        "class_probability",
        "novelty_p",
    )
    archive = create_archive(folder / "archive")
    mean = rng.normal(size=(EVENTS, SIZE)).astype(np.float32)
    archive.append(
        Embeddings(
            event_id=[f"H1-{t:.4f}" for t in gps],
            gps=gps,
            ifo=["H1"] * EVENTS,
            **dict.fromkeys(columns, unknown),
            mean=mean,
            log_var=mean,
            class_name=names,
            f_max=unknown,
            block_duration=unknown,
            status=["ok"] * EVENTS,
            model={"name": "bench", "digest": "0" * 64},
        )
    )
    first = timed(lambda: archive.nearest(mean[0], NEIGHBOURS))
    later = [timed(lambda n=n: archive.nearest(mean[n], NEIGHBOURS)) for n in range(10)]
    matrix = mean.astype(np.float64)
    brute = [timed(lambda n=n: np.argsort(((matrix - matrix[n]) ** 2).sum(1))) for n in range(3)]
    return {
        "first_s": first,
        "search_s": float(np.median(later)),
        "numpy_s": float(np.median(brute)),
    }


def timed(function) -> float:
    """Seconds that one call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--strain", type=Path, help="Where simulated strain is kept.")
    parser.add_argument("--model", default="default")
    parser.add_argument("--imaging", default="gravity-spy")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--run", nargs="+", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--archive", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(
            json.dumps(
                embed(options.run, options.model, options.imaging, options.archive, options.device)
            )
        )
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = simulate_segments(options.strain or folder, max(options.segments))
        for count in options.segments:
            figures = embed_in_a_process(
                files[:count], options.model, options.imaging, options.device
            )
            times = figures["times_real_time"]
            figure(f"embed of {count} segments of 4,096 s", times, "times real time")
            print(f"{count:3} segments:", json.dumps({k: round(v, 1) for k, v in figures.items()}))
        print("nearest:", json.dumps({k: round(v, 4) for k, v in search(folder).items()}))


if __name__ == "__main__":
    main()
