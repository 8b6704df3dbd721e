"""Reading of files from outside in a separate process.

What a damaged file does to a C library cannot be met by an exception: HDF5's table of
attributes can loop for ever, and the frame library writes where it must not. So whatever
such a library reads is read in a child process with limits of memory and processor time,
and arrays come back through shared memory. A child that dies or takes too long is replaced,
and the file is named.

Three processes take part. This one starts a server, once, which imports the libraries and
opens no file; the server forks a reader, which serves one call after the other. After a
library failed in a reader, or wrote where it should not have, the next call gets a fresh
one, which takes milliseconds because the server has everything imported.

`docs/security.md` says what this protects from and what it does not.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import gzip
import importlib
import io
import logging
import mmap
import os
import pickle
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from glitchvae import errors
from glitchvae.errors import GlitchvaeError, InputError, StorageError, reading

MEMORY = 4 * 2**30
"""Bytes of address space that a reader may use."""

LARGEST_TEXT = 2**28
"""Bytes of a table or list in text, unpacked: some three million triggers."""

_GZIP = b"\x1f\x8b"
_PIECE = 2**20  # bytes unpacked at a time
_SECONDS = 2.0
_SECONDS_A_BYTE = 1e-6
"""Processor time allowed per byte of a file: five times that of the slowest reader measured."""
_LONGEST_SILENCE = 60.0
_PATIENCE = 15.0
"""Seconds of waiting allowed per second of processor time, for a busy machine or disk."""

_LIBRARIES = ("glitchvae.strain.opening", "glitchvae.dataset.reading")
"""Modules that the server imports at its start; others are imported on demand."""
_SHARED = 2**16  # bytes from which on arrays go through shared memory
_ALIGNED = 64
_HEADER = struct.Struct("<QQ")  # bytes of the pickle, number of arrays
_SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PLAIN_TYPES = {
    ("builtins", "complex"),
    ("builtins", "frozenset"),
    ("builtins", "set"),
    ("builtins", "slice"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("pathlib", "PosixPath"),
}
_SEGMENTS = {"infinity", "segment", "segmentlist"}
"""Types of igwn_segments: its C module has different names in different versions."""

P = ParamSpec("P")
T = TypeVar("T")


class Identity(NamedTuple):
    """Identity of the content of a path, determined without reading it."""

    device: int
    inode: int
    size: int  # bytes
    modified: int  # ns


def require_file(path: str | Path) -> Identity:
    """Refuse a path that is not a regular, non-empty file.

    A FIFO or a device is never opened: it would be waited on for ever.

    Raises:
        InputError: there is nothing, or another kind of thing; it is named.
    """
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError("no such file", where=path) from error
        raise InputError(
            "cannot be read", where=path, found=getattr(error, "strerror", None) or error
        ) from error
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_it, name in _KINDS if is_it(found.st_mode)), "something else")
        raise InputError(
            "the path is not a regular file", where=path, expected="a regular file", found=kind
        )
    if not found.st_size:
        raise InputError("the file is empty", where=path)
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_bytes(path: str | Path, *, most: int = LARGEST_TEXT) -> bytes:
    """Read all of a file, unpacked if it is gzipped.

    Args:
        path: A regular file.
        most: Bytes that it may have, unpacked.

    Raises:
        InputError: no regular file, a damaged gzip file, or a larger one.
    """
    size = require_file(path).size
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(min(size, most) + 1)
        if content.startswith(_GZIP):
            with gzip.open(path) as unpacked:
                pieces = iter(partial(unpacked.read, _PIECE), b"")
                content = b"".join(islice(pieces, most // _PIECE + 1))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError("damaged gzip file", where=path, found=error) from error
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror) from error
    if len(content) > most:
        raise InputError("too large", where=path, expected=f"at most {most:,} bytes of text")
    return content


def read_apart(
    function: Callable[Concatenate[Path, P], T], path: str | Path, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call `function(path, …)` in the reader process and return its result.

    Arguments and result are plain: numbers, text, arrays, records of ours. Whatever a
    library raises becomes one sentence that names the file, as in `errors.reading`.

    Args:
        function: A function of a module; what that imports only when it is called is named
            by `needs`.
        path: The file.
        args: Its further arguments.
        kwargs: The same.

    Raises:
        InputError: no regular file; the library failed, crashed, or went beyond the limits.
        GlitchvaeError: what the function raises.
        StorageError: no reader can be started.
    """
    path = Path(path)
    found = require_file(path)
    if _Reader.serving:
        return function(path, *args, **kwargs)
    seconds = _SECONDS + found.size * _SECONDS_A_BYTE
    return _readers(os.getpid()).call(_Call(function, path, args, kwargs, seconds, _folder()))


