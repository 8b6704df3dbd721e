"""Files from outside: what is opened at all, and what a reader that fails, hangs or dies costs."""

import gzip
import io
import logging
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from glitchvae import guard
from glitchvae.errors import InputError, ModelError
from glitchvae.guard import read_apart, read_bytes, require_file
from glitchvae.store import opened
from tests import guarded


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    return tmp_path / "file"


def test_what_is_no_regular_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, said in {
        "pipe": "a pipe",
        "": "a directory",
        "empty": "the file is empty",
        "none": "no such file",
        "loop": "cannot be read",
        "a\0b": "cannot be read",
    }.items():
        with pytest.raises(InputError, match=said):
            read_apart(guarded.size, tmp_path / name)
    with pytest.raises(InputError, match="a device"):
        require_file("/dev/zero")


@pytest.mark.parametrize("samples", [0, 3, 10_000, 3_000_000])
def test_arrays_come_back_as_they_are_and_can_be_changed(path, samples):
    first, second = read_apart(guarded.arrays, path, samples)
    np.testing.assert_array_equal(first, np.arange(samples, dtype=np.float64))
    np.testing.assert_array_equal(second, np.arange(samples, dtype=np.int16)[::-1])
    first += 1


def test_an_error_keeps_its_parts(path):
    with pytest.raises(ModelError) as told:
        read_apart(guarded.refuse, path)
    assert told.value.where == path
    assert (told.value.expected, told.value.found, told.value.remedy) == ("a", "2", "Do it.")


def test_what_a_library_raises_is_one_sentence(path):
    with pytest.raises(InputError, match=r"file: cannot be read; found KeyError") as told:
        read_apart(guarded.fail, path)
    assert "\n" not in str(told.value)


def test_what_is_logged_is_logged_here(path, caplog):
    with caplog.at_level(logging.WARNING, "glitchvae"):
        read_apart(guarded.warn, path)
    assert "3 rows of" in caplog.text
    assert caplog.records[0].name == "glitchvae.tests"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (guarded.crash, "the library crashed"),
        (guarded.give_up, "the library gave up"),
        (guarded.leave, "exit status 3"),
        (guarded.loop, "of processor time"),
        (guarded.take_all_memory, "MemoryError"),
    ],
)
def test_a_reader_that_ends_is_named_and_replaced(path, function, said, monkeypatch):
    monkeypatch.setattr(guard, "_SECONDS", 0.0)
    with pytest.raises(InputError, match=rf"{path}.*{said}"):
        read_apart(function, path)
    assert read_apart(guarded.size, path) == 7


def test_no_answer_at_all(path, monkeypatch):
    monkeypatch.setattr(guard, "_LONGEST_SILENCE", 0.5)
    monkeypatch.setattr(guard, "_PATIENCE", 0.0)
    with pytest.raises(InputError, match="no answer in"):
        read_apart(guarded.wait, path)
    assert read_apart(guarded.size, path) == 7


def test_what_an_earlier_file_did_to_the_reader_is_no_fault_of_the_next(path):
    read_apart(guarded.spoil_the_next, path)
    assert read_apart(guarded.fails_when_spoilt, path) == "whole"


def test_a_killed_server_is_replaced(path):
    read_apart(guarded.size, path)
    server = guard._readers(os.getpid())._server
    server.kill()
    server.wait()
    reader = guard._readers(os.getpid())._reader
    reader.close()  # as the kernel does where the machine runs out of memory
    guard._readers(os.getpid())._reader = None
    assert read_apart(guarded.size, path) == 7


def test_paths_begin_from_the_folder_of_the_call(path, tmp_path, monkeypatch):
    for name, content in {"a": b"1", "b": b"22"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(content)
        monkeypatch.chdir(tmp_path / name)
        assert read_apart(guarded.size, Path("file")) == len(content)
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(tmp_path / "b")
    assert read_apart(guarded.size, path) == 7


def test_a_reader_may_send_no_code(path):
    with pytest.raises(Exception, match=r"a reader sent .*system"):
        read_apart(guarded.send_code, path)
    assert read_apart(guarded.size, path) == 7


def test_a_fork_has_a_reader_of_its_own(path):
    read_apart(guarded.size, path)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(guarded.size_by_guard, [path] * 6) == [7] * 6
    assert read_apart(guarded.size, path) == 7


def test_threads_take_turns(path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda n: read_apart(guarded.arrays, path, n)[0].size, range(40))
        assert list(found) == list(range(40))


def test_nothing_is_left_where_the_process_was_killed(path):
    code = (
        "import os, sys; from glitchvae import guard; from tests import guarded\n"
        "guard.read_apart(guarded.size, sys.argv[1])\n"
        "readers = guard._readers(os.getpid())\n"
        "print(readers._server.pid, readers._pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=Path.cwd(),
    )
    assert done.returncode == -signal.SIGKILL
    left = [int(word) for word in done.stdout.split()]
    assert len(left) == 2, done.stderr
    for _ in range(200):
        if not any(alive(pid) for pid in left):
            break
        time.sleep(0.1)
    assert not any(alive(pid) for pid in left)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_gzip_is_unpacked_within_its_limit(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"1 2\n" * 1000))
    assert read_bytes(tmp_path / "a.gz") == b"1 2\n" * 1000
    with pytest.raises(InputError, match="too large"):
        read_bytes(tmp_path / "a.gz", most=3999)
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"1 2\n" * 1000)[:-9])
    with pytest.raises(InputError, match="damaged gzip file"):
        read_bytes(tmp_path / "b.gz")


@pytest.mark.parametrize("where", ["strain/Strain", "a/b/c"])
def test_a_link_out_of_the_file_is_refused_unfollowed(tmp_path, where):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1.0]
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file[where] = h5py.ExternalLink("other.h5", "/x")
    (tmp_path / "other.h5").chmod(0)
    with (
        pytest.raises(InputError, match=rf"linked\.h5, {where}: a link leads out of the file"),
        opened(tmp_path / "linked.h5"),
    ):
        pass


def test_segments_are_taken_whatever_their_module_is_named():
    """igwn-segments 2.0 calls its C module another name than 2.1."""
    from igwn_segments import segmentlist

    unpickler = guard._Unpickler(io.BytesIO())
    for module in {"igwn_segments", segmentlist.__module__}:
        assert unpickler.find_class(module, "segmentlist") is segmentlist
    for module, name in [("igwn_segments", "utils"), ("igwn_segments_other", "segmentlist")]:
        with pytest.raises(pickle.UnpicklingError, match=name):
            unpickler.find_class(module, name)
