"""Show the classes of glitches, and decide about candidates for new ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import rich_click as click

from glitchvae.cli._catalog import CATALOG
from glitchvae.cli._manners import note
from glitchvae.cli._tables import Table, print_table

FOLDER = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a catalogue to read instead of the shipped one.",
)
REVIEWER = click.option(
    "--reviewer", required=True, metavar="NAME", help="Name of the person who decides."
)
NOTE = click.option("--note", default="", metavar="TEXT", help="Reason for the decision.")


@click.group()
def command() -> None:
    """Show the classes of glitches, and decide about candidates for new ones."""


@command.command("list")
@FOLDER
@CATALOG
def list_classes(folder: Path | None, catalog: Path | None) -> None:
    """List all classes: name, status, detectors, typical frequency, cause."""
    from glitchvae.classes.catalog import read_catalog

    cards = read_catalog(folder, own=_own(catalog))
    table = Table("class", "status", "runs", "detectors", "peak frequency", "cause")
    for card in cards:
        table.add_row(
            card.name,
            card.status,
            " ".join(card.runs),
            " ".join(card.detectors),
            _limits(card.peak_frequency, "Hz"),
            card.cause_is,
        )
    print_table(table)
    note(f"{len(cards)} classes, catalogue {cards.settings.version}")


@command.command()
@click.argument("name")
@FOLDER
@CATALOG
def show(name: str, folder: Path | None, catalog: Path | None) -> None:
    """Show the card of the class NAME (a key, a name or an alias)."""
    from glitchvae.classes.catalog import read_catalog

    cards = read_catalog(folder, own=_own(catalog))
    card = cards.find(name)
    table = Table("key", "value", header=False)
    for key, value in _describe(card):
        table.add_row(key, value)
    for key in card.references:
        table.add_row("reference", cards.settings.references[key])
    print_table(table)


@command.command()
@FOLDER
@CATALOG
def validate(folder: Path | None, catalog: Path | None) -> None:
    """Check every card; report file and key of errors; exit status 1 if there are any."""
    from glitchvae.classes.catalog import read_catalog

    cards = read_catalog(folder, own=_own(catalog))
    click.echo(f"{len(cards)} class cards are valid, catalogue {cards.settings.version}")


@command.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("candidate")
@click.option("--name", metavar="NAME", help="Name of the new class.")
@click.option(
    "--reviewer", default="", metavar="NAME", help="Name of the person who proposes the class."
)
@CATALOG
def propose(
    run: Path, candidate: str, name: str | None, reviewer: str, catalog: Path | None
) -> None:
    """Copy CANDIDATE of the discovery run in the folder RUN to your catalogue as a draft.

    The draft is a text file. Describe the group and its possible cause there, then accept, merge
    or retire the draft.
    """
    from glitchvae.discovery import decisions as review

    folder = _own(catalog)
    card = review.propose(run, candidate, folder, name=name, reviewer=reviewer)
    click.echo(f"draft of {card.name}: {folder / review.DRAFTS / card.key}.toml")


@command.command()
@click.argument("name")
@REVIEWER
@NOTE
@CATALOG
def accept(name: str, reviewer: str, note: str, catalog: Path | None) -> None:
    """Make the draft NAME a class, which `embed` and `discover-new-classes` then use."""
    from glitchvae.discovery import decisions as review

    card = review.accept(_own(catalog), name, review.decide("accepted", reviewer, note))
    click.echo(f"{card.name} is a class now")


@command.command()
@click.argument("name")
@click.argument("into")
@REVIEWER
@NOTE
@CATALOG
def merge(name: str, into: str, reviewer: str, note: str, catalog: Path | None) -> None:
    """Add the events of the draft NAME to the class INTO."""
    from glitchvae.discovery import decisions as review

    card = review.merge(_own(catalog), name, into, review.decide("merged", reviewer, note))
    click.echo(f"{card.name} belongs to {card.merged_into} now")


@command.command()
@click.argument("name")
@REVIEWER
@NOTE
@CATALOG
def retire(name: str, reviewer: str, note: str, catalog: Path | None) -> None:
    """Reject the draft NAME, or take the class NAME of your catalogue out of use."""
    from glitchvae.discovery import decisions as review

    card = review.retire(_own(catalog), name, review.decide("retired", reviewer, note))
    click.echo(f"{card.name} is retired")


def _own(option: Path | None) -> Path:
    from glitchvae.archive import archive_path
    from glitchvae.classes.user import catalog_path

    return catalog_path(option, archive_path())


def _describe(card: Any) -> list[tuple[str, str]]:
    """The lines of a card that have content."""
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
        ("belongs to", card.merged_into or ""),
        ("evidence", _evidence(card.evidence)),
        *((d.action, f"{d.date} by {d.reviewer}. {d.note}".strip()) for d in card.decisions),
    ]
    return [(key, value) for key, value in lines if value]


def _evidence(found: Any) -> str:
    if found is None:
        return ""
    text = (
        f"{found.events} events around {found.medoid}, p-value {found.p_value:.2g}, stability"
        f" {found.stability:.2f}"
    )
    if found.expected_per_month is not None and math.isfinite(found.expected_per_month):
        text += f", {found.expected_per_month:.2g} a month by chance"
    return ". ".join([text, *found.remarks])


def _limits(limits: tuple[float, float] | None, unit: str) -> str:
    return "" if limits is None else f"{limits[0]:g} – {limits[1]:g} {unit}".strip()