def needs(*modules: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Declare the modules that a function for `read_apart` imports, outside of its limits."""

    def mark(function: Callable[P, T]) -> Callable[P, T]:
        function.needs = modules  # type: ignore[attr-defined]
        return function

    return mark


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was deleted: nothing relative can be named
        return os.sep


class _Call(NamedTuple):
    function: Callable[..., Any]
    path: Path
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    seconds: float  # of processor time
    folder: str  # that relative paths begin from

    @property
    def patience(self) -> float:
        """Seconds to wait for an answer."""
        return max(_LONGEST_SILENCE, _PATIENCE * self.seconds)


class _EndedError(Exception):
    """The reader process ended or was too slow."""


# ---------------------------------------------------------------------------------------
# This process


class _Readers:
    """The server and its present reader process, as seen from the main process."""

    def __init__(self, process: int) -> None:
        self.process = process  # a fork of it has readers of its own
        self._lock = threading.RLock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._reader: socket.socket | None = None
        self._pid = 0
        self._calls = 0  # that the present reader has served
        self._imported: set[str] = set()

    def call(self, call: _Call) -> Any:
        """Run a call in the reader process."""
        wanted = {call.function.__module__, *getattr(call.function, "needs", ())} - self._imported
        with self._lock:
            if wanted or self._reader is None:
                self._renew(wanted)
            try:
                fresh = self._calls == 0
                try:
                    answer = self._ask(call)
                except _EndedError as error:
                    if fresh or signal.SIGXCPU.name in str(error):
                        raise
                    # What an earlier file did to this reader is no fault of the present one.
                    self._renew(set())
                    answer = self._ask(call)
            except _EndedError as error:
                raise InputError(
                    "the process that read the file was ended",
                    where=call.path,
                    found=error,
                    remedy="The file is probably damaged; fetch or make it again.",
                ) from error
        return answer()

    def _ask(self, call: _Call) -> Callable[[], Any]:
        """Send a call, return its value or raise its error."""
        self._calls += 1
        try:
            if (reader := self._reader) is None:
                raise EOFError
            reader.settimeout(call.patience)
            _send(reader, call)
            told, records, suspect = _receive(reader, _Unpickler)
        except (OSError, EOFError) as error:
            late = isinstance(error, TimeoutError)
            raise _EndedError(self._end(late=late, call=call)) from error
        except pickle.UnpicklingError as error:
            raise _EndedError(f"{error}; {self._end(late=True, call=call)}") from error
        except BaseException:  # Ctrl-C: the answer would be taken for that of the next call
            self._end(late=True, call=call)
            raise
        for name, level, message in records:
            logging.getLogger(name).log(level, "%s", message)
        if suspect:
            self._end(late=True, call=call)
        return _answer(told)

    def _end(self, *, late: bool, call: _Call) -> str:
        """End the reader, or find out how it ended; returns the reason."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        try:
            status = self._command("reap", self._pid, late)
        except (OSError, EOFError):
            self.close()
            return "the server of readers is gone, too"
        if late:
            return f"no answer in {call.patience:.0f} s"
        if not os.WIFSIGNALED(status):
            return f"exit status {os.waitstatus_to_exitcode(status)}"
        name = signal.Signals(os.WTERMSIG(status)).name
        meaning = {
            "SIGXCPU": f"more than {call.seconds:.0f} s of processor time",
            "SIGSEGV": "the library crashed",
            "SIGABRT": "the library gave up",
        }
        return f"{meaning[name]} ({name})" if name in meaning else name

    def _renew(self, modules: set[str]) -> None:
        """Start a new reader, forked by a server that has imported the given modules."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
            self._command("reap", self._pid, True)
        try:
            self._fork(modules)
        except (OSError, EOFError):  # the server was killed: once more with another
            self.close()
            self._fork(modules)

    def _fork(self, modules: set[str]) -> None:
        if self._control is None:
            self._start()
        if modules:
            self._command("import", sorted(self._imported | modules))
            self._imported |= modules
        ours, theirs = socket.socketpair()
        with theirs:
            self._pid = self._command("fork", share=theirs)
        self._reader, self._calls = ours, 0

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        path = [str(Path(entry).absolute()) for entry in sys.path]
        environment = {**os.environ, **dict.fromkeys(_SINGLE_THREADED, "1")}
        environment["PYTHONPATH"] = os.pathsep.join(path)
        code = f"from glitchvae.guard import serve; serve({theirs.fileno()})"
        with theirs:
            try:
                self._server = subprocess.Popen(
                    [sys.executable, "-P", "-c", code],
                    env=environment,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for this process to handle
                )
            except OSError as error:
                ours.close()
                raise StorageError("no process can be started to read files in") from error
        self._control = ours
        atexit.register(self.close)

    def _command(self, *words: Any, share: socket.socket | None = None) -> Any:
        """Send a command to the server.

        Raises:
            OSError, EOFError: it is gone.
        """
        if self._control is None or self.process != os.getpid():
            raise EOFError
        _send(self._control, (words, share is not None))
        if share is not None:
            socket.send_fds(self._control, [b"."], [share.fileno()])
        return _receive(self._control, _Unpickler)

    def close(self) -> None:
        """End server and reader."""
        for end in (self._reader, self._control):
            if end is not None:
                end.close()
        self._reader = self._control = None
        if self._server is not None and self.process == os.getpid():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(5)
            if self._server.poll() is None:
                self._server.kill()
                self._server.wait()
            self._server = None
        atexit.unregister(self.close)


def _answer(told: tuple[str, Any]) -> Callable[[], Any]:
    kind, value = told

    def take() -> Any:
        if kind == "value":
            return value
        name, parts = value
        raise getattr(errors, name, InputError)(**parts)

    return take


@cache
def _readers(process: int) -> _Readers:
    return _Readers(process)


class _Unpickler(pickle.Unpickler):
    """Unpickler for answers of a reader: numbers, text, arrays, segments, and records."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN_TYPES:
            return super().find_class(module, name)
        if module.partition(".")[0] == "igwn_segments" and name in _SEGMENTS:
            return super().find_class(module, name)
        if module.startswith("glitchvae."):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"a reader sent {module}.{name}")


