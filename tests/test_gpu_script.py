"""The script that measures on a GPU, rehearsed on the CPU: it runs, resumes and names failures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIECES = ("parity", "encoding", "simulation", "total-correlation", "loading")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs bash")


def run(folder, *pieces, **variables):
    environment = os.environ | {
        "PYTHON": sys.executable,
        "DEVICE": "cpu",
        "REHEARSE": "1",
        "SECONDS_IN_ALL": "2000",
        **variables,
    }
    command = ["bash", ROOT / "tests" / "benchmarks" / "gpu.sh", folder, *pieces]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def states(folder):
    lines = (folder / "pieces.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t")[:2] for line in lines)


@pytest.mark.whole
def test_pieces_leave_figures_and_are_not_done_twice(tmp_path):
    first = run(tmp_path, *PIECES)
    assert first.returncode == 0, first.stdout + first.stderr
    assert states(tmp_path) == dict.fromkeys(PIECES, "done")
    kept = (tmp_path / "figures.jsonl").read_text(encoding="utf-8")
    figures = [json.loads(line) for line in kept.splitlines()]
    assert {"parity", "encoding", "simulation"} <= {figure["piece"] for figure in figures}
    met = {f["figure"]: f["met"] for f in figures if f["piece"] == "parity"}
    assert met["same plane, 8 s at 4 kHz, whitened"] is True
    page = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert all(f"| {piece} | done |" in page for piece in PIECES)
    again = run(tmp_path, *PIECES)
    assert "==" not in again.stdout
    assert (tmp_path / "figures.jsonl").read_text(encoding="utf-8") == kept


@pytest.mark.whole
def test_a_piece_that_fails_is_named_and_tried_again(tmp_path):
    failed = run(tmp_path, "parity", DEVICE="nowhere")
    assert failed.returncode == 1
    assert states(tmp_path)["parity"].startswith("failed")
    assert "nowhere" in failed.stdout
    assert run(tmp_path, "parity").returncode == 0
    assert states(tmp_path) == {"parity": "done"}


@pytest.mark.whole
def test_no_piece_begins_that_could_end_too_late(tmp_path):
    found = run(tmp_path, "parity", "simulation", SECONDS_IN_ALL="1")
    assert "simulation: not begun" in found.stdout
    assert found.returncode == 1
    assert "simulation" not in states(tmp_path)
