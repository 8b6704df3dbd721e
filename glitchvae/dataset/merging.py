"""Merging of several sets."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glitchvae.errors import InputError
from glitchvae.spectrogram import SpectrogramSet


def merge_sets(sets: Sequence[SpectrogramSet]) -> SpectrogramSet:
    """Join several sets; each event is kept once.

    Of a repeated identifier the first event with an image is kept, the others are
    counted in `left_out`. A set without labels or splits gets empty ones where another
    has them. A set holds images of one imaging setting, so that a code always says what
    it was made from: sets of several can be trained on side by side, but not merged.

    Args:
        sets: At least one.

    Raises:
        InputError: no set, or images made with different settings.
    """
    if not sets:
        raise InputError("nothing to merge", expected="at least one set of images")
    _check_imaging(sets)
    whole = SpectrogramSet.join([_with_text(one, sets) for one in sets])
    kept = _first_of_each(whole)
    left_out = Counter[str]()
    for one in sets:
        left_out.update(one.left_out)
    if repeated := len(whole) - len(kept):
        left_out["duplicate_id"] += repeated
    sources = {name: digest for one in sets for name, digest in one.sources.items()}
    return dataclasses.replace(whole.take(kept), sources=sources, left_out=dict(left_out))


def _check_imaging(sets: Sequence[SpectrogramSet]) -> None:
    first = sets[0].imaging
    for number, other in enumerate(sets[1:], 2):
        keys = [k for k in first | other.imaging if first.get(k) != other.imaging.get(k)]
        if keys:
            raise InputError(
                f"set {number} was imaged with other settings than set 1",
                where="merge",
                expected=_named(first, keys),
                found=_named(other.imaging, keys),
                remedy="Keep the sets apart: `glitchvae train` takes several sets and keeps the "
                "settings of each.",
            )


def _named(imaging: dict[str, Any], keys: Sequence[str]) -> str:
    if not imaging:
        return "pictures made elsewhere"
    return ", ".join(f"{key} {imaging.get(key, 'unknown')}" for key in keys)


def _with_text(one: SpectrogramSet, sets: Sequence[SpectrogramSet]) -> SpectrogramSet:
    """Add empty labels and splits to a set if another set has them."""
    changes: dict[str, Any] = {
        name: np.full(len(one), "", dtype=object)
        for name in ("label", "split")
        if getattr(one, name) is None and any(getattr(s, name) is not None for s in sets)
    }
    return dataclasses.replace(one, **changes)


def _first_of_each(whole: SpectrogramSet) -> NDArray[np.int64]:
    """Rows to keep, in their order: for each identifier the first with an image."""
    usable_first = np.argsort(~whole.usable, kind="stable")
    _, first = np.unique(whole.event_id[usable_first].astype(str), return_index=True)
    return np.sort(usable_first[first])
