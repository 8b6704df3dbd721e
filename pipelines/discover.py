"""From strain to a report of new classes: embed, discover, write the folder of the run.

Each file is searched for glitches, imaged and encoded into one archive, `archive` in the
folder of results; a file that cannot be used is named and left out. What no known class
explains is written to `run`, with the report to open in a browser. Run again, it embeds
only what is not in the archive yet. Classes accepted into `catalog` are known.
"""

import sys
from pathlib import Path

from pydantic import Field

from glitchvae.archive import Archive, create_archive, fill_from_strain
from glitchvae.archive.known_classes import known_classes
from glitchvae.checkpoint import load_checkpoint
from glitchvae.classes.user import previous_decision
from glitchvae.config import Settings, read_config
from glitchvae.discovery import Discovery, DiscoverySettings, discover
from glitchvae.embedding import Job
from glitchvae.errors import GlitchvaeError, InputError
from glitchvae.recipes import find_files
from glitchvae.report import score_vetoes, write_report
from glitchvae.simulate import simulate_strain
from glitchvae.spectrogram import imaging_settings
from glitchvae.strain import open_strain, write_gwosc


class DiscoverRecipeSettings(Settings):
    """Keys of `discover.toml`."""

    files: tuple[str, ...]
    model: str = "default"
    imaging: str = "gravity-spy"
    snr: float = Field(default=7.5, gt=0)
    device: str = "cpu"
    catalog: str = "glitch-catalog"
    discovery: DiscoverySettings = DiscoverySettings()


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Embed every file, then look for what no known class explains."""
    settings = read_config(DiscoverRecipeSettings, config)
    if tiny:
        files = simulate_files(out / "strain")
        brief = settings.discovery.model_copy(update={"bootstraps": 2})
        settings = settings.model_copy(update={"imaging": "light", "discovery": brief})
    else:
        files = find_files(settings.files, config)
    job = make_job(settings)
    if (known := job.checkpoint.prototypes) is None:
        raise InputError("the model knows no class", where=job.checkpoint.path)
    archive = create_archive(out / "archive")
    if not sum(embed(path, archive, job) for path in files):
        raise InputError(f"none of the {len(files)} files could be used", where=config)
    found = discover(
        archive.embeddings(model=job.checkpoint.name),
        known,
        settings.discovery,
        pictures=archive.thumbnails,
    )
    write_report(
        out / "run",
        found,
        vetoes=score_vetoes(found),
        pictures=archive.thumbnails,
        notes=remember(found, settings.catalog),
        origin={"inputs": [str(path) for path in files]},
        replace=True,
    )
    print_candidates(found)
    print(f"report: {out / 'run' / 'report.html'}")


def simulate_files(folder: Path) -> list[Path]:
    """Two short stretches of simulated strain with many glitches."""
    paths = [folder / f"{ifo}.hdf5" for ifo in ("H1", "L1")]
    for seed, path in enumerate(paths):
        strain, _ = simulate_strain(64.0, path.stem, seed, glitches=20)
        write_gwosc(path, strain)
    return paths


def make_job(settings: DiscoverRecipeSettings) -> Job:
    """The model, with the classes of the user's own catalogue."""
    known = known_classes(load_checkpoint(settings.model, settings.device), settings.catalog)
    return Job(
        checkpoint=known.checkpoint,
        imaging=imaging_settings(settings.imaging),
        snr=settings.snr,
        device=settings.device,
        configuration={"catalogue": list(known.added)} if known.added else {},
    )


def embed(path: Path, archive: Archive, job: Job) -> bool:
    """Whether a file could be used."""
    try:
        filled = fill_from_strain(archive, open_strain(path), None, job)
        if filled.problems:
            raise filled.problems[0]
    except GlitchvaeError as error:
        print(f"left out: {error}", file=sys.stderr)
        return False
    print(f"done: {path}", file=sys.stderr)
    return True


def remember(found: Discovery, catalog: str) -> dict[str, str]:
    """What was decided earlier about the events of each candidate."""
    events = found.embeddings.event_id
    return {
        c.name: previous_decision(catalog, events[c.members].tolist()) for c in found.candidates
    }


def print_candidates(found: Discovery) -> None:
    """A line for each."""
    print(f"{len(found.embeddings):,} glitches, {len(found.candidates)} candidates")
    print(*found.remarks, sep="\n")
    for c in found.candidates:
        nearest = c.nearest[0][0] if c.nearest else "nothing"
        numbers = f"{len(c.members)} events, {c.episodes} episodes, p-value {c.p_value:.2g}"
        print(f"{c.name}: {c.verdict}; {numbers}, near {nearest}; {c.advice}")
