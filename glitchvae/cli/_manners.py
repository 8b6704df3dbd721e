"""Options common to all commands (`--import`, `--json`, `-q`, `-v`, `--log`), and exit status.

0: done, also where nothing was found. 1: some inputs failed, and were named. 2: the command
was not understood. 3: nothing could be done.
"""

from __future__ import annotations

import functools
import io
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import rich_click as click
from click.exceptions import Exit

from glitchvae.cli._tables import JSON_RESULT, TableFile
from glitchvae.errors import GlitchvaeError, StorageError, printable
from glitchvae.plugins import import_modules

SOME_FAILED, NOTHING_DONE, INTERRUPTED = 1, 3, 130
_SETTINGS = "glitchvae.manners"
_LOG = logging.getLogger("glitchvae")
_PROGRESS = logging.getLogger("glitchvae.progress")


def with_manners(command: click.Command) -> click.Command:
    """Add the common options to a command or to all commands of a group."""
    if isinstance(command, click.Group):
        for name, nested in command.commands.items():
            command.commands[name] = with_manners(nested)
    elif not any(param.name == "as_json" for param in command.params):
        command.params += _options()
        command.callback = _behaved(command)
    return command


def note(text: object) -> None:
    """Print a message that is not a result on stderr; `-q` hides it."""
    context = click.get_current_context(silent=True)
    if context is None or not context.meta.get(_SETTINGS, {}).get("quiet"):
        click.echo(printable(str(text)), err=True)
    _logged(printable(str(text)), logging.INFO)


def tell_problem(problem: object, *, what: str = "left out") -> None:
    """Report an input that could not be used, on stderr and in `--json`."""
    told = printable(f"{what}: {problem}")
    click.echo(told, err=True)
    _logged(told, logging.ERROR)
    context = click.get_current_context(silent=True)
    result = None if context is None else context.meta.get(JSON_RESULT)
    if result is not None:
        result["problems"].append(_described(problem))


def exit_status(problems: int, done: int) -> int:
    """Exit status of a command that goes on past bad inputs.

    Args:
        problems: Inputs that could not be used.
        done: Inputs that could.
    """
    if not problems:
        return 0
    return SOME_FAILED if done else NOTHING_DONE


def _options() -> list[click.Option]:
    def keep(context: click.Context, param: click.Parameter, value: Any) -> None:
        context.meta.setdefault(_SETTINGS, {})[param.name] = value

    shared: dict[str, Any] = {"expose_value": False, "callback": keep}
    return [
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            help="Write one JSON document to stdout instead of text.",
            **shared,
        ),
        click.Option(
            ["-q", "--quiet"], is_flag=True, help="Write only errors to stderr.", **shared
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="Write more messages to stderr; -vv writes all.",
            **shared,
        ),
        click.Option(
            ["--log", "log_file"],
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Append all messages to this file.",
            **shared,
        ),
        click.Option(
            ["--import", "imports"],
            multiple=True,
            metavar="MODULE",
            help="Import a Python module first, installed or in this folder, whose objectives, "
            "networks, metrics, readers or families are then available by name. Repeatable.",
            **shared,
        ),
    ]


def _behaved(command: click.Command) -> Any:
    """The function of a command, with the common options applied."""
    called = command.callback
    if called is None:
        return None

    @functools.wraps(called)
    def callback(*args: Any, **kwargs: Any) -> Any:
        context: Any = click.get_current_context()
        imports = context.meta.get(_SETTINGS, {}).get("imports")
        if imports:
            import_modules(imports)
        return called(*args, **kwargs)

    @functools.wraps(called)
    def behaved(*args: Any, **kwargs: Any) -> Any:
        context: Any = click.get_current_context()
        settings = context.meta.get(_SETTINGS, {})
        with _logging(settings):
            name = _on_stdout(command, kwargs)
            if name and settings.get("as_json"):
                raise click.UsageError("--json and a table on stdout exclude each other.")
            if name:
                return _as_csv(callback, args, kwargs, name)
            if settings.get("as_json"):
                return _as_json(callback, args, kwargs, context)
            return callback(*args, **kwargs)

    return behaved


