"""Many damaged inputs, each read in a forked child with limits."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from glitchvae.errors import GlitchvaeError
from tests.fuzz.mutation import damage
from tests.fuzz.readers import READERS, Reader

MEMORY = 4 * 2**30
HANG = 20.0  # seconds
BLOCK, SHORT_BLOCK = 50, 5  # inputs of one child
_FORK = multiprocessing.get_context("fork")


@dataclass
class Finding:
    """An input that was not met as it should.

    Attributes:
        reader: Name of the reader.
        seed: Of the input.
        kind: "exception", "sentence", "hang" or "crash".
        what: Exception and place, or how the child ended.
    """

    reader: str
    seed: int
    kind: str
    what: str


@dataclass
class Block:
    """What came of the inputs of some seeds.

    Attributes:
        reader: Name of the reader.
        first: First seed.
        count: How many seeds.
        seconds: On the clock, that all of them took.
        slowest: Seconds of the slowest.
        memory: Peak resident bytes of the child.
        read: How many inputs were read without any error.
        refused: How many were refused with one.
        findings: Those that were neither.
    """

    reader: str
    first: int
    count: int
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0
    read: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)


def make_input(reader: Reader, good: Path, seed: int, folder: Path) -> Path:
    """A damaged copy of a good file or folder."""
    path = folder / good.name
    (shutil.copytree if good.is_dir() else shutil.copy)(good, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        damage(path, reader.kind, np.random.default_rng(seed))
    return path


def make_good(folder: Path) -> dict[str, Path]:
    """A good file of every reader."""
    made = {}
    for name, reader in READERS.items():
        made[name] = folder / name.replace(" ", "-") / reader.name
        made[name].parent.mkdir(parents=True)
        reader.make(made[name])
    return made


def run_block(
    name: str,
    good: Path,
    first: int,
    count: int,
    *,
    hang: float = HANG,
    until: float = float("inf"),
) -> Block:
    """Read the inputs of `count` seeds; one that ends its child is a finding, the rest go on.

    Args:
        name: Of the reader.
        good: A good file of it.
        first: First seed.
        count: How many seeds.
        hang: Seconds of one input that are a finding.
        until: When to begin no other input, by the monotonic clock; the block then counts fewer.
    """
    block, begun = Block(name, first, count), time.monotonic()
    done = 0
    while done < count and time.monotonic() < until:
        receiving, sending = _FORK.Pipe(duplex=False)
        seeds = range(first + done, first + count)
        child = _FORK.Process(target=_read_all, args=(name, good, seeds, sending, until))
        child.start()
        sending.close()
        ended = "closed"
        while True:
            try:
                if not receiving.poll(hang + 5):
                    ended = "hang"
                    break
                told = receiving.recv()
            except (EOFError, OSError):
                break
            _count(block, name, first + done, told)
            done += 1
        if ended == "hang" and child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
        child.join()
        receiving.close()
        over = time.monotonic() > until and ended != "hang" and child.exitcode == 0
        if done < count and not over:
            kind = "hang" if ended == "hang" or child.exitcode == -signal.SIGALRM else "crash"
            block.findings.append(
                Finding(name, first + done, kind, f"child ended with {child.exitcode}")
            )
            done += 1
    block.count = done
    block.seconds = time.monotonic() - begun
    return block


def _count(block: Block, name: str, seed: int, told: dict[str, Any]) -> None:
    block.slowest = max(block.slowest, told["seconds"])
    block.memory = max(block.memory, told["memory"])
    if told["kind"] in ("read", "refused"):
        setattr(block, told["kind"], getattr(block, told["kind"]) + 1)
    else:
        block.findings.append(Finding(name, seed, told["kind"], told["what"]))


def _read_all(name: str, good: Path, seeds: range, answer: Any, until: float) -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + MEMORY  # libraries map more than they use
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    reader = READERS[name]
    for seed in seeds:
        if time.monotonic() > until:
            break
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            path = make_input(reader, good, seed, Path(folder))
            begun = time.monotonic()
            kind, what = outcome(reader, path)
            answer.send(
                {
                    "kind": kind,
                    "what": what,
                    "seconds": time.monotonic() - begun,
                    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                }
            )
    os._exit(0)  # what the interpreter ends with would wait for the parent's threads


def outcome(reader: Reader, path: Path) -> tuple[str, str]:
    """How a reader met a file: "read", "refused", or a finding and what it was."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path)
    except GlitchvaeError as error:
        said = str(error)
        if path.name not in said:
            return "sentence", f"does not name the file: {said[:300]}"
        if not said.isprintable() or len(said) > 4000:
            return "sentence", f"is no sentence: {said[:300]!r}"
        return "refused", said
    except Exception as error:  # noqa: BLE001
        places = [f for f in traceback.extract_tb(error.__traceback__) if "glitchvae" in f.filename]
        last = places[-1] if places else None
        place = f"{Path(last.filename).name}:{last.lineno}" if last else "?"
        return "exception", f"{type(error).__name__} at {place}: {str(error)[:200]}"
    return "read", ""


def blocks(inputs: int, seed: int, *, size: int = BLOCK) -> Iterator[tuple[str, int, int]]:
    """Reader, first seed and number of inputs of each block, the readers in turn."""
    names = list(READERS)
    number = 0
    while inputs > 0:
        count = min(size, inputs)
        yield names[number % len(names)], seed * 10**9 + number * size, count
        inputs -= count
        number += 1


def summary(done: list[Block]) -> str:
    """Numbers of all blocks, and every finding."""
    kinds = Counter(finding.kind for block in done for finding in block.findings)
    lines = [
        f"{sum(b.count for b in done):,} inputs of {len({b.reader for b in done})} readers,"
        f" {sum(b.seconds for b in done) / 3600:.2f} hours of one process",
        f"read {sum(b.read for b in done):,}, refused {sum(b.refused for b in done):,},"
        f" exceptions {kinds['exception']}, sentences that are none {kinds['sentence']},"
        f" hangs {kinds['hang']}, crashes {kinds['crash']}",
        f"slowest {max((b.slowest for b in done), default=0):.1f} s,"
        f" largest {max((b.memory for b in done), default=0) / 2**30:.2f} GiB",
    ]
    seen: dict[tuple[str, str, str], list[int]] = {}
    for block in done:
        for f in block.findings:
            seen.setdefault((f.reader, f.kind, f.what), []).append(f.seed)
    for (reader, kind, what), seeds in sorted(seen.items()):
        lines.append(f"{kind} in {reader} ({len(seeds)}, seed {seeds[0]}): {what}")
    return "\n".join(lines)


def read_log(path: Path) -> list[Block]:
    """Blocks of an earlier run, which need not be done again."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        values["findings"] = [Finding(**f) for f in values["findings"]]
        found.append(Block(**values))
    return found


def write_log(path: Path, block: Block) -> None:
    """Add one block."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(block)) + "\n")
