"""Normalisation of class names to the official ones."""

from __future__ import annotations

import dataclasses

import numpy as np

from glitchvae.classes.catalog import Catalog
from glitchvae.errors import CatalogError
from glitchvae.spectrogram import SpectrogramSet

UNKNOWN_LABEL = "unknown_label"
"""Key of `left_out`: events whose label no class card claims. They are kept."""


def name_classes(
    spectrograms: SpectrogramSet, catalog: Catalog, *, taxonomy: str | None = None
) -> SpectrogramSet:
    """Replace labels by the official names of their classes.

    A label nobody claims is kept as it is, and counted in `left_out`; an empty one means
    that nobody looked, and is not counted.

    Args:
        spectrograms: Images, with or without labels.
        catalog: Whose keys, names and aliases are looked up.
        taxonomy: Accept only the labels of this taxonomy.

    Raises:
        CatalogError: no such taxonomy.
    """
    if spectrograms.label is None:
        return spectrograms
    names = {
        label: _class_name(label, catalog, taxonomy) for label in set(spectrograms.label) if label
    }
    label = np.array([names.get(label) or label for label in spectrograms.label], dtype=object)
    unknown = sum(1 for label in spectrograms.label if label and names[label] is None)
    left_out = {k: n for k, n in spectrograms.left_out.items() if k != UNKNOWN_LABEL}
    if unknown:
        left_out[UNKNOWN_LABEL] = unknown
    return dataclasses.replace(spectrograms, label=label, left_out=left_out)


def _class_name(label: str, catalog: Catalog, taxonomy: str | None) -> str | None:
    if taxonomy is not None and taxonomy not in catalog.settings.taxonomies:
        catalog.find(label, taxonomy=taxonomy)  # says which taxonomies there are
    try:
        return catalog.find(label, taxonomy=taxonomy).name
    except CatalogError:
        return None