# ---------------------------------------------------------------------------------------
# Between the processes


def _send(end: socket.socket, value: Any) -> None:
    """Send a value in one message; large arrays go by shared memory."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    header = _HEADER.pack(len(data), len(views))
    header += b"".join(struct.pack("<Q", view.nbytes) for view in views)
    offsets, total = _places([view.nbytes for view in views])
    if total < _SHARED:
        end.sendall(b"".join((header, data, *views)))
        return
    with _shared_memory() as memory:
        for view, offset in zip(views, offsets, strict=True):
            written = 0
            while written < view.nbytes:
                written += os.pwrite(memory.fileno(), view[written:], offset + written)
        end.sendall(header + data)
        socket.send_fds(end, [b"."], [memory.fileno()])


def _receive(end: socket.socket, kind: type[pickle.Unpickler]) -> Any:
    """Receive a value sent by `_send`.

    Raises:
        EOFError: the other side is gone.
    """
    length, number = _HEADER.unpack(_exactly(end, _HEADER.size))
    sizes = [size for (size,) in struct.iter_unpack("<Q", _exactly(end, 8 * number))]
    data = _exactly(end, length)
    offsets, total = _places(sizes)
    if total < _SHARED:
        views = [memoryview(_exactly(end, size)) for size in sizes]
    else:
        whole = memoryview(_mapped(end, total))
        views = [whole[at : at + size] for at, size in zip(offsets, sizes, strict=True)]
    return kind(io.BytesIO(data), buffers=views).load()


def _places(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Offsets of arrays of given sizes in shared memory, and the total size."""
    offsets, at = [], 0
    for size in sizes:
        offsets.append(at)
        at += size + -size % _ALIGNED
    return offsets, at


