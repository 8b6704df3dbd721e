"""Sets of images in the user's own layouts, read by an imported or installed class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from glitchvae import plugins
from glitchvae.errors import ConfigError, GlitchvaeError, InputError
from glitchvae.spectrogram import SpectrogramSet

T = TypeVar("T")


class ImageReader(ABC):
    """Base of readers of sets of images in another layout; created without arguments.

    A class of an imported module is found by itself, one of an installed package by its entry point
    in the group `glitchvae.readers`. It is asked of files and folders that are in no layout of
    glitchvae's.
    """

    @abstractmethod
    def accepts(self, path: Path) -> bool:
        """Whether a file or folder has this layout, judged quickly and by content."""

    @abstractmethod
    def count(self, path: Path) -> int:
        """Upper limit of the number of events that `stream` returns."""

    @abstractmethod
    def stream(self, path: Path, size: int) -> Iterable[SpectrogramSet]:
        """The events, at most `size` at a time."""


def has_readers() -> bool:
    """Whether any reader is registered."""
    return bool(ImageReader.__subclasses__() or plugins.registered("readers"))


def find_reader(path: Path) -> ImageReader | None:
    """The first reader that accepts a file or folder, None if there is none.

    Raises:
        ConfigError: an entry point names something else than a reader, or one that lacks a method.
        InputError: a reader fails.
    """
    for reader in _readers():
        if asked(reader, path, lambda one=reader: one.accepts(path)):
            return reader
    return None


def asked(reader: ImageReader, path: Path, question: Callable[[], T]) -> T:
    """Call a reader; any exception becomes an error that names the file.

    Raises:
        InputError: it fails.
    """
    try:
        return question()
    except GlitchvaeError:
        raise
    except Exception as error:  # a stranger's reader may raise anything
        raise InputError(
            f"the reader {plugins.path_of(type(reader))} fails",
            where=path,
            found=f"{type(error).__name__}: {error}",
        ) from error


def parts_of(reader: ImageReader, path: Path, size: int) -> Iterator[SpectrogramSet]:
    """Iterate over the events of a file, part by part.

    Raises:
        InputError: the reader fails, or returns something else.
    """
    parts = iter(asked(reader, path, lambda: reader.stream(path, size)))
    while (part := asked(reader, path, lambda: next(parts, None))) is not None:
        if not isinstance(part, SpectrogramSet):
            raise InputError(
                f"the reader {plugins.path_of(type(reader))} returns no images",
                where=path,
                expected="SpectrogramSets",
                found=type(part).__name__,
            )
        yield part


def _readers() -> Iterator[ImageReader]:
    """Readers of imported modules, then installed ones, each once."""
    found = list(_below(ImageReader))
    for name in plugins.registered("readers"):
        kind = plugins.find("readers", name)
        if not (isinstance(kind, type) and issubclass(kind, ImageReader)):
            raise ConfigError(
                "the object is not a reader",
                where=name,
                expected="a class derived from glitchvae.dataset.ImageReader",
                found=kind,
            )
        found.append(kind)
    for kind in dict.fromkeys(found):
        if missing := getattr(kind, "__abstractmethods__", ()):
            raise ConfigError(
                "the reader is not complete",
                where=plugins.path_of(kind),
                expected=f"the methods {', '.join(sorted(missing))}",
            )
        yield kind()


def _below(kind: type[ImageReader]) -> Iterator[type[ImageReader]]:
    """Classes derived from a class that have no subclasses of their own."""
    for each in kind.__subclasses__():
        below = list(_below(each))
        yield from below or [each]
