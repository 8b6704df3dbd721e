"""Workers, each of which takes a free shard, embeds it into its part, and takes the next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from glitchvae import __version__
from glitchvae.archive import Filled, create_archive, fill_from_strain
from glitchvae.census.census import Census
from glitchvae.census.shards import ChangedError, Shard
from glitchvae.census.state import Claim, Done, Kind, claimed, parts_path, read_state
from glitchvae.embedding import Job
from glitchvae.errors import ArchiveError, GlitchvaeError, StorageError, reading

_LOOK = 2.0  # seconds between looks at shards that others have, or that wait


class Worked(NamedTuple):
    """Outcome of an attempt.

    Attributes:
        shard: The shard.
        kind: What it is now.
        reason: Why it is not done, or not whole.
    """

    shard: Shard
    kind: Kind
    reason: str


def work(
    census: Census,
    shards: Sequence[Shard],
    *,
    alive: Callable[[], bool] = lambda: True,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Worked]:
    """Work on shards until all are finished, by this worker or others.

    A worker that is killed loses the events in flight: the next one that takes the shard goes on
    from what its part holds.

    Args:
        census: The census.
        shards: Those that this worker may take.
        alive: Asked after each minute of strain; the work ends where it says no.
        sleep: How to wait for shards that others have.

    Yields:
        Every attempt when it has ended.

    Raises:
        InputError: another version of glitchvae or another model than the plan's.
        StorageError: the disk refused a write; the attempt does not count.
    """
    census.plan.require_version(census.folder)
    job: Job | None = None
    left = [shard for shard in shards if not read_state(census, shard).kind.finished]
    while left:
        waiting, worked = [], False
        for shard in left:
            if not alive():
                return
            with claimed(census, shard) as claim:
                if claim is None or _is_early(claim, census):
                    waiting.append(shard)
                    continue
                if claim.state.kind.finished:
                    yield Worked(shard, claim.state.kind, claim.state.reason)
                    continue
                job, worked = job or census.job(), True
                yield _attempt(census, shard, claim, job, alive)
                if not claim.state.kind.finished:
                    waiting.append(shard)
        left = waiting
        if left and not worked:
            sleep(_LOOK)


def share_of(shards: Sequence[Shard], number: int, of: int) -> list[Shard]:
    """The shards of one job of a cluster: every n-th of them."""
    return list(shards[number::of])


def parent_is(process: int) -> Callable[[], bool]:
    """Whether the process that started this one still runs."""
    return lambda: os.getppid() == process


def _is_early(claim: Claim, census: Census) -> bool:
    if claim.state.kind is not Kind.WAITING:
        return False
    return claim.state.wait(census.plan.backoff, time.time()) > 0


def _attempt(
    census: Census, shard: Shard, claim: Claim, job: Job, alive: Callable[[], bool]
) -> Worked:
    claim.begin()
    try:
        _finish(claim, _embed(census, shard, job, alive))
    except StorageError:
        _forget(claim)  # a full disk is not the shard's fault
        raise
    except GlitchvaeError as error:
        claim.fail(str(error), for_good=isinstance(error, ChangedError))
    except KeyboardInterrupt:
        claim.interrupt()
        raise
    return Worked(shard, claim.state.kind, claim.state.reason)


def _embed(census: Census, shard: Shard, job: Job, alive: Callable[[], bool]) -> Filled:
    def report(_: int) -> None:
        if not alive():
            raise KeyboardInterrupt

    # Whatever a library raises is the shard's alone: the others go on.
    with reading(shard.name, "the work on it failed", kind=ArchiveError, remedy=None):
        source = shard.open()
        archive = create_archive(parts_path(census, shard))
        filled = fill_from_strain(archive, source, None, job, within=shard.within, progress=report)
        for file in shard.files:
            file.require_unchanged()
    return filled


def _finish(claim: Claim, filled: Filled) -> None:
    """Record the outcome; a part with unreadable files counts only after the last attempt."""
    problems = tuple(str(problem) for problem in filled.problems)
    if problems and not claim.is_last:
        claim.fail("; ".join(problems))
        return
    time_of = filled.coverage
    claim.finish(
        Done(
            rows=0 if filled.rows is None else len(filled.rows),
            covered=0.0 if time_of is None else float(abs(time_of.covered)),
            searched=0.0 if time_of is None else float(abs(time_of.searched)),
            problems=problems,
            glitchvae=__version__,
        )
    )


def _forget(claim: Claim) -> None:
    """Withdraw an attempt; a failed write is ignored."""
    try:
        claim.interrupt()
    except StorageError:
        return
