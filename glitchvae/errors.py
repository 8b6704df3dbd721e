"""Errors for users: each is a sentence that says what to do.

Every error raised on purpose derives from `GlitchvaeError`; the command line
prints it as one line. Any other exception that reaches the user is a bug.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self


class GlitchvaeError(Exception):
    """A problem outside the code: a file, a table, a setting, a full disk.

    Args:
        problem: What is wrong, in one clause.
        where: File, group, dataset or row concerned.
        expected: What would have been right.
        found: What was there instead.
        remedy: What the user can do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: object = None,
        expected: object = None,
        found: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = where
        self.expected = expected
        self.found = found
        self.remedy = remedy
        super().__init__(self._sentence())

    @classmethod
    def listing(cls, problems: Iterable[object]) -> Self:
        """One error for several problems, a line each."""
        error = cls("several problems")
        error.problem = "\n".join(printable(str(problem)) for problem in problems)
        error.args = (error.problem,)
        return error

    def _sentence(self) -> str:
        text = self.problem if self.where is None else f"{self.where}: {self.problem}"
        if self.expected is not None:
            text += f"; expected {shortened(self.expected)}"
        if self.found is not None:
            text += f"; found {shortened(self.found)}"
        return printable(f"{text}. {self.remedy}" if self.remedy else text)


_MOST_FOUND = 1000  # characters of what was found


def shortened(value: object) -> str:
    """A value from outside as text, shortened to fit a message."""
    text = str(value).strip()
    return text if len(text) <= _MOST_FOUND else f"{text[:_MOST_FOUND]}…"


def printable(text: str) -> str:
    """One line of text without control characters.

    Names and values of files from outside may hold control characters, with which a terminal
    can be made to show something else; those are escaped, and line ends become blanks.
    """
    if text.isprintable():
        return text
    line = " ".join(part for piece in text.splitlines() if (part := piece.strip()))
    return "".join(c if c.isprintable() else _escaped(c) for c in line)


def _escaped(character: str) -> str:
    if character.isspace():
        return " "
    return character.encode("unicode_escape").decode()


_EXTRAS = {"lal": "triggers", "igwn_ligolw": "triggers", "uproot": "triggers"}
"""Extra of the installation that brings a package."""


def how_to_install(extra: str) -> str:
    """Remedy for a missing optional package.

    There is no release yet, so that the sources are what can be installed.

    Args:
        extra: Name of the extra that brings it, such as "gwf".
    """
    return f'Install it with `pip install ".[{extra}]"` in the folder of glitchvae\'s sources.'


class InputError(GlitchvaeError):
    """A file, table or argument given by the user cannot be used."""


class ConfigError(GlitchvaeError):
    """A configuration file or option holds an unknown key or a bad value."""


class CatalogError(GlitchvaeError):
    """A class card breaks the catalogue's schema."""


class ModelError(GlitchvaeError):
    """A checkpoint is missing or damaged, or does not fit the data."""


class DivergenceError(ModelError):
    """The loss of a training became NaN or infinite."""


class ArchiveError(GlitchvaeError):
    """An archive cannot be opened, read or extended."""


class StorageError(GlitchvaeError):
    """The disk refused a write (full, read-only, no permission)."""


@contextmanager
def reading(
    path: object,
    problem: str = "cannot be read",
    *,
    kind: type[GlitchvaeError] = InputError,
    remedy: str | None = "The file is probably damaged; fetch or make it again.",
) -> Iterator[None]:
    """Convert any exception of a library while it reads a file to an error that names the file.

    Damaged bytes reach a library at any depth, so that it may raise anything: KeyError and
    RuntimeError of HDF5, OverflowError of numpy, MemoryError where a header asks for
    terabytes. No list of them is complete, which is why all are caught, here and only here.
    Errors that name their place already pass through.

    Args:
        path: The file.
        problem: What is wrong, in one clause.
        kind: What is raised.
        remedy: What the user can do about it.

    Raises:
        GlitchvaeError: of that kind, with the library's own words; that a package is missing,
            where that is so.
        StorageError: the disk is full.
    """
    try:
        yield
    except GlitchvaeError as error:
        if error.where is not None:
            raise
        raise type(error)(
            error.problem,
            where=path,
            expected=error.expected,
            found=error.found,
            remedy=error.remedy,
        ) from error
    except ImportError as error:
        # The file may be sound: without lal, gwpy does not come to read it.
        package = (error.name or "").partition(".")[0]
        extra = _EXTRAS.get(package)
        raise kind(
            f"{problem} without {package or 'a package'}",
            where=path,
            found=error,
            remedy=how_to_install(extra) if extra else "Install the package, or a newer version.",
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                "the disk is full",
                where=error.filename or tempfile.gettempdir(),
                found=f"{error.strerror} while {path} was read",
                remedy="Free some space.",
            ) from error
        words = str(error).strip().partition("\n")[0].rstrip(".")
        found = f"{type(error).__name__}: {words}" if words else type(error).__name__
        raise kind(problem, where=path, found=found, remedy=remedy) from error
