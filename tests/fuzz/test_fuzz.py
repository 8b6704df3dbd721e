"""The fuzzers themselves: that they damage, repeat, and tell findings from refusals."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from glitchvae.errors import InputError
from tests.fuzz import running
from tests.fuzz.mutation import damage
from tests.fuzz.readers import READERS, Reader
from tests.fuzz.running import blocks, make_input, outcome, read_log, run_block, write_log


@pytest.mark.parametrize("name", ["strain", "csv", "embeddings parquet", "settings", "prototypes"])
def test_a_seed_tells_the_input_and_most_are_damaged(name, tmp_path):
    reader = READERS[name]
    good = tmp_path / reader.name
    reader.make(good)
    assert outcome(reader, good) == ("read", "")
    seen = set()
    for seed in range(6):
        found = set()
        for turn in "ab":
            folder = tmp_path / f"{seed}{turn}"
            folder.mkdir()
            found.add(make_input(reader, good, seed, folder).read_bytes())
        if reader.kind != "hdf5":  # HDF5 writes what happens to be in memory between its structures
            assert len(found) == 1
        seen |= found
    assert len(seen - {good.read_bytes()}) >= 4


def crash(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def nameless(path: Path) -> None:
    raise InputError("something is wrong")


def two_lines(path: Path) -> None:
    raise ValueError(f"{path}: a\nb")


def refuse(path: Path) -> None:
    raise InputError("bad", where=path)


@pytest.mark.parametrize(
    ("read", "kind"), [(crash, "crash"), (nameless, "sentence"), (two_lines, "exception")]
)
def test_what_is_not_met_is_a_finding_and_the_rest_go_on(read, kind, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"content")
    monkeypatch.setitem(READERS, "it", Reader("bytes", "a", lambda _: None, read))
    block = run_block("it", tmp_path / "a", 5, 3)
    assert [(f.kind, f.seed) for f in block.findings] == [(kind, 5), (kind, 6), (kind, 7)]
    write_log(tmp_path / "log", block)
    assert read_log(tmp_path / "log") == [block]


def test_refusals_are_no_findings(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"content")
    monkeypatch.setitem(READERS, "it", Reader("bytes", "a", lambda _: None, refuse))
    block = run_block("it", tmp_path / "a", 0, 4)
    assert (block.refused, block.read, block.findings) == (4, 0, [])
    assert "4 inputs of 1 readers" in running.summary([block])


def test_a_block_ends_when_its_time_is_over(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"content")
    monkeypatch.setitem(READERS, "it", Reader("bytes", "a", lambda _: None, refuse))
    block = run_block("it", tmp_path / "a", 0, 4, until=0.0)
    assert (block.count, block.refused, block.findings) == (0, 0, [])


def test_blocks_are_every_input_once():
    found = list(blocks(1234, 2))
    seeds = [first + n for _, first, count in found for n in range(count)]
    assert len(set(seeds)) == len(seeds) == 1234
    assert {name for name, _, _ in found} <= set(READERS)


def test_an_empty_file_can_be_damaged(tmp_path):
    (tmp_path / "a").touch()
    damage(tmp_path / "a", "bytes", np.random.default_rng(1))
