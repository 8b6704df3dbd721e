"""The table of what was injected."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from glitchvae.simulate.family import Parameters
from glitchvae.store import Record, attribute, column, replacing


@dataclass(frozen=True, kw_only=True)
class Truth(Record):
    """One row per injected event.

    Attributes:
        event_id: `<ifo>-<gps to 4 decimals>`.
        gps: Time zero of the event's waveform (s).
        ifo: Detector.
        label: Class.
        snr: Of the loudest Q-transform tile, without noise: what a search would find.
        optimal_snr: Matched-filter SNR against the noise curve: exact.
        peak_frequency: Of the loudest tile (Hz).
        q: Of the loudest tile.
        duration: Shortest time that holds 90 % of the whitened energy (s).
        bandwidth: Narrowest band that holds 90 % of the whitened energy (Hz).
        parameters: The family's parameters, as JSON.
        simulation: Arguments of the simulation, among them the seed and the noise curve.
    """

    schema: ClassVar[str] = "glitchvae/truth"

    event_id: NDArray[np.object_] = column(str)
    gps: NDArray[np.float64] = column(np.float64)
    ifo: NDArray[np.object_] = column(str)
    label: NDArray[np.object_] = column(str)
    snr: NDArray[np.float32] = column(np.float32)
    optimal_snr: NDArray[np.float32] = column(np.float32)
    peak_frequency: NDArray[np.float32] = column(np.float32)
    q: NDArray[np.float32] = column(np.float32)
    duration: NDArray[np.float32] = column(np.float32)
    bandwidth: NDArray[np.float32] = column(np.float32)
    parameters: NDArray[np.object_] = column(str)
    simulation: dict[str, Any] = attribute({})

    def parameters_of(self, row: int) -> Parameters:
        """The parameters of one event."""
        return json.loads(self.parameters[row])

    def write_csv(self, path: str | Path) -> None:
        """Write a CSV table with the columns of this record.

        Raises:
            StorageError: the disk refused the write.
        """
        columns = [getattr(self, field.name) for field in self.columns()]
        with replacing(path) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(field.name for field in self.columns())
            writer.writerows(zip(*(values.tolist() for values in columns), strict=True))


def truth_of(ifo: str, rows: list[dict[str, Any]], simulation: dict[str, Any]) -> Truth:
    """A table from rows of gps, label, parameters and properties of the waveform."""
    values = {name: [row[name] for row in rows] for name in _PER_ROW}
    return Truth(
        event_id=np.array([f"{ifo}-{row['gps']:.4f}" for row in rows], dtype=object),
        ifo=np.array([ifo] * len(rows), dtype=object),
        parameters=np.array([json.dumps(row["parameters"]) for row in rows], dtype=object),
        simulation=simulation,
        **{name: np.array(column) for name, column in values.items()},
    )


_PER_ROW = (
    "gps",
    "label",
    "snr",
    "optimal_snr",
    "peak_frequency",
    "q",
    "duration",
    "bandwidth",
)
