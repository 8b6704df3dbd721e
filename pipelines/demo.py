"""The product in a few minutes: embed an hour of strain, find a new class, name it, see it again.

Simulated strain of two detectors holds glitches of known classes and some of a shape that is in no
catalogue. Every step is a command that is printed before it runs and that works on strain of your
own. In between, what was found is compared with the table of what was simulated, and nothing else
is said than what that comparison gives.
"""

import csv
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glitchvae.archive import Archive
from glitchvae.config import Settings, read_config
from glitchvae.discovery.runs import read_run
from glitchvae.embedding import Embeddings, read_embeddings
from glitchvae.errors import GlitchvaeError
from glitchvae.simulate.strain import START

NEAR = 0.5  # seconds by which a trigger may miss the time of a simulated glitch
SILENT = "No_Glitch"  # of which nothing is simulated


class DemoSettings(Settings):
    """Keys of `demo.toml`."""

    detectors: tuple[str, ...] = Field(default=("H1", "L1"), min_length=1)
    duration: float = Field(default=1800.0, gt=0)
    glitches: int = Field(default=60, ge=0)
    new: int = Field(default=15, ge=0)
    shape: str = "Ladder"
    next_duration: float = Field(default=600.0, gt=0)
    next_glitches: int = Field(default=20, ge=0)
    next_new: int = Field(default=6, ge=0)
    snr: float = Field(default=7.5, gt=0)
    model: str = "default"
    imaging: str = "gravity-spy"
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Glitches:
    """What was simulated: (N,) detectors, times (s), durations (s), classes and SNR."""

    ifo: NDArray[np.object_]
    gps: NDArray[np.float64]
    duration: NDArray[np.float64]
    label: NDArray[np.object_]
    snr: NDArray[np.float64]

    def take(self, rows: NDArray[np.bool_]) -> "Glitches":
        """Some of them."""
        return Glitches(**{name: values[rows] for name, values in vars(self).items()})


def main(config: Path, out: Path, *, tiny: bool) -> None:
    """Simulate, embed, discover, accept, embed what comes next."""
    settings = read_config(DemoSettings, config)
    if tiny:
        brief = {"duration": 64.0, "glitches": 4, "new": 2, "imaging": "light"}
        after = {"next_duration": 48.0, "next_glitches": 2, "next_new": 2}
        settings = settings.model_copy(update=brief | after)
    archive = out / "archive"
    first = [simulate(settings, out, number) for number in range(len(settings.detectors))]
    embed(settings, first, archive, out / "contact-sheet.png")
    truth = read_truth(first)
    tell_found(Archive(archive).embeddings(), truth, settings)
    glitchvae("discover-new-classes", archive, "-o", out / "discovery", "--replace")
    candidate = tell_candidates(out / "discovery", truth, settings.shape)
    if candidate:
        accept(settings, out, candidate)
    second = simulate(settings, out, len(settings.detectors))
    embed(settings, [second], archive, out / "next-contact-sheet.png")
    events = Archive(archive).embeddings()
    tell_next(events.take(events.gps >= next_start(settings)), read_truth([second]), settings.shape)
    glitchvae("report", archive, "-o", out / "report.html")
    print()
    print(f"report of the discovery   {(out / 'discovery' / 'report.html').resolve()}")
    print(f"report of everything      {(out / 'report.html').resolve()}")
    print(f"contact sheets            {(out / 'contact-sheet.png').resolve()}")
    print(f"                          {(out / 'next-contact-sheet.png').resolve()}")
    print(f"archive                   {archive.resolve()}")


def glitchvae(*words: object) -> None:
    """Run a command of glitchvae, which is printed first.

    Raises:
        GlitchvaeError: it failed, and has said why.
    """
    told = [str(word) for word in words]
    print(f"\n$ glitchvae {shlex.join(told)}", flush=True)
    status = subprocess.run([sys.executable, "-m", "glitchvae", *told], check=False).returncode
    if status:
        raise GlitchvaeError(f"`glitchvae {told[0]}` ended with exit status {status}")


def simulate(settings: DemoSettings, out: Path, number: int) -> Path:
    """Strain of a detector; the number after the last is the next stretch of the first one."""
    after = number == len(settings.detectors)
    ifo = settings.detectors[0 if after else number]
    stretch = "NEXT" if after else "FIRST"
    path = out / f"{ifo[0]}-{ifo}_SIMULATED_{stretch}.hdf5"
    duration = settings.next_duration if after else settings.duration
    count, new = settings.glitches, settings.new
    if after:
        count, new = settings.next_glitches, settings.next_new
    glitchvae(
        *("simulate", "strain", "--ifo", ifo, "--duration", f"{duration:g}"),
        *("--start", f"{next_start(settings) if after else START:.0f}"),
        *("--glitches", count, "--inject", f"{settings.shape}={new}"),
        *("--seed", settings.seed + number, "-o", path),
    )
    return path


def next_start(settings: DemoSettings) -> float:
    """GPS time at which the next stretch begins."""
    return START + settings.duration