def _on_stdout(command: click.Command, values: dict[str, Any]) -> str | None:
    """The parameter whose table is written to stdout, or None."""
    tables = [p.name for p in command.params if isinstance(p.type, TableFile)]
    return next((name for name in tables if name and values.get(name) == Path("-")), None)


def _as_csv(callback: Any, args: Any, kwargs: Any, name: str) -> Any:
    """Run a command with its table on stdout and all messages on stderr."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        try:
            with redirect_stdout(_Said(path)):
                return callback(*args, **{**kwargs, name: path})
        finally:
            if path.exists():
                click.echo(path.read_text(encoding="utf-8"), nl=False)


class _Said(io.TextIOBase):
    """Pass messages of a command to stderr, while its table goes to stdout."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def write(self, text: str, /) -> int:
        return sys.stderr.write(text.replace(self._path, "standard output"))

    def flush(self) -> None:
        sys.stderr.flush()


def _as_json(callback: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Run a command and write its output as one JSON document on stdout."""
    result: dict[str, Any] = {
        "command": context.command_path,
        "tables": [],
        "problems": [],
        "messages": [],
    }
    context.meta[JSON_RESULT] = result
    said, status = io.StringIO(), 0
    try:
        with redirect_stdout(said):
            callback(*args, **kwargs)
    except Exit as ending:
        status = ending.exit_code
    except GlitchvaeError as error:
        result["error"] = _described(error)
        status = NOTHING_DONE
        click.echo(f"Error: {error}", err=True)
    finally:
        del context.meta[JSON_RESULT]
    result["messages"] = said.getvalue().splitlines()
    result["exit_status"] = status
    click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    context.exit(status)


def _described(problem: object) -> dict[str, Any]:
    """The parts of an error as a mapping."""
    if not isinstance(problem, GlitchvaeError):
        return {"problem": str(problem)}
    parts = ("problem", "where", "expected", "found", "remedy")
    told = {name: getattr(problem, name, None) for name in parts}
    return {name: str(value) for name, value in told.items() if value not in (None, "")}


@contextmanager
def _logging(settings: dict[str, Any]) -> Iterator[None]:
    """Set up logging to stderr and to the file of `--log` while a command runs."""
    verbose = settings.get("verbose", 0)
    level = logging.WARNING if not verbose else logging.INFO if verbose == 1 else logging.DEBUG
    shown = logging.StreamHandler(sys.stderr)
    shown.setLevel(logging.ERROR if settings.get("quiet") else level)
    shown.setFormatter(_Printable("%(message)s"))
    handlers: list[logging.Handler] = [shown, *_file_handlers(settings.get("log_file"), level)]
    before, progress_before = _LOG.level, _PROGRESS.level
    _LOG.setLevel(min(handler.level for handler in handlers))
    if settings.get("quiet"):
        _PROGRESS.setLevel(logging.ERROR)
    for handler in handlers:
        _LOG.addHandler(handler)
    _logged(" ".join(["glitchvae", *sys.argv[1:]]), logging.INFO)
    try:
        yield
    finally:
        _LOG.setLevel(before)
        _PROGRESS.setLevel(progress_before)
        for handler in handlers:
            _LOG.removeHandler(handler)
            handler.close()


class _Printable(logging.Formatter):
    """Log records as single lines without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        told = super().format(record)
        return told if record.exc_info else printable(told)


def _file_handlers(path: Path | None, level: int) -> list[logging.Handler]:
    if path is None:
        return []
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            "the log cannot be written", where=path, found=error.strerror or error
        ) from error
    handler.setLevel(min(level, logging.INFO))
    form = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s")
    form.converter = time.gmtime
    handler.setFormatter(form)
    return [handler]


def _logged(text: str, level: int) -> None:
    """Write a line to the file of `--log` alone, since stderr has it already."""
    for handler in _LOG.handlers:
        if isinstance(handler, logging.FileHandler):
            record = _LOG.makeRecord(_LOG.name, level, "", 0, text, (), None)
            handler.handle(record)
