"""State of each shard: attempts, retries with back-off, and shards that are set aside.

An attempt is written down before it begins. One that has no end and whose lock is free was
killed: it counts, so that a shard that kills its worker is set aside, too.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from glitchvae.census.census import Census
from glitchvae.census.shards import Shard
from glitchvae.config import Settings
from glitchvae.errors import StorageError
from glitchvae.store import replacing

_STATE, _LOCK = "state.json", "lock"
_LONGEST = 3600.0  # seconds that a shard waits at most
KILLED = "the worker ended without a word: killed, out of memory, or the machine went down"


class Kind(StrEnum):
    """State of a shard."""

    OPEN = "open"
    RUNNING = "running"
    WAITING = "waiting"  # for another attempt
    DONE = "done"
    INCOMPLETE = "incomplete"  # done, but for files that could not be read to their end
    ASIDE = "set aside"

    @property
    def finished(self) -> bool:
        """Whether no work is left."""
        return self in (Kind.DONE, Kind.INCOMPLETE, Kind.ASIDE)

    @property
    def usable(self) -> bool:
        """Whether the shard has a part to merge."""
        return self in (Kind.DONE, Kind.INCOMPLETE)


class Attempt(Settings):
    """One attempt at a shard, in seconds since 1970; without an end while it runs."""

    began: float
    ended: float | None = None
    host: str
    process: int
    reason: str = ""


class Done(Settings):
    """Content of a finished part."""

    rows: int
    covered: float
    searched: float
    problems: tuple[str, ...] = ()
    glitchvae: str


class State(Settings):
    """Attempts at one shard and their outcome.

    Attributes:
        attempts: Those that failed or run, in their order.
        done: What came of it.
        aside: Why it is not tried again.
    """

    attempts: tuple[Attempt, ...] = ()
    done: Done | None = None
    aside: str = ""

    @property
    def kind(self) -> Kind:
        """State according to the record; a shard whose worker was killed counts as running."""
        if self.done is not None:
            return Kind.INCOMPLETE if self.done.problems else Kind.DONE
        if self.aside:
            return Kind.ASIDE
        if not self.attempts:
            return Kind.OPEN
        return Kind.RUNNING if self.attempts[-1].ended is None else Kind.WAITING

    @property
    def reason(self) -> str:
        """The reason why the shard is unfinished or incomplete."""
        if self.done is not None:
            return "; ".join(self.done.problems)
        return self.aside or (self.attempts[-1].reason if self.attempts else "")

    def wait(self, backoff: float, now: float) -> float:
        """Seconds until the next attempt.

        A clock that was put back, or is another machine's, cannot make it longer than it is.
        """
        if not self.attempts or self.attempts[-1].ended is None:
            return 0.0
        length = min(backoff * 2.0 ** (len(self.attempts) - 1), _LONGEST)
        passed = now - self.attempts[-1].ended
        return min(max(length - passed, 0.0), length)


def read_state(census: Census, shard: Shard) -> State:
    """Read the record of a shard; a shard with a damaged record is open."""
    try:
        text = (census.part(shard) / _STATE).read_text(encoding="utf-8")
        return State.model_validate_json(text)
    except (FileNotFoundError, ValidationError, UnicodeDecodeError):
        return State()


def kind_now(census: Census, shard: Shard, state: State) -> Kind:
    """State of a shard; if its worker was killed it waits for another attempt."""
    if state.kind is not Kind.RUNNING or is_worked_on(census, shard):
        return state.kind
    return Kind.WAITING


def is_worked_on(census: Census, shard: Shard) -> bool:
    """Whether a worker holds the shard at this moment."""
    try:
        with FileLock(census.part(shard) / _LOCK, timeout=0):
            return False
    except OSError:  # which a Timeout is, too
        return True


@contextmanager
def claimed(census: Census, shard: Shard) -> Iterator[Claim | None]:
    """Lock a shard for this process; None if another process holds it.

    Raises:
        StorageError: the disk refused the write.
    """
    folder = census.part(shard)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        yield None
        return
    except OSError as error:
        raise StorageError(
            "the census cannot be written", where=folder, found=error.strerror or error
        ) from error
    with lock:
        lock.release()  # the block holds it once more than needed
        yield Claim(census, shard)


class Claim:
    """Record of a shard, which the process that holds the shard may change.

    Attributes:
        state: What became of the shard.
    """

    def __init__(self, census: Census, shard: Shard) -> None:
        self._census = census
        self._path = census.part(shard) / _STATE
        self.state = read_state(census, shard)
        if self.state.kind is Kind.RUNNING:  # its lock was free
            self.fail(KILLED)

    def begin(self) -> None:
        """Record the start of an attempt."""
        attempt = Attempt(began=time.time(), host=socket.gethostname(), process=os.getpid())
        self._change(attempts=(*self.state.attempts, attempt))

    def fail(self, reason: str, *, for_good: bool = False) -> None:
        """Record a failed attempt; after the last allowed attempt the shard is set aside.

        Args:
            reason: Why.
            for_good: No other attempt can help.
        """
        *earlier, last = self.state.attempts
        ended = last.model_copy(update={"ended": time.time(), "reason": reason})
        attempts = (*earlier, ended)
        over = for_good or len(attempts) >= self._census.plan.attempts
        self._change(attempts=attempts, aside=reason if over else "")

    def interrupt(self) -> None:
        """Record an attempt that was stopped on request and does not count."""
        self._change(attempts=self.state.attempts[:-1])

    def finish(self, done: Done) -> None:
        """Record the finished shard."""
        self._change(done=done, attempts=self.state.attempts[:-1])

    def reset(self) -> None:
        """Remove failed attempts, so that the shard is tried again."""
        self._change(attempts=(), aside="", done=None)

    @property
    def is_last(self) -> bool:
        """Whether the running attempt is the last one allowed."""
        return len(self.state.attempts) >= self._census.plan.attempts

    def _change(self, **changes: object) -> None:
        self.state = self.state.model_copy(update=changes)
        with replacing(self._path) as temporary:
            temporary.write_text(self.state.model_dump_json(), encoding="utf-8")


def reset_failed(census: Census) -> int:
    """Let incomplete shards and shards set aside be tried again; returns their number."""
    number = 0
    for shard in census.shards:
        if read_state(census, shard).kind not in (Kind.ASIDE, Kind.INCOMPLETE):
            continue
        with claimed(census, shard) as claim:
            if claim is not None:
                claim.reset()
                number += 1
    return number


def parts_path(census: Census, shard: Shard) -> Path:
    """Archive of one shard."""
    return census.part(shard) / "archive"
