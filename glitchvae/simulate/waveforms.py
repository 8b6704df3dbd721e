"""The user's own waveforms: a shape in a text file as a family for injections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.simulate.family import REACH, Family, Waveform, clock, edges, log_uniform

_FEWEST = 8  # samples of a waveform


def read_waveform(path: str | Path) -> Family:
    """Read a waveform as a family, named after its file, with events of varying SNR.

    Args:
        path: Text with two columns, times (s, ascending) and strain of any scale, parted by
            blanks or commas; lines that begin with # are passed over. Its largest value
            becomes time zero, and what lies more than 3 s from there is left out.

    Raises:
        InputError: no such file, or no such columns.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8").replace(",", " ")
        lines = (line.partition("#")[0].split() for line in text.splitlines())
        rows = [line for line in lines if line]
        values = np.array(rows or [[]], dtype=np.float64)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            "the file is not a waveform", where=path, found=str(error).splitlines()[0]
        ) from error
    good = values.ndim == 2 and values.shape[1] == 2 and len(values) >= _FEWEST
    if not good or not np.isfinite(values).all() or not (np.diff(values[:, 0]) > 0).all():
        raise InputError(
            "the file is not a waveform",
            where=path,
            expected=f"two columns, ascending times and strain, {_FEWEST} lines or more",
            found=f"{len(values)} lines",
        )
    times, strain = values.T
    if not strain.any():
        raise InputError("the waveform is zero", where=path)
    times = times - times[np.abs(strain).argmax()]
    return Family(
        label=path.stem,
        description=f"The waveform of {path.name}.",
        source=path.name,
        frame="strain",
        draw_shape=lambda rng: {"snr": log_uniform(rng, 8.0, 40.0)},
        shape=lambda _, rate: _sampled(times, strain / np.abs(strain).max(), rate),
    )


def _sampled(
    times: NDArray[np.float64], strain: NDArray[np.float64], sample_rate: float
) -> Waveform:
    """The waveform resampled to a sample rate, with tapered ends."""
    grid = clock(min(REACH, float(np.abs(times).max())), sample_rate)
    values = np.interp(grid, times, strain, left=0.0, right=0.0)
    return grid, values * edges(grid, min(0.1, 0.1 * float(np.ptp(grid))))
