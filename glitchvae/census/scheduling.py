"""Workers on this machine: processes that take shards on their own until all are done."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from filelock import FileLock, Timeout

from glitchvae.census.census import Census
from glitchvae.errors import InputError, StorageError

Told = Callable[[str], None]

_LOCK = "run.lock"
_RESTARTS = 5  # of a worker, one after the other, that finishes nothing
_PAUSE, _LONGEST = 1.0, 60.0  # seconds before the first restart, and the most before any
_END = 10.0  # seconds that a worker has to end when it is asked to
_UNDERSTOOD = (0, 1)  # exit statuses of workers that came to the end of their work


@dataclass
class _Worker:
    """A worker process and its state."""

    number: int
    process: subprocess.Popen[str] | None = None
    fruitless: int = 0  # starts since it last finished an attempt
    due: float = 0.0
    over: bool = False
    reader: threading.Thread | None = field(default=None, repr=False)


def run_workers(
    census: Census,
    workers: int,
    *,
    told: Told,
    lost: Told,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run workers until every shard is finished; workers that die are restarted.

    Args:
        census: The census.
        workers: How many processes; the cores are shared among them.
        told: Given each line that a worker prints: one for an attempt.
        lost: Told of workers that died or could not go on.
        environment: Variables of the workers, beside those of this process.

    Raises:
        InputError: another run works on the census.
        StorageError: no worker could go on; finished shards are kept.
    """
    lines: queue.SimpleQueue[tuple[_Worker, str]] = queue.SimpleQueue()
    crew = [_Worker(number) for number in range(workers)]
    with _alone(census):
        try:
            while not all(worker.over for worker in crew):
                for worker in crew:
                    _look_after(worker, census, lines, lost, _environment(workers, environment))
                _hand_on(lines, told)
        finally:
            for worker in crew:
                _end(worker)
        _hand_on(lines, told, wait=False)
    if all(worker.fruitless > _RESTARTS for worker in crew):
        raise StorageError(
            "all workers failed",
            where=census.folder,
            remedy="Read their messages, correct the cause, and run the same command again:"
            " finished shards are kept.",
        )


def _look_after(
    worker: _Worker,
    census: Census,
    lines: queue.SimpleQueue[tuple[_Worker, str]],
    lost: Told,
    environment: Mapping[str, str],
) -> None:
    if worker.over:
        return
    if worker.process is None:
        if time.monotonic() >= worker.due:
            _start(worker, census, lines, environment)
        return
    status = worker.process.poll()
    if status is None:
        return
    if worker.reader is not None:
        worker.reader.join()
    worker.process = None
    if status in _UNDERSTOOD:
        worker.over = True
        return
    worker.fruitless += 1
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    worker.over = worker.fruitless > _RESTARTS
    pause = min(_PAUSE * 2.0 ** (worker.fruitless - 1), _LONGEST)
    worker.due = time.monotonic() + pause
    then = "given up" if worker.over else f"started again in {pause:.0f} s"
    lost(f"worker {worker.number} {how}; {then}")


def _start(
    worker: _Worker,
    census: Census,
    lines: queue.SimpleQueue[tuple[_Worker, str]],
    environment: Mapping[str, str],
) -> None:
    command = [sys.executable, "-m", "glitchvae", "census", "work", str(census.folder)]
    worker.process = process = subprocess.Popen(
        [*command, "--parent", str(os.getpid())],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment,
        text=True,
    )

    def read() -> None:
        with process.stdout or nullcontext(()) as said:
            for line in said:
                worker.fruitless = 0
                lines.put((worker, line.rstrip("\n")))

    worker.reader = threading.Thread(target=read, daemon=True)
    worker.reader.start()


def _hand_on(
    lines: queue.SimpleQueue[tuple[_Worker, str]], told: Told, *, wait: bool = True
) -> None:
    """Print all waiting lines, or wait a moment for one."""
    try:
        told(lines.get(timeout=0.2 if wait else 0.001)[1])
        while True:
            told(lines.get_nowait()[1])
    except queue.Empty:
        return


def _end(worker: _Worker) -> None:
    """End a worker, by force if it does not end when asked."""
    process = worker.process
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment(workers: int, given: Mapping[str, str] | None) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = {"OMP_NUM_THREADS": str(max((cores or 1) // workers, 1))}
    return {**threads, **os.environ, **(given or {})}


@contextmanager
def _alone(census: Census) -> Iterator[None]:
    try:
        lock = FileLock(census.folder / _LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise InputError(
            "another `glitchvae census run` works on this census",
            where=census.folder,
            remedy="Wait for it, or end it.",
        ) from error
    except OSError as error:
        raise StorageError(
            "the census cannot be written", where=census.folder, found=error.strerror or error
        ) from error
    with lock:
        lock.release()
        yield
