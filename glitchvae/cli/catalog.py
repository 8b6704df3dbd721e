"""Show the classes of glitches and what is known of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

FOLDER = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A catalogue of your own instead of the shipped one.",
)


@click.group()
def command() -> None:
    """Show the classes of glitches and what is known of them."""


@command.command("list")
@FOLDER
def list_classes(folder: Path | None) -> None:
    """One line per class: name, status, detectors, typical frequency, cause."""
    from rich.table import Table

    from glitchvae.catalog import read_catalog

    catalog = read_catalog(folder)
    table = Table("class", "status", "runs", "detectors", "peak frequency", "cause")
    for card in catalog:
        table.add_row(
            card.name, card.status, " ".join(card.runs), " ".join(card.detectors),
            _limits(card.peak_frequency, "Hz"), card.cause_is,
        )  # fmt: skip
    _print(table)
    click.echo(f"{len(catalog)} classes, catalogue {catalog.settings.version}", err=True)


@command.command()
@click.argument("name")
@FOLDER
def show(name: str, folder: Path | None) -> None:
    """Everything known of the class NAME (a key, a name or an alias)."""
    from rich.table import Table

    from glitchvae.catalog import read_catalog

    catalog = read_catalog(folder)
    card = catalog.find(name)
    table = Table(show_header=False, box=None, padding=(0, 2, 1, 0))
    for key, value in _describe(card):
        table.add_row(f"[bold]{key}[/bold]", value)
    for key in card.references:
        table.add_row("[bold]reference[/bold]", catalog.settings.references[key])
    _print(table)


@command.command()
@FOLDER
def validate(folder: Path | None) -> None:
    """Check every card; exit 1 and name file and key where one is wrong."""
    from glitchvae.catalog import read_catalog

    catalog = read_catalog(folder)
    click.echo(f"{len(catalog)} class cards are valid, catalogue {catalog.settings.version}")


def _describe(card: Any) -> list[tuple[str, str]]:
    """The lines of a card that hold something."""
    names = {taxonomy: ", ".join(labels) for taxonomy, labels in card.names.items()}
    lines = [
        ("class", f"{card.name} ({card.kind}, {card.status})"),
        ("looks like", card.description),
        ("cause", f"{card.cause} ({card.cause_is})"),
        ("seen in", ", ".join((*card.runs, *card.detectors))),
        ("peak frequency", _limits(card.peak_frequency, "Hz")),
        ("bandwidth", _limits(card.bandwidth, "Hz")),
        ("duration", _limits(card.duration, "s")),
        ("SNR", _limits(card.snr, "")),
        ("ranges", card.ranges_from or ""),
        ("simulated as", card.family or ""),
        *((f"name ({taxonomy})", labels) for taxonomy, labels in names.items()),
        ("aliases", ", ".join(card.aliases)),
    ]
    return [(key, value) for key, value in lines if value]


def _limits(limits: tuple[float, float] | None, unit: str) -> str:
    return "" if limits is None else f"{limits[0]:g} – {limits[1]:g} {unit}".strip()


def _print(table: Any) -> None:
    """To the terminal's width; unwrapped where the output is a file or a pipe."""
    from rich.console import Console

    console = Console()
    Console(width=None if console.is_terminal else 200, highlight=False).print(table)
