import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from igwn_segments import segment, segmentlist

from glitchvae.strain.masks import DQ_BITS, bits_as_segments, segments_as_bits


@given(st.lists(st.integers(0, 127), min_size=1, max_size=40))
def test_masks_survive_the_way_through_segments(mask):
    flags = bits_as_segments(np.asarray(mask, dtype=np.uint32), DQ_BITS, start=1000000000)
    back = segments_as_bits(flags, start=1000000000, seconds=len(mask))
    assert back.tolist() == mask


def test_bits_are_named_from_the_lowest():
    flags = bits_as_segments(np.asarray([1, 2, 3, 0]), ("DATA", "CBC_CAT1"), start=10)
    assert flags == {
        "DATA": [segment(10, 11), segment(12, 13)],
        "CBC_CAT1": [segment(11, 13)],
    }


def test_a_second_covered_in_part_is_not_set():
    flags = {"DATA": segmentlist([segment(10.5, 12.5)])}
    assert segments_as_bits(flags, start=10, seconds=4).tolist() == [0, 1, 0, 0]