def embed(settings: DemoSettings, files: Sequence[Path], archive: Path, sheet: Path) -> None:
    """Strain into the archive."""
    chosen = {"--model": settings.model, "--imaging": settings.imaging, "--snr": settings.snr}
    usual = DemoSettings()
    defaults = {"--model": usual.model, "--imaging": usual.imaging, "--snr": usual.snr}
    options = [part for name, v in chosen.items() if v != defaults[name] for part in (name, v)]
    glitchvae("embed", *files, "--archive", archive, *options, "--contact-sheet", sheet)


def accept(settings: DemoSettings, out: Path, candidate: str) -> None:
    """Make a class of a candidate."""
    own = ("--catalog", out / "glitch-catalog")
    who = ("--reviewer", "make demo")
    glitchvae(
        *("catalog", "propose", out / "discovery", candidate, "--name", settings.shape), *who, *own
    )
    glitchvae("catalog", "accept", settings.shape, *who, "--note", "All of one shape.", *own)


def read_truth(files: Sequence[Path]) -> Glitches:
    """The tables beside simulated strain, without what is silent."""
    rows: list[dict[str, str]] = []
    for path in files:
        table = path.with_name(f"{path.stem}_truth.csv")
        with table.open(encoding="utf-8", newline="") as stream:
            rows += [row for row in csv.DictReader(stream) if row["label"] != SILENT]

    def text(name: str) -> NDArray[np.object_]:
        return np.array([row[name] for row in rows], dtype=object)

    def number(name: str) -> NDArray[np.float64]:
        return np.array([float(row[name]) for row in rows])

    return Glitches(
        ifo=text("ifo"),
        gps=number("gps"),
        duration=number("duration"),
        label=text("label"),
        snr=number("snr"),
    )


def matches(events: Embeddings, truth: Glitches) -> NDArray[np.bool_]:
    """(N, M) which of N events are of which of M simulated glitches: their extents touch."""
    apart = np.abs(events.gps[:, None] - truth.gps)
    reach = (np.nan_to_num(events.duration)[:, None] + truth.duration) / 2
    return (apart <= np.maximum(reach, NEAR)) & (events.ifo[:, None] == truth.ifo)


def names_of(events: Embeddings, truth: Glitches) -> list[str]:
    """What the loudest event of each simulated glitch is named; "" of one that was not found."""
    inside = matches(events, truth)
    names = []
    for own in inside.T:
        rows = np.flatnonzero(own)
        names.append(str(events.class_name[rows[events.snr[rows].argmax()]]) if len(rows) else "")
    return names


def found_in(events: Embeddings, truth: Glitches) -> NDArray[np.bool_]:
    """(M,) which simulated glitches have an event."""
    return matches(events, truth).any(axis=0)


def tell_found(events: Embeddings, truth: Glitches, settings: DemoSettings) -> None:
    """How many of what was simulated were found, and named what they are."""
    loud, new = truth.snr >= settings.snr, truth.label == settings.shape
    known = truth.take(loud & ~new)
    names = np.array(names_of(events, known), object)
    found, right = int((names != "").sum()), int((names == known.label).sum())
    print(
        f"\n{found} of {len(names)} known glitches of SNR {settings.snr:g} or more found,"
        f" {right} named rightly."
    )
    other = truth.take(new)
    called = [name for name in names_of(events, other) if name]
    most = ", ".join(f"{name} {count}" for name, count in Counter(called).most_common(3))
    print(
        f"{len(called)} of {len(other.label)} of the new shape found; no class is theirs"
        f" (named {most or 'nothing'})."
    )


def tell_candidates(run: Path, truth: Glitches, shape: str) -> str:
    """What each candidate is made of; the name of the one that is mostly of the new shape."""
    candidates = read_run(run).summary["candidates"]
    if not candidates:
        print(f"\nNot discovered: no candidate, and {shape} is not among the classes.")
    best, most = "", 0
    with (run / "candidates.csv").open(encoding="utf-8", newline="") as stream:
        p_values = {row["name"]: row["p_value"] for row in csv.DictReader(stream)}
    new = truth.take(truth.label == shape)
    for one in candidates:
        members = read_embeddings(run / "candidates" / f"{one['name']}.h5")
        right = int(matches(members, new).any(axis=1).sum())
        held = int(found_in(members, new).sum())
        print(
            f"\n{one['name']}, p-value {float(p_values[one['name']]):.1g}: {len(members)} members,"
            f" {right} right and {len(members) - right} wrong"
            f" ({held} of the {len(new.label)} that were simulated)."
        )
        if right > max(most, len(members) / 2):
            best, most = one["name"], right
    if candidates and not best:
        print(f"Not discovered: no candidate is mostly of the new shape {shape}.")
    return best


def tell_next(events: Embeddings, truth: Glitches, shape: str) -> None:
    """Whether the new class is named when it is seen again."""
    new = truth.take(truth.label == shape)
    names = names_of(events, new)
    named = events.take(events.class_name == shape)
    wrong = int((~matches(named, new).any(axis=1)).sum())
    print(
        f"\nNext stretch: {len(names) - names.count('')} of {len(names)} of the new shape found,"
        f" {names.count(shape)} named {shape}; {wrong} other event{'' if wrong == 1 else 's'}"
        f" named {shape}."
    )
