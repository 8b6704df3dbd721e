"""Status of triggers, and remarks on their pictures."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Status(StrEnum):
    """Status of a trigger: `OK` with an image and a code, else the reason for their lack.

    The codes of a row that is not `OK` are NaN.
    """

    OUTSIDE_DATA = "outside_data"  # no strain at this time
    GAP = "gap"  # the file has no samples in part of the shortest allowed block
    NAN_IN_BLOCK = "nan_in_block"  # samples present but NaN in the shortest allowed block
    EDGE_OF_SEGMENT = "edge_of_segment"  # the longest view leaves the data
    ZERO_PSD = "zero_psd"  # constant data, nothing to whiten by
    MISSING_VIEW = "missing_view"  # an image set lacks one of the four views
    BAD_PIXELS = "bad_pixels"  # an image set holds NaN or wrongly sized pictures
    OK = "ok"

    @property
    def usable(self) -> bool:
        """Whether a row of this status has a code."""
        return self is Status.OK


FLAGS = {
    "short_block": "made from fewer seconds of strain than the imaging setting asks for",
    "clipped": "strain at the limits of the digitiser in the block",
    "noise_step": "the noise floor leaps within the block",
    "burst": "more triggers a second around it than glitches can make",
    "extrapolated": "novelty_p rests on fewer than 100 real background events",
}
"""Remarks about a row that has a code, and what each means."""

_OLDER = {
    "outside_flag": (Status.OK.value, ()),
    "short_block": (Status.OK.value, ("short_block",)),
    "frequency_truncated": (Status.OK.value, ()),
}
"""States of earlier versions that are remarks in this one, or follow from another column."""


def join_flags(words: Iterable[str]) -> str:
    """The remarks of one row as sorted words separated by blanks; "" for none."""
    return " ".join(sorted({word for text in words for word in text.split()}))


def add_flag(flags: NDArray[np.object_], rows: ArrayLike, word: str) -> NDArray[np.object_]:
    """Add a remark to some of N rows.

    Args:
        flags: (N,) remarks as `join_flags` writes them.
        rows: (N,) which rows get it, or their numbers.
        word: One of `FLAGS`.

    Raises:
        KeyError: no such remark.
    """
    if word not in FLAGS:
        raise KeyError(word)
    added = np.array(flags, dtype=object)
    chosen = np.arange(len(added))[np.asarray(rows)]
    added[chosen] = [join_flags([str(added[row]), word]) for row in chosen]
    return added


def has_flag(flags: NDArray[np.object_], word: str) -> NDArray[np.bool_]:
    """(N,) whether a row has a remark."""
    return np.array([word in str(text).split() for text in flags], dtype=bool)


def known_states() -> set[str]:
    """All states that a file of this version or an earlier one may hold."""
    return {*map(str, Status), *_OLDER}


def renew_states(status: Iterable[Any], flags: Iterable[Any] | None) -> dict[str, list[str]]:
    """Convert `status` and `flags` of any version to those of this version.

    Args:
        status: (N,) states; `outside_flag` and `frequency_truncated` became `ok`, and
            `short_block` became a remark.
        flags: (N,) remarks; None in files from before there were any.
    """
    states = [str(state) for state in status]
    words = [""] * len(states) if flags is None else [str(text) for text in flags]
    pairs = [_OLDER.get(state, (state, ())) for state in states]
    return {
        "status": [state for state, _ in pairs],
        "flags": [join_flags([*more, text]) for (_, more), text in zip(pairs, words, strict=True)],
    }
