"""Count the glitches of many strain files by class and detector, with rates per hour.

Each file is searched for glitches, imaged and encoded into one archive, `archive` in
the folder of results. A file that cannot be used is named and left out. Run again, it
works only on what is not in the archive yet. The table goes to stdout and `census.csv`.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from igwn_segments import segmentlist
from pydantic import Field

from glitchvae.archive import create_archive, fill_from_strain
from glitchvae.checkpoint import load_checkpoint
from glitchvae.config import Settings, read_config
from glitchvae.embedding import Embeddings, Job
from glitchvae.errors import GlitchvaeError, InputError
from glitchvae.recipes import find_files
from glitchvae.simulate import simulate_strain
from glitchvae.spectrogram import imaging_settings
from glitchvae.statistics import poisson_interval
from glitchvae.status import Status
from glitchvae.store import write_rows
from glitchvae.strain import StrainSource, open_strain, write_gwosc


class CensusSettings(Settings):
    """Keys of `census.toml`."""

    files: tuple[str, ...]
    model: str = "default"
    imaging: str = "gravity-spy"
    snr: float = Field(default=7.5, gt=0)
    device: str = "cpu"
    confidence: float = Field(default=0.9, gt=0, lt=1)


class CensusRow(NamedTuple):
    """One line of the census: rates are per hour of live time, with their interval."""

    ifo: str
    class_name: str
    glitches: int
    hours: float
    rate: float
    lowest: float
    highest: float


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Embed every file, then count."""
    settings = read_config(CensusSettings, config)
    files = simulate_files(out / "strain") if tiny else find_files(settings.files, config)
    job = Job(
        checkpoint=load_checkpoint(settings.model, settings.device),
        imaging=imaging_settings(settings.imaging),
        snr=settings.snr,
        device=settings.device,
    )
    archive = create_archive(out / "archive")
    live: dict[str, segmentlist] = {}
    glitches: dict[str, dict[str, str]] = {}
    for path in files:
        try:
            source = open_strain(path)
            filled = fill_from_strain(archive, source, None, job)
            if filled.problems:
                raise filled.problems[0]
        except GlitchvaeError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        print(f"done: {path}", file=sys.stderr)
        times = live_time(source)
        live.setdefault(source.ifo, segmentlist()).extend(times)
        glitches.setdefault(source.ifo, {}).update(
            classes(filled.rows, times) if filled.rows else {}
        )
    if not live:
        raise InputError(f"none of the {len(files)} files could be used", where=config)
    report(count_classes(glitches, live, settings.confidence), out / "census.csv")


def simulate_files(folder: Path) -> list[Path]:
    """Two short stretches of simulated strain and a damaged file between them."""
    paths = [folder / f"{name}.hdf5" for name in ("1_H1", "2_damaged", "3_L1")]
    for seed, path in ((1, paths[0]), (2, paths[2])):
        strain, _ = simulate_strain(64.0, path.stem[-2:], seed, glitches=5)
        write_gwosc(path, strain)
    paths[1].write_bytes(paths[0].read_bytes()[:5000])
    return paths


def live_time(source: StrainSource) -> segmentlist:
    """When there are data, by the file's own flag where it has one."""
    return source.segments & source.flags.get("DATA", source.segments)


def classes(rows: Embeddings, live: segmentlist) -> dict[str, str]:
    """The class of each event in live time, or its status in brackets where it has no code."""
    columns = zip(rows.event_id, rows.gps, rows.class_or_label, rows.status, strict=True)
    return {
        event: name if Status(status).usable else f"({status})"
        for event, gps, name, status in columns
        if gps in live
    }


def count_classes(
    glitches: dict[str, dict[str, str]], live: dict[str, segmentlist], confidence: float
) -> list[CensusRow]:
    """Glitches by detector: all of them, then by class, the most frequent first."""
    counts = []
    for ifo, segments in sorted(live.items()):
        hours = float(abs(segments.coalesce())) / 3600
        names = glitches[ifo].values()
        for name, number in [("all", len(names)), *Counter(names).most_common()]:
            rates = (n / hours for n in (number, *poisson_interval(number, confidence)))
            counts.append(CensusRow(ifo, name, number, hours, *rates))
    return counts


def report(counts: list[CensusRow], path: Path) -> None:
    """The table as CSV, and for people on stdout."""
    write_rows(path, CensusRow._fields, counts)
    print(f"{'':4}{'class':22}{'glitches':>9}{'per hour':>10}{'interval':>18}")
    for c in counts:
        interval = f"{c.lowest:.3g} – {c.highest:.3g}"
        print(f"{c.ifo:4}{c.class_name:22}{c.glitches:9d}{c.rate:10.3g}{interval:>18}")
