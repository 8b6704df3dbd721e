"""Threads for work on pieces that fit a processor's cache.

FFTs, selections and sums release Python's lock, so whole pieces of work run side by
side; that keeps a piece in one core's cache, which threads inside each single
operation do not.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

from glitchvae.allocation import reuse_freed_memory

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def run(
    work: Callable[[Piece], Result], jobs: Iterable[Piece], device: torch.device
) -> list[Result]:
    """Run `work` on every job, with results in order; `work` must not call `run` itself.

    On the CPU each thread keeps torch to one core of its own; on an accelerator, which
    orders its work itself, the jobs are issued one after the other.
    """
    reuse_freed_memory(device)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    if threads == 1:
        return [work(job) for job in jobs]
    return list(_pool(threads).map(work, jobs))


def ahead(work: Callable[[Piece], Result], jobs: Iterable[Piece], threads: int) -> Iterator[Result]:
    """Run `work` on every job in order, with threads at most a number of jobs ahead.

    With no thread each job is done when its result is asked for.
    """
    if threads == 0:
        yield from map(work, jobs)
        return
    with ThreadPoolExecutor(threads, "glitchvae-ahead") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) == threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """A pool of permanent threads: torch compiles some kernels again for every new thread."""
    return ThreadPoolExecutor(threads, "glitchvae", initializer=_use_one_core)


def _use_one_core() -> None:
    torch.get_num_threads()  # a thread takes over the process's number when first asked for it
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # a forked process has the pool but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
