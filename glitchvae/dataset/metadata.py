"""Times and trigger properties for image sets that have labels alone."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.triggers import Triggers

_LOG = logging.getLogger(__name__)

_NUMBERS = ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth")


def add_metadata(spectrograms: SpectrogramSet, triggers: Triggers) -> SpectrogramSet:
    """Fill unknown columns of a set of images from a table with the same identifiers.

    Gravity Spy publishes its training pictures with label and split alone; times,
    detectors and measures are in a table of their own (`read_triggers` reads it).
    What the set knows already is kept.

    Args:
        spectrograms: N images; those whose `event_id` is not in the table stay as they are.
        triggers: The table, in any order; of a repeated identifier the first row counts.

    Raises:
        InputError: not one identifier in common: the table belongs to another set.
    """
    names, first = np.unique(triggers.event_id.astype(str), return_index=True)
    wanted = spectrograms.event_id.astype(str)
    place = np.searchsorted(names, wanted).clip(max=max(len(names) - 1, 0))
    known = names[place] == wanted if len(names) else np.zeros(len(wanted), dtype=bool)
    if len(wanted) and not known.any():
        raise InputError(
            "no event_id of the images is in the table",
            where="metadata",
            expected=f"identifiers such as {wanted[0]!r}",
            found=names[:1].tolist(),
        )
    if not known.all():
        _LOG.warning("%d of %d images are not in the table", (~known).sum(), len(known))
    rows = first[place[known]]
    changes: dict[str, Any] = {
        name: _filled(getattr(spectrograms, name), known, getattr(triggers, name)[rows])
        for name in _NUMBERS
    }
    ifo = spectrograms.ifo.copy()
    ifo[known] = np.where(ifo[known] == "", triggers.ifo[rows], ifo[known])
    return dataclasses.replace(spectrograms, ifo=ifo, **changes)


def _filled(
    values: NDArray[Any], known: NDArray[np.bool_], found: NDArray[Any]
) -> NDArray[np.floating]:
    filled = values.copy()
    filled[known] = np.where(np.isfinite(values[known]), values[known], found)
    return filled
