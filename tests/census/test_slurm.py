"""The scripts for Slurm, run by Slurm: one node, which a script starts and stops."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from glitchvae.census import Request, status_of, write_slurm
from tests.census.simulated import assert_equal

SBIN = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
MISSING = [name for name in ("slurmctld", "slurmd", "munged") if not shutil.which(name, path=SBIN)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("one_node_slurm.sh")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A cluster of one node with two cores, and what its commands answer."""
    folder = tmp_path / "slurm"
    subprocess.run(["sh", SCRIPT, "start", folder, "2"], check=True)
    for name, value in (
        ("SLURM_CONF", str(folder / "slurm.conf")),
        ("PYTHONPATH", str(ROOT)),
        ("OMP_NUM_THREADS", "1"),
    ):
        monkeypatch.setenv(name, value)

    def ask(*command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    yield ask
    subprocess.run(["scancel", "--full", "--signal=KILL", "--me"], check=False)
    subprocess.run(["sh", SCRIPT, "stop", folder], check=True)


def until(found, seconds=600.0):
    """Wait for something, and give it back."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.2)
    raise AssertionError("it did not come")


def submitted(census, slurm):
    """Submit the array and its merge."""
    slurm("sh", str(write_slurm(census, Request(jobs=2, memory=1500, hours=0.2))))


def ended(slurm):
    return lambda: not slurm("squeue", "--noheader").strip()


def running(slurm, share):
    """Identifier of the job of a share, once it runs."""

    def found():
        told = slurm("squeue", "--noheader", "--array", "--states=R", "--format=%i")
        return [line for line in told.split() if line.endswith(f"_{share}")]

    return until(found)[0]


def test_an_array_and_its_merge_give_the_archive_of_one_process(
    make, strain_folder, undisturbed, slurm, tmp_path
):
    census = make.plan(tmp_path / "census", strain_folder)
    submitted(census, slurm)
    until(ended(slurm))
    assert_equal(census.archive, undisturbed.archive)


def test_what_a_cancelled_job_leaves_is_done_by_the_next_array(
    make, strain_folder, undisturbed, slurm, tmp_path
):
    census = make.plan(tmp_path / "census", strain_folder)
    submitted(census, slurm)
    slurm("scancel", running(slurm, 0))
    until(ended(slurm))
    assert status_of(census).dealt < status_of(census).seconds
    submitted(census, slurm)
    until(ended(slurm))
    assert_equal(census.archive, undisturbed.archive)


def test_a_job_whose_time_is_up_is_queued_again(make, strain_folder, undisturbed, slurm, tmp_path):
    census = make.plan(tmp_path / "census", strain_folder)
    submitted(census, slurm)
    job = running(slurm, 0)
    until((census.folder / "slurm" / "work-0.log").exists)
    slurm("scancel", "--batch", "--signal=USR1", job)
    until(lambda: "Restarts=1" in slurm("scontrol", "show", "job", job))
    until(ended(slurm))
    assert_equal(census.archive, undisturbed.archive)
