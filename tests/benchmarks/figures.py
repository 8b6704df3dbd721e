"""Figures of benchmarks: printed, kept where `GLITCHVAE_FIGURES` names a file, and summed up.

    python tests/benchmarks/figures.py FOLDER

FOLDER is what `gpu.sh` leaves: `figures.jsonl`, a line for each figure, and `pieces.tsv`, a
line for each piece that ran. Writes `summary.md` beside them and prints it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WHERE = "GLITCHVAE_FIGURES"
PIECE = "GLITCHVAE_PIECE"


def figure(
    name: str, value: float, unit: str, *, least: float | None = None, most: float | None = None
) -> None:
    """Print a figure with its bar, and keep it.

    Args:
        name: What was measured.
        value: How much.
        unit: Of what.
        least: The bar, where more is better.
        most: The bar, where less is better.
    """
    bar = least if most is None else most
    met = None if bar is None else bool(value >= bar if most is None else value <= bar)
    line = {
        "piece": os.environ.get(PIECE, ""),
        "figure": name,
        "value": float(value),
        "unit": unit,
        "bar": bar,
        "met": met,
    }
    print(f"= {name}: {_short(value)} {unit}{_verdict(line)}", flush=True)
    if path := os.environ.get(WHERE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def synchronise(device: str) -> float:
    """Seconds, once the device has done what it was told."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(work: Callable[[], object], device: str) -> float:
    """Seconds of one call."""
    begin = synchronise(device)
    work()
    return synchronise(device) - begin


def copy_bandwidth(device: str) -> float:
    """Bytes a second, read plus written, of a copy: 1 GiB on a GPU, 128 MiB on a CPU."""
    source = torch.ones(2**28 if device.startswith("cuda") else 2**25, device=device)
    target = torch.empty_like(source)
    best = min(seconds(lambda: target.copy_(source), device) for _ in range(10))
    return 2 * source.nbytes / best


def print_kernels(work: Callable[[], object], device: str, rows: int = 15) -> None:
    """What a call spends its time with; on a GPU by kernels."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    order = "self_cpu_time_total"
    if device.startswith("cuda"):
        activities.append(torch.profiler.ProfilerActivity.CUDA)
        order = "self_device_time_total"
    work()
    with torch.profiler.profile(activities=activities) as profile:
        seconds(work, device)
    print(profile.key_averages().table(sort_by=order, row_limit=rows, max_name_column_width=60))


def machine() -> str:
    """One line: device, torch, Python, cores."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{name}; torch {torch.__version__}, CUDA {torch.version.cuda}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores"
    )


def summary(folder: Path) -> str:
    """The figures of a folder as a page; of a piece that ran again the last ones."""
    figures = [json.loads(line) for line in _lines(folder / "figures.jsonl")]
    pieces = dict(line.split("\t", 1) for line in _lines(folder / "pieces.tsv"))
    page = ["# Figures", "", machine(), "", "| piece | state | seconds |", "|---|---|---|"]
    page += [f"| {name} | {' | '.join(rest.split(chr(9)))} |" for name, rest in pieces.items()]
    page += ["", "| piece | figure | value | bar | met |", "|---|---|---|---|---|"]
    page += [_row(line) for line in figures]
    missed = [line["figure"] for line in figures if line["met"] is False]
    page += ["", f"Bars missed: {', '.join(missed) if missed else 'none'}."]
    return "\n".join(page) + "\n"


def _row(line: dict[str, Any]) -> str:
    bar = "" if line["bar"] is None else _short(line["bar"])
    met = {None: "", True: "yes", False: "**no**"}[line["met"]]
    value = f"{_short(line['value'])} {line['unit']}"
    return f"| {line['piece']} | {line['figure']} | {value} | {bar} | {met} |"


def _verdict(line: dict[str, Any]) -> str:
    if line["bar"] is None:
        return ""
    return f" (bar {_short(line['bar'])}: {'met' if line['met'] else 'missed'})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    page = summary(options.folder)
    (options.folder / "summary.md").write_text(page, encoding="utf-8")
    sys.stdout.write(page)
