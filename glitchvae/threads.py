"""Work on pieces that fit a processor's cache, in as many threads as torch may use.

FFTs, selections and sums release Python's lock, so whole pieces of work run side by
side; that keeps a piece in one core's cache, which threads inside each single
operation do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")


def run(work: Callable[[Job], Result], jobs: Iterable[Job], device: torch.device) -> list[Result]:
    """`work` done on every job, with results in order.

    On the CPU each thread keeps torch to one core of its own; on an accelerator, which
    orders its work itself, the jobs are issued one after the other.
    """
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    if threads == 1:
        return [work(job) for job in jobs]
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(work, jobs))