def _shared_memory() -> Any:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("glitchvae"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _mapped(end: socket.socket, size: int) -> mmap.mmap:
    """Map the shared memory whose descriptor is received next."""
    note, descriptors, _, _ = socket.recv_fds(end, 1, 1)
    if not note or not descriptors:
        raise EOFError
    try:
        if os.fstat(descriptors[0]).st_size < size:
            os.ftruncate(descriptors[0], size)  # to the end of the last array's place
        return mmap.mmap(descriptors[0], size)
    finally:
        os.close(descriptors[0])


def _exactly(end: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        count = end.recv_into(view[got:])
        if not count:
            raise EOFError
        got += count
    return data


# ---------------------------------------------------------------------------------------
# The server, and the readers that it forks


def serve(descriptor: int) -> None:
    """Fork readers on request until the main process ends."""
    control = socket.socket(fileno=descriptor)
    for name in _LIBRARIES:
        importlib.import_module(name)
    gc.freeze()
    with contextlib.suppress(EOFError, OSError):
        while True:
            (word, *rest), shares = _receive(control, pickle.Unpickler)
            if shares:
                _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
                _send(control, _fork_reader(control, descriptors[0]))
            elif word == "import":
                for name in rest[0]:
                    with contextlib.suppress(ImportError):  # the reader says what is missing
                        importlib.import_module(name)
                _send(control, None)
            else:
                _send(control, _reap(*rest))


def _fork_reader(control: socket.socket, descriptor: int) -> int:
    pid = os.fork()
    if pid:
        os.close(descriptor)
        return pid
    try:
        control.close()
        _Reader(socket.socket(fileno=descriptor)).serve()
    finally:
        os._exit(0)


def _reap(pid: int, kill: bool) -> int:
    """Exit status of a reader, which is killed first if requested."""
    if kill:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return 0


class _Reader:
    """A child process that reads files under limits of memory and time."""

    serving = False

    def __init__(self, end: socket.socket) -> None:
        import resource

        type(self).serving = True
        self._end = end
        self._told: list[tuple[str, int, str]] = []
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(ValueError, OSError):  # a system without this limit
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        logger = logging.getLogger("glitchvae")
        logger.handlers = [_Kept(self._told)]
        logger.propagate = False

    def serve(self) -> None:
        """Answer calls until the connection is closed."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                call: _Call = _receive(self._end, pickle.Unpickler)
                _allow(call.seconds)
                told, suspect = _result(call)
                answer = (told, list(self._told), suspect)
                self._told.clear()
                _send(self._end, answer)
                if suspect:
                    return


def _allow(seconds: float) -> None:
    """Limit the processor time from now on."""
    import resource

    limit = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _result(call: _Call) -> tuple[tuple[str, Any], bool]:
    """Value or error of a call, and whether an unexpected exception was raised."""
    try:
        with reading(call.path):
            os.chdir(call.folder)
            return ("value", call.function(call.path, *call.args, **call.kwargs)), False
    except GlitchvaeError as error:
        parts = {
            name: value if isinstance(value, Path | str | None) else str(value)
            for name in ("problem", "where", "expected", "found", "remedy")
            for value in [getattr(error, name)]
        }
        suspect = error.__cause__ is not None
        return ("error", (type(error).__name__, parts)), suspect


class _Kept(logging.Handler):
    """Log handler that keeps records to send them to the main process."""

    def __init__(self, told: list[tuple[str, int, str]]) -> None:
        super().__init__()
        self._kept = told

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append((record.name, record.levelno, record.getMessage()))
