"""Sets of images in layouts of a user's own, read by a class that is imported or installed."""

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
    """Base of what reads sets of images in another layout; made without arguments.

    A class of an imported module is found by itself, one of an installed package by its entry point
    in the group `glitchvae.readers`. It is asked of files and folders that are in no layout of
    glitchvae's.
    """

    @abstractmethod
    def accepts(self, path: Path) -> bool:
        """Whether this file or folder is in its layout; told by content, and fast."""

    @abstractmethod
    def count(self, path: Path) -> int:
        """How many events `stream` returns at most."""

    @abstractmethod
    def stream(self, path: Path, size: int) -> Iterable[SpectrogramSet]:
        """The events, at most `size` at a time."""


def has_readers() -> bool:
    """Whether there is any."""
    return bool(ImageReader.__subclasses__() or plugins.registered("readers"))


def find_reader(path: Path) -> ImageReader | None:
    """The first reader that accepts a file or folder, None where there is none.

    Raises:
        ConfigError: an entry point names something else than a reader, or one that lacks a method.
        InputError: a reader fails.
    """
    for reader in _readers():
        if asked(reader, path, lambda one=reader: one.accepts(path)):
            return reader
    return None


def asked(reader: ImageReader, path: Path, question: Callable[[], T]) -> T:
    """What a reader answers; whatever it raises is a problem of the file, in its name.

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
    """The events of a file, part by part.

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
    """Those of imported modules, then those that are installed, each once."""
    found = list(_below(ImageReader))
    for name in plugins.registered("readers"):
        kind = plugins.find("readers", name)
        if not (isinstance(kind, type) and issubclass(kind, ImageReader)):
            raise ConfigError(
                "no reader",
                where=name,
                expected="a class derived from glitchvae.dataset.ImageReader",
                found=kind,
            )
        found.append(kind)
    for kind in dict.fromkeys(found):
        if missing := getattr(kind, "__abstractmethods__", ()):
            raise ConfigError(
                "a reader that is not complete",
                where=plugins.path_of(kind),
                expected=f"the methods {', '.join(sorted(missing))}",
            )
        yield kind()


def _below(kind: type[ImageReader]) -> Iterator[type[ImageReader]]:
    """Classes derived from one that derive no further."""
    for each in kind.__subclasses__():
        below = list(_below(each))
        yield from below or [each]
