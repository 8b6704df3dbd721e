"""Commands that are killed while they write: the short form of the benchmark's campaign."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_an_archive_equals_an_undisturbed_one_after_a_kill_in_a_write(tmp_path):
    """Every row, picture, label and second of live time; and no command is blocked."""
    script = ROOT / "tests" / "benchmarks" / "kill_campaign.py"
    done = subprocess.run(
        [
            *(sys.executable, script, "--only", "embed", "merge", "label", "discover"),
            *("--means", "SIGKILL", "--kills", "8", "--seconds", "64", "--seed", "7"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 trials, 8 stopped inside a write, 0 failed" in done.stdout
