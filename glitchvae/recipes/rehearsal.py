"""Rehearsals of recipes: separate folders, and a mark on every table and figure.

A rehearsal runs a recipe with few events and steps. What it writes looks like results, so
that nobody may take it for some: its folder says so from the first moment, tables and
figures are marked by what they are rather than by the recipe that wrote them, and the
folders of rehearsals and of real runs are not mixed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from glitchvae.discovery.runs import CARD, read_run
from glitchvae.errors import InputError
from glitchvae.store import digest, replacing, write_rows

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

NOTE = "Rehearsal (--tiny): it shows that the recipe runs. Nothing in it is a result."
MARKER = "rehearsal.txt"
COLUMN = "rehearsal"
"""Column of every marked CSV table, 1 in each row, since logs hold numbers alone."""

_KEY = "Rehearsal"  # of the text that a marked PNG carries
_STRIP = "#d1495b"


def check_folder(out: Path, *, tiny: bool) -> None:
    """Refuse to mix results of rehearsals and of real runs in one folder.

    Args:
        out: Folder of results.
        tiny: Whether a rehearsal is to go there.

    Raises:
        InputError: a rehearsal, in a folder with other files; or a real run, in the folder of
            a rehearsal, whose models and tables it would take for its own.
    """
    rehearsed = (out / MARKER).exists()
    if rehearsed and not tiny:
        raise InputError(
            "the folder holds a rehearsal, which a real run must not continue",
            where=out,
            remedy="Choose another folder with -o, or remove this one.",
        )
    if tiny and not rehearsed and out.is_dir():
        others = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
        if others:
            raise InputError(
                "the folder holds files that are not those of a rehearsal",
                where=out,
                found=", ".join(others[:5]),
                remedy="Choose an empty folder with -o.",
            )


@contextmanager
def rehearsing(out: Path) -> Iterator[None]:
    """Mark the folder of a rehearsal before it starts and its files when it ends.

    Also what a rehearsal that failed or was stopped has left is marked.
    """
    with replacing(out / MARKER) as temporary:
        temporary.write_text(NOTE + "\n", encoding="utf-8")
    try:
        yield
    finally:
        mark(out)


def mark(folder: Path) -> None:
    """Mark the tables (CSV, Markdown), figures (PNG) and pages (HTML) below a folder.

    What is marked already stays as it is. Archives are left alone: they hold neither.
    """
    from glitchvae.archive.layout import MARKER as ARCHIVE

    archives = {path.parent for path in folder.rglob(ARCHIVE)}
    for path in sorted(folder.rglob("*")):
        how = _HOW.get(path.suffix)
        if how is not None and path.is_file() and not archives.intersection(path.parents):
            how(path)
    for card in folder.rglob(CARD):
        _renew_digests(card)


def _mark_csv(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream)) or [[]]
    if COLUMN not in header:
        write_rows(path, [*header, COLUMN], ([*row, 1] for row in rows))


def _mark_markdown(path: Path) -> None:
    _write_marked(path, lambda text: f"**{NOTE}**\n\n{text}")


def _mark_html(path: Path) -> None:
    banner = f'<p style="background:{_STRIP};color:white;padding:.5em"><strong>{NOTE}</strong></p>'
    _write_marked(path, lambda text: re.sub(r"(<body[^>]*>)", rf"\1{banner}", text, count=1))


def _write_marked(path: Path, marked: Callable[[str], str]) -> None:
    text = path.read_text(encoding="utf-8")
    if NOTE not in text:
        with replacing(path) as temporary:
            temporary.write_text(marked(text), encoding="utf-8")


def _mark_png(path: Path) -> None:
    """Put a strip with the note above a picture."""
    from PIL import Image, ImageDraw
    from PIL.PngImagePlugin import PngImageFile, PngInfo

    with Image.open(path) as picture:
        if not isinstance(picture, PngImageFile) or _KEY in picture.text:
            return
        information = PngInfo()
        for key, value in {**picture.text, _KEY: NOTE}.items():
            information.add_text(key, str(value))
        font, strip = _font_for(picture.width)
        marked = Image.new("RGB", (picture.width, picture.height + strip), _STRIP)
        whole, area = picture.convert("RGBA"), (0, strip, picture.width, picture.height + strip)
        marked.paste("white", area)
        marked.paste(whole, area, whole)
        dpi = picture.info.get("dpi", (100, 100))
    ImageDraw.Draw(marked).text((strip // 4, strip // 2), NOTE, "white", font, anchor="lm")
    with replacing(path) as temporary:
        marked.save(temporary, format="png", pnginfo=information, dpi=dpi)


def _font_for(width: int) -> tuple[FreeTypeFont, int]:
    """A font in which the note fits the width of a picture, and the height of the strip."""
    from matplotlib import font_manager
    from PIL import ImageFont

    face = font_manager.findfont("DejaVu Sans")
    of_ten = ImageFont.truetype(face, 10).getlength(NOTE)
    size = max(5, min(16, int(10 * 0.97 * width / of_ten)))
    return ImageFont.truetype(face, size), 2 * size


def _renew_digests(card: Path) -> None:
    """Update the digests on the card of a folder of results after marking."""
    folder = card.parent
    known = read_run(folder)
    files = {name: digest(folder / name) for name in known.files}
    with replacing(card) as temporary:
        text = known.model_copy(update={"files": files}).model_dump_json(indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")


_HOW: dict[str, Callable[[Path], None]] = {
    ".csv": _mark_csv,
    ".md": _mark_markdown,
    ".html": _mark_html,
    ".png": _mark_png,
}
