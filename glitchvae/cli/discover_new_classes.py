"""Find groups of glitches that no known class explains."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from glitchvae.cli._catalog import CATALOG, say_catalog
from glitchvae.cli._report import LINK, LIVE, check_link, read_live
from glitchvae.cli._tables import Table, print_table
from glitchvae.progress import progress_of

if TYPE_CHECKING:
    from glitchvae.discovery import Candidate, Discovery
    from glitchvae.discovery.vetoes import VetoScore
    from glitchvae.report import Vetoes

_PATH = click.Path(path_type=Path)


@click.command("discover-new-classes")
@click.argument("sources", nargs=-1, type=_PATH, metavar="[ARCHIVE|EMBEDDINGS]...")
@click.option(
    "-o",
    "--output",
    type=_PATH,
    metavar="DIR",
    help="Folder of the results. [default: ./discovery-<date and time>]",
)
@click.option("--replace", is_flag=True, help="Replace an earlier run in the output folder.")
@click.option(
    "--model",
    metavar="NAME|DIR",
    help="Model whose codes are searched, by name, or by folder if it was moved.",
)
@CATALOG
@LIVE
@click.option(
    "--target",
    type=_PATH,
    metavar="FILE",
    help="Trigger file with the triggers against which veto efficiency is measured.",
)
@LINK
@click.option(
    "--method", help="Method of the initial grouping of events: hdbscan (default) or gmm."
)
@click.option("--min-events", type=int, help="Minimum number of events of a candidate.")
@click.option(
    "--min-snr", type=float, help="Minimum SNR of glitches that are searched. [default: 7.5]"
)
@click.option("--significance", type=float, help="Expected number of false candidates in a run.")
@click.option(
    "--rendered",
    type=click.IntRange(min=0),
    help="Number of glitches of each known class that are simulated in the archive's noise "
    "to recognise displaced classes: 100 by default, 0 for none.",
)
@click.option("--seed", type=int, help="Seed of all random numbers.")
def command(
    sources: tuple[Path, ...],
    output: Path | None,
    replace: bool,
    model: str | None,
    catalog: Path | None,
    live: tuple[str, ...],
    target: Path | None,
    link: str | None,
    **options: Any,
) -> None:
    """Find groups of glitches that no known class explains.

    The events are those of archives or files of embeddings, by default of the archive that `embed`
    fills ($GLITCHVAE_ARCHIVE, else ./glitch-archive). The command prints the candidates and writes
    a folder: a report to open in a browser, the events of each candidate, veto segments, and drafts
    for `glitchvae catalog propose`. Classes that you accepted count as known. Rates, dead time and
    the expected number of false candidates refer to the live time in the archive's ledger, or in
    --live; without live time they are not given.
    """
    from glitchvae.archive import archive_path
    from glitchvae.config import parse
    from glitchvae.discovery import DiscoverySettings
    from glitchvae.discovery.runs import check_target
    from glitchvae.report.discovering import discover_in
    from glitchvae.triggers import read_triggers

    check_link(link)
    given = {name: value for name, value in options.items() if value is not None}
    settings = parse(DiscoverySettings, given, where="options")
    folder = output or Path(f"discovery-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    check_target(folder, replace=replace)
    with progress_of("discovery", settings.bootstraps + 2, "steps") as report:
        run = discover_in(
            sources or (archive_path(),),
            settings,
            model=model,
            catalog=catalog,
            live=read_live(live),
            target=None if target is None else read_triggers(target),
            progress=report,
            rendering=lambda count: progress_of("rendering known classes", count, "glitches"),
        )
    say_catalog(run.known)
    _print_candidates(run.discovery)
    _print_vetoes(run.vetoes)
    against = "all events of this run" if target is None else str(target)
    told = ", ".join(live) or ("the archive's ledger" if run.discovery.live else "unknown")
    origin = {"live_time": told, "vetoes_measured_against": against}
    page = run.write_report(folder, replace=replace, origin=origin, link=link)
    click.echo(f"report: {page}")


def _print_candidates(discovery: Discovery) -> None:
    excluded = sum(discovery.excluded.values())
    total = len(discovery.embeddings)
    click.echo(f"{total:,} glitches, {excluded:,} left out{_reasons(discovery.excluded)}")
    for remark in discovery.remarks:
        click.echo(textwrap.fill(remark, 80, break_on_hyphens=False))
    if not discovery.candidates and not discovery.unsearched:
        click.echo("no group that the known classes leave unexplained")
    _print_known([_candidate_line(group) for group in discovery.groups])
    for candidate in discovery.groups:
        click.echo(_candidate_text(candidate))


def _candidate_line(c: Candidate) -> dict[str, Any]:
    from glitchvae.discovery.significance import spell

    return {
        "candidate": c.name,
        "events": len(c.members),
        "episodes": c.episodes,
        "p-value": spell(c.p_value),
        "chance a month|.2g": c.expected_per_month,
        "verdict": c.verdict,
    }


def _candidate_text(c: Candidate) -> str:
    """Details of a candidate below the table, in lines of a terminal."""
    rates = [f"{r.ifo} {r.per_hour:.3g}" for r in c.rates if r.count and math.isfinite(r.per_hour)]
    parts = [f"{c.name}: {c.advice}"]
    parts += [part for part in (c.reason, c.remark) if part]
    if c.nearest:
        parts.append(f"nearest class {c.nearest[0][0]} ({c.nearest[0][1]:.2g})")
    if math.isfinite(c.stability):
        parts.append(f"stability {c.stability:.2f}")
    parts += [f"episodes per hour: {', '.join(rates)}"] if rates else []
    text = "; ".join(part.rstrip(".") for part in parts)
    return textwrap.fill(text, 80, subsequent_indent="  ", break_on_hyphens=False)


def _reasons(excluded: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in excluded.items())
    return f" ({reasons})" if reasons else ""


def _print_vetoes(vetoes: Vetoes) -> None:
    _print_known([_veto_line(name, score) for name, scores in vetoes.items() for score in scores])


def _veto_line(name: str, s: VetoScore) -> dict[str, Any]:
    """Veto figures in hveto's terms: efficiency, dead time, their ratio, use percentage."""
    return {
        "veto": name,
        "ifo": s.ifo,
        "segments": s.segments,
        "seconds|,.1f": s.seconds,
        "efficiency|.3g": s.efficiency,
        "dead time|.3g": s.dead_time,
        "ratio|.3g": s.ratio,
        "used|.3g": s.use_percentage / 100,
    }


def _print_known(lines: Sequence[Mapping[str, Any]]) -> None:
    """Print a table without columns of unknown values."""
    if not lines:
        return
    columns = [name for name in lines[0] if any(_is_known(line[name]) for line in lines)]
    table = Table(*columns)
    for line in lines:
        table.add_row(*(line[name] for name in columns))
    print_table(table)


def _is_known(value: object) -> bool:
    return not (isinstance(value, float) and math.isnan(value))
