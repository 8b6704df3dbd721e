"""SIGKILL at every write of workers and of the merge: afterwards nothing is lost or there twice."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from glitchvae.archive import Archive
from glitchvae.census import status_of
from tests.benchmarks.bench_census import main as bench_census
from tests.census.simulated import assert_equal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL"),
]
ROOT = Path(__file__).parents[2]

# Whatever is written gets its name by a rename: between two of them a kill leaves the same on disk.
KILLED = """
import os, signal, sys
left = int(sys.argv.pop(1))
def counted(real):
    def rename(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    return rename
os.replace, os.rename = counted(os.replace), counted(os.rename)
from glitchvae.cli import main
main()
"""


def killed_at(number, *command):
    """A command that is killed instead of its so manieth rename; its exit status."""
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(number), "census", *map(str, command)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    ).returncode


def until_it_ends(*command, first=1):
    """Kill a command at its first write, then its second and so on; how often it was killed."""
    for number in range(first, 100):
        status = killed_at(number, *command)
        if status != -signal.SIGKILL:
            assert status == 0
            return number - first
    raise AssertionError("no end")


def test_kills_at_every_write_of_a_worker(make, strain_folder, undisturbed, tmp_path):
    census = make.plan(tmp_path / "census", strain_folder, attempts=100)
    for shard in census.shards[1:]:
        shutil.copytree(undisturbed.part(shard), census.part(shard))
    assert until_it_ends("work", census.folder) > 3
    assert status_of(census).troubled == []
    assert until_it_ends("merge", census.folder, first=99) == 0
    assert_equal(census.archive, undisturbed.archive)


def test_kills_at_every_write_of_the_merge(copied, undisturbed):
    assert until_it_ends("merge", copied.folder) > 3
    assert_equal(copied.archive, undisturbed.archive)
    assert list(Archive(copied.archive).verify()) == []


def test_a_day_of_three_detectors_loses_nothing(tmp_path, capsys):
    """A killed worker, a file that is cut off, a missing hour; a day has eight minutes here."""
    how = ("--seconds", "480", "--file", "128", "--undisturbed", "--folder", str(tmp_path))
    bench_census(["day", *how])
    told = capsys.readouterr().out
    assert "live time: right" in told
    assert "both archives are equal, row for row" in told
