"""Write a report on a day of an archive: live time, rates, loudest glitches, classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from glitchvae.cli._catalog import CATALOG, say_catalog
from glitchvae.cli._gps import GPS
from glitchvae.cli._manners import note
from glitchvae.cli._report import LINK, LIVE, check_link, read_live
from glitchvae.cli._tables import Table, print_table

if TYPE_CHECKING:
    from glitchvae.discovery import Discovery

_PATH = click.Path(path_type=Path)


@click.command("report")
@click.argument("archive", required=False, type=_PATH, metavar="[ARCHIVE]")
@click.option(
    "--day", metavar="DATE", help="Day of the report (UTC): YYYY-MM-DD, yesterday or today."
)
@click.option("--since", type=GPS, metavar="T", help="First GPS time of the report.")
@click.option("--until", type=GPS, metavar="T", help="GPS time at which the report ends.")
@LINK
@click.option(
    "--model",
    metavar="NAME",
    help="Model whose codes are used, if the archive holds codes of several models.",
)
@CATALOG
@LIVE
@click.option(
    "-o",
    "--output",
    type=_PATH,
    metavar="HTML",
    help="HTML file to write. [default: ./report-DATE.html, or ./report.html]",
)
def command(
    archive: Path | None,
    day: str | None,
    since: float | None,
    until: float | None,
    link: str | None,
    model: str | None,
    catalog: Path | None,
    live: tuple[str, ...],
    output: Path | None,
) -> None:
    """Write a report on a day of an archive: live time, rates, loudest glitches, classes.

    ARCHIVE is by default the one that `embed` fills ($GLITCHVAE_ARCHIVE, else ./glitch-archive).
    The page is one file that opens without a network. It does not search for new classes:
    `discover-new-classes` does, and its report has the same sections. An earlier page is replaced,
    so that the same command can run every morning.
    """
    from glitchvae.archive import archive_path
    from glitchvae.report.daily import check_page, report_archive
    from glitchvae.report.times import day_of

    if day is not None and (since is not None or until is not None):
        raise click.UsageError("Give --day, or --since and --until.")
    check_link(link)
    if day is not None:
        since, until = day_of(day)
    page = output or _name(since, until, day)
    check_page(page)
    found = report_archive(
        archive or archive_path(),
        since=since,
        until=until,
        model=model,
        catalog=catalog,
        live=read_live(live),
    )
    if found.classes is not None:
        say_catalog(found.classes)
    _print_classes(found.discovery)
    click.echo(f"report: {found.write(page, link=link)}")


def _name(since: float | None, until: float | None, day: str | None) -> Path:
    from glitchvae.report.times import utc_date

    if day is not None and since is not None:
        return Path(f"report-{utc_date(since)}.html")
    ends = [f"{end:.0f}" for end in (since, until) if end is not None]
    return Path("-".join(["report", *ends]) + ".html")


def _print_classes(discovery: Discovery) -> None:
    """Counts of every class and the rates of each detector."""
    ifos = sorted({rate.ifo for known in discovery.known for rate in known.rates})
    table = Table("class", "events", "episodes", *(f"{ifo} per hour|.3g" for ifo in ifos))
    for known in discovery.known:
        rates = {rate.ifo: rate.per_hour for rate in known.rates}
        table.add_row(
            known.name, len(known.members), known.episodes, *(rates.get(ifo) for ifo in ifos)
        )
    if table.rows:
        print_table(table)
    left_out = "".join(f", {n:,} {reason}" for reason, n in discovery.excluded.items())
    note(f"{len(discovery.embeddings):,} glitches{left_out.replace('_', ' ')}")
    if not len(discovery.embeddings) and not any(map(abs, discovery.live.values())):
        note("no strain of this time was searched; `glitchvae archive info` tells which was")
