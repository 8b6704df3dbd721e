"""glitchvae census: run, status, merge, and what it says of trouble."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from glitchvae.archive import Archive
from glitchvae.cli import main
from tests.census.simulated import assert_equal, noise, write

ROOT = Path(__file__).parents[2]
HOW = ("--imaging", "light", "--no-uncertainty", "--shard", "120", "--backoff", "0")


@pytest.fixture(scope="module")
def strain(tmp_path_factory):
    """Three files of one detector, an hour's worth of trouble in little."""
    folder = tmp_path_factory.mktemp("strain")
    write(noise("H1", 3), folder, (0, 100), (140, 270))
    (folder / "corrupt.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    return folder


def run(*arguments):
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["census", *map(str, arguments)])


def in_process(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "glitchvae", "census", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def done(strain, tiny_model, tmp_path_factory):
    """An undisturbed census, and what it said."""
    folder = tmp_path_factory.mktemp("done") / "census"
    result = run("run", strain, "-o", folder, "--model", tiny_model, *HOW, "--workers", "1")
    return folder, result


def test_a_census_says_what_is_left_out_and_how_long_was_searched(done):
    folder, result = done
    assert result.exit_code == 1, result.output  # one file could not be used
    assert "corrupt.hdf5" in result.stderr
    assert "H1: no strain in 40 s (GPS 1187008942 to 1187008982)" in result.stderr
    assert "H1: 226 s live above SNR 7.5" in result.stdout
    assert f"archive: {folder / 'archive'}" in result.stdout
    assert len(Archive(folder / "archive").embeddings()) > 10


def test_a_finished_census_is_not_done_again(done):
    folder, _ = done
    again = run("run", "-o", folder)
    assert again.exit_code == 1
    assert "H1: 226 s live" in again.stdout
    status = run("status", folder, "--json")
    (table,) = json.loads(status.stdout)["tables"]
    assert table["rows"][0]["done"] == 3


def test_plan_names_estimates_and_does_nothing(strain, tiny_model, tmp_path):
    result = run("run", strain, "-o", tmp_path / "c", "--model", tiny_model, *HOW, "--plan")
    assert result.exit_code == 1, result.output
    assert "3 of 3" in result.stdout
    for line in ("core-hours (estimate)", "to write (estimate)", "Estimates are scaled"):
        assert line in result.stdout
    assert not (tmp_path / "c" / "parts").exists()
    assert not (tmp_path / "c" / "archive").exists()


def test_another_version_is_refused(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "census")
    plan = json.loads((folder / "census.json").read_text())
    (folder / "census.json").write_text(json.dumps(plan | {"glitchvae": "0.0.1"}))
    for command in (("work", folder), ("run", "-o", folder)):
        result = run(*command)
        assert result.exit_code == 3
        assert "another version than the plan; expected glitchvae 0.0.1" in result.output
    assert run("run", "-o", folder, "--new-version").exit_code == 1


@pytest.mark.parametrize("share", ["1", "3/3", "a/b", "-1/2"])
def test_a_share_that_is_none_is_a_usage_error(done, share):
    result = run("work", done[0], "--share", share)
    assert result.exit_code == 2
    assert "expected I/N" in result.output


def test_no_strain_is_an_error(tmp_path, tiny_model):
    result = run("run", tmp_path, "-o", tmp_path / "c", "--model", tiny_model)
    assert result.exit_code == 3
    assert "no strain" in result.output
    assert run("status", tmp_path).exit_code == 3


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_after_a_kill_of_worker_and_scheduler_the_archive_is_the_same(
    done, strain, tiny_model, tmp_path
):
    folder = tmp_path / "census"
    started = in_process("run", strain, "-o", folder, "--model", tiny_model, *HOW, "--workers", "1")
    try:
        worker = first_worker(folder, started)
        os.kill(worker, signal.SIGKILL)
        second = first_worker(folder, started, other_than=worker)
        started.send_signal(signal.SIGKILL)
        started.communicate()
        until = time.monotonic() + 120
        while is_alive(second):  # the worker ends by itself
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        started.kill()
    result = run("run", "-o", folder, "--workers", "1")
    assert result.exit_code == 1, result.output
    assert_equal(folder / "archive", done[0] / "archive")


def first_worker(folder, scheduler, other_than=None, seconds=150):
    """The process of an attempt that runs."""
    until = time.monotonic() + seconds
    while scheduler.poll() is None and time.monotonic() < until:
        for path in folder.glob("parts/*/state.json"):
            for attempt in json.loads(path.read_text())["attempts"]:
                if attempt["ended"] is None and attempt["process"] != other_than:
                    return attempt["process"]
        time.sleep(0.005)
    raise AssertionError("no worker began")


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
