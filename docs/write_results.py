"""Write the pages of `docs/results` from the results beside them.

    python docs/write_results.py            (`make results`)

Every folder of `docs/results/<study>` holds what a study wrote: `settings.toml`, tables and
pictures, and text of people in `notes.md`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import click

from glitchvae.recipes import find_recipe, load_recipe

RESULTS = Path(__file__).parent / "results"
COMMAND = "make results"
SETS = ("dsprites", "chairs", "glitches", "tc-dlgm")


def page_of(study: str) -> Callable[..., Path]:
    """The function that writes the page of a study's results."""
    module = load_recipe(find_recipe(study))
    return importlib.import_module(f"{module.__name__}.page").write_page


def write_table2(results: Path) -> Path:
    """One study."""
    write = page_of("table2_dsprites")
    return write(results / "table2", results / "table2.md", command=COMMAND)


def write_seatbelt(results: Path) -> Path:
    """Studies of several kinds of images on one page."""
    folders = [results / "seatbelt" / name for name in SETS]
    return page_of("seatbelt_robustness")(folders, results / "seatbelt.md", command=COMMAND)


def write_table1(results: Path) -> Path:
    """One study."""
    write = load_recipe(find_recipe("table1_gravity_spy")).write_page
    return write(results / "table1", results / "table1.md", command=COMMAND)


@click.command(help=__doc__)
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Their folder.")
def main(results: Path) -> None:
    """Every page."""
    for write in (write_table1, write_table2, write_seatbelt):
        click.echo(write(results))


if __name__ == "__main__":
    main()
