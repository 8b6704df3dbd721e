"""Glitches in strain to test a model on: simulated ones, and those of a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glitchvae.errors import InputError
from glitchvae.simulate import FAMILIES, Truth, inject
from glitchvae.simulate.noise import Unsteadiness, asd
from glitchvae.strain import Strain, StrainSource, open_strain
from glitchvae.strain.source import Stretch

START = 1.24e9
"""GPS time at which simulated strain of the first class begins; others 4096 s apart."""


class Event(NamedTuple):
    """Time and source of a glitch in strain.

    Attributes:
        source: The strain.
        gps: Time of the glitch (s).
        label: Its class, where it is known.
    """

    source: StrainSource
    gps: float
    label: str = ""


def simulate_class(
    label: str,
    count: int,
    *,
    spacing: float,
    margin: float,
    sample_rate: float,
    seed: int,
    ifo: str = "H1",
) -> tuple[Strain, Truth]:
    """Strain with glitches of one class at equal distances.

    Args:
        label: Class.
        count: Number of glitches.
        spacing: Seconds between them.
        margin: Seconds before the first and, at least, after the last.
        sample_rate: Hz.
        seed: Of glitches and noise; classes have streams of their own.
        ifo: Detector whose noise it is.

    Raises:
        InputError: no such class, or no noise curve for `ifo`.
    """
    if label not in FAMILIES:
        raise InputError(f"no simulated class {label!r}", expected=", ".join(sorted(FAMILIES)))
    number = sorted(FAMILIES).index(label)
    times = margin + spacing * np.arange(count, dtype=np.float64)
    return inject(
        times,
        [label] * count,
        duration=float(np.ceil(times[-1] + margin)),
        ifo=ifo,
        sample_rate=sample_rate,
        start=START + 4096.0 * number,
        rng=np.random.default_rng((seed, number)),
        curve=asd(ifo),
        unsteadiness=Unsteadiness(),
        simulation={},
    )


def events_of(strain: Strain, truth: Truth) -> list[Event]:
    """The glitches of simulated strain in memory."""
    stretch = Stretch(
        path=Path("simulated"),
        start=strain.start,
        samples=len(strain),
        sample_rate=strain.sample_rate,
        ifo=strain.ifo,
        channel=None,
        load=lambda first, last: strain.values[first:last],
    )
    source = StrainSource.join([stretch])
    return [
        Event(source, float(gps), label) for gps, label in zip(truth.gps, truth.label, strict=True)
    ]


def read_events(table: str | Path) -> Iterator[Event]:
    """Read the glitches of a CSV table: columns file (beside the table), gps and label.

    Raises:
        InputError: not such a table, or strain that cannot be read; the line is named.
    """
    table = Path(table)
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the file is not a table of events", where=table, found=error) from error
    for number, row in enumerate(rows, 2):
        try:
            name, gps, label = row["file"], float(row["gps"]), row["label"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "the row is not an event",
                where=f"{table}, line {number}",
                expected="columns file, gps and label",
                found=error,
            ) from error
        yield Event(open_strain([table.parent / name]), gps, label)
