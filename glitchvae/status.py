"""What became of a trigger: one code per row of every table."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """State of one trigger's image and code.

    A usable row has a code; the codes of an unusable row are NaN. Where two
    apply, the first in the order of this class that makes a row unusable wins,
    then the first usable one other than `OK`.
    """

    OUTSIDE_DATA = "outside_data"  # no strain at this time
    GAP = "gap"  # the file has no samples in part of the shortest allowed block
    NAN_IN_BLOCK = "nan_in_block"  # samples present but NaN in the shortest allowed block
    EDGE_OF_SEGMENT = "edge_of_segment"  # the longest view leaves the data
    ZERO_PSD = "zero_psd"  # constant data, nothing to whiten by
    MISSING_VIEW = "missing_view"  # an image set lacks one of the four views
    BAD_PIXELS = "bad_pixels"  # an image set holds NaN or wrongly sized pictures
    OUTSIDE_FLAG = "outside_flag"  # imaged, but outside the data-quality flag asked for
    SHORT_BLOCK = "short_block"  # imaged from fewer seconds than the imaging setting asks
    FREQUENCY_TRUNCATED = "frequency_truncated"  # sample rate too low for the full axis
    OK = "ok"

    @property
    def usable(self) -> bool:
        """Whether a row of this status carries a code."""
        return self in _USABLE


_USABLE = frozenset(
    {Status.OUTSIDE_FLAG, Status.SHORT_BLOCK, Status.FREQUENCY_TRUNCATED, Status.OK}
)


def worst(*statuses: Status) -> Status:
    """The status that describes a row to which all of `statuses` apply."""
    order = list(Status)
    return min(statuses, key=order.index, default=Status.OK)
