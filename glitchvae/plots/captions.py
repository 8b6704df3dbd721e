"""Captions under pictures of glitches, and selection of the glitches to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.embedding.tables import utc_of
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.status import Status

if TYPE_CHECKING:
    from glitchvae.embedding import Embeddings


def caption(
    *,
    gps: float,
    ifo: str,
    snr: float,
    status: str,
    class_name: str = "",
    probability: float = math.nan,
) -> str:
    """Caption of a glitch in one line: class, detector, time, SNR and status.

    What is unknown (an empty name, a NaN) is left out.
    """
    certainty = "" if math.isnan(probability) else f" {probability:.0%}"
    parts = [
        f"{class_name}{certainty}" if class_name else "",
        ifo,
        "" if math.isnan(gps) else f"{gps:.3f}",
        "" if math.isnan(snr) else f"SNR {snr:.1f}",
        "" if status == Status.OK else status.replace("_", " "),
    ]
    return "  ·  ".join(part for part in parts if part)


def captions_of(record: Embeddings | SpectrogramSet) -> list[str]:
    """A caption for every row, with the nearest class, or the label of images."""
    names = class_names(record)
    probabilities = getattr(record, "class_probability", np.full(len(record), np.nan))
    return [
        caption(
            gps=float(record.gps[row]),
            ifo=str(record.ifo[row]),
            snr=float(record.snr[row]),
            status=str(record.status[row]),
            class_name=str(names[row]),
            probability=float(probabilities[row]),
        )
        for row in range(len(record))
    ]


def headlines_of(rows: Embeddings, row: int) -> tuple[str, str]:
    """Title and subtitle of the picture of a single glitch."""
    named, certainty = str(rows.class_name[row]), float(rows.class_probability[row])
    label = "" if rows.label is None else str(rows.label[row])
    snr, frequency, gps = (
        float(values[row]) for values in (rows.snr, rows.peak_frequency, rows.gps)
    )
    title = [
        (named if math.isnan(certainty) else f"{named} {certainty:.0%}") if named else "no class",
        f"labelled {label}" if label else "",
        str(rows.ifo[row]),
        "" if math.isnan(snr) else f"SNR {snr:.1f}",
        "" if math.isnan(frequency) else f"{frequency:.0f} Hz",
    ]
    date = str(utc_of(rows.gps[[row]])[0])
    subtitle = [
        str(rows.event_id[row]),
        f"{date.replace('T', ' ')} UTC" if date else "",
        "" if math.isnan(gps) else f"GPS {gps:.4f}",
        str(rows.flags[row]),
    ]
    return "  ·  ".join(filter(None, title)), "  ·  ".join(filter(None, subtitle))


def class_names(record: Embeddings | SpectrogramSet) -> NDArray[np.object_]:
    """(N,) the nearest known classes of codes, or the labels of images; "" if unknown."""
    names = getattr(record, "class_name", record.label)
    return np.full(len(record), "", dtype=object) if names is None else names


def dimension_name(dimension: int, layers: Sequence[int]) -> str:
    """Name of a latent dimension in a figure; z1, z2 and so on are layers.

    Args:
        dimension: Counted from 0 through all layers, bottom up.
        layers: Sizes of the latent layers, bottom up; their number alone matters where one.

    Returns:
        "dim 5", or in a hierarchy "z2 dim 5", each layer counted from 1.
    """
    if len(layers) <= 1:
        return f"dim {dimension + 1}"
    ends = np.cumsum(layers)
    layer = int(np.searchsorted(ends, dimension, side="right"))
    return f"z{layer + 1} dim {dimension - int(ends[layer]) + layers[layer] + 1}"


def loudest(snr: NDArray[Any], count: int) -> list[int]:
    """Rows of the `count` largest SNR, in their own order; unknown SNR come last."""
    order = np.argsort(-np.nan_to_num(snr, nan=-np.inf), kind="stable")
    return sorted(int(row) for row in order[:count])
