import logging
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from igwn_segments import segment, segmentlist

from glitchvae.errors import InputError
from glitchvae.strain import StrainSource, Stretch, open_strain, write_gwosc

START = 1000000000.0
RATE = 1024.0
SECONDS = 8


def stretch(strain, path="made-up", **changes):
    """A stretch in memory."""
    fields = {
        "path": Path(path),
        "start": strain.start,
        "samples": len(strain),
        "ifo": strain.ifo,
        "sample_rate": strain.sample_rate,
        "channel": strain.channel,
        "load": lambda first, last: strain.values[first:last],
    }
    return Stretch(**(fields | changes))


@pytest.fixture(scope="module")
def whole(make_strain):
    return make_strain(seconds=SECONDS, sample_rate=RATE, start=START)


@pytest.fixture(scope="module")
def on_disk(whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.hdf5"
    write_gwosc(path, whole)
    return open_strain(path)


def same(one, other):
    np.testing.assert_array_equal(one.values, other.values)
    assert one.start == pytest.approx(other.start, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(-2, SECONDS + 2), st.floats(0, SECONDS + 4))
def test_any_slice_equals_the_slice_of_the_whole(whole, on_disk, offset, duration):
    part = on_disk.read(START + offset, START + offset + duration)
    assert len(part) == round((START + offset + duration - (START + offset)) * RATE)
    first = round((START + offset - START) * RATE)
    assert part.start == pytest.approx(START + first / RATE, abs=1e-6)
    margin = round((SECONDS + 6) * RATE)  # no slice reaches beyond
    padded = np.pad(whole.values, margin, constant_values=np.nan)
    expected = padded[margin + first : margin + first + len(part)]
    np.testing.assert_array_equal(part.values, expected)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, SECONDS * 1024 - 1),
    st.integers(0, 500),
    st.booleans(),
    st.floats(-1, SECONDS),
    st.floats(0, SECONDS),
)
def test_two_files_read_as_one(whole, cut, overlap, swap, offset, duration):
    one = whole.crop(START, START + min(cut + overlap, len(whole)) / RATE)
    other = whole.crop(START + cut / RATE, whole.end)
    parts = [stretch(one), stretch(other)]
    joined = StrainSource.join(parts[::-1] if swap else parts)
    assert joined.segments == [segment(START, START + SECONDS)]
    begin = START + offset
    same(
        joined.read(begin, begin + duration),
        StrainSource.join([stretch(whole)]).read(begin, begin + duration),
    )


def test_time_between_files_is_nan_and_not_covered(whole):
    source = StrainSource.join(
        [
            stretch(whole.crop(START + 6, START + 8)),
            stretch(whole.crop(START, START + 2)),
        ]
    )
    assert source.segments == [segment(START, START + 2), segment(START + 6, START + 8)]
    assert source.read(START, START + 8).finite_segments() == source.segments


def test_overlap_fills_what_the_first_file_misses(whole):
    holes = whole.values.copy()
    holes[100:200] = np.nan
    pierced = stretch(whole, load=lambda first, last: holes[first:last])
    source = StrainSource.join([pierced, stretch(whole.crop(START, START + 1))])
    same(source.read(START, START + 8), whole)


def test_files_off_each_others_grid_may_lie_apart(whole, make_strain):
    shifted = make_strain(seconds=2, sample_rate=RATE, start=START + 20 + 0.4 / RATE)
    source = StrainSource.join([stretch(whole), stretch(shifted)])
    np.testing.assert_array_equal(source.read(START + 20, START + 22).values, shifted.values)


def test_files_off_each_others_grid_may_not_touch(whole, make_strain):
    shifted = make_strain(seconds=2, sample_rate=RATE, start=START + 4 + 0.4 / RATE)
    with pytest.raises(InputError, match=r"one\.h5 and other\.h5.*409\d\.400 samples"):
        StrainSource.join([stretch(whole, "one.h5"), stretch(shifted, "other.h5")])


def test_fractional_starts_join_without_a_seam(make_strain):
    whole = make_strain(seconds=6, sample_rate=RATE, start=1239198174.7)
    middle = whole.start + 3
    source = StrainSource.join(
        [
            stretch(whole.crop(middle, whole.end)),
            stretch(whole.crop(whole.start, middle)),
        ]
    )
    assert len(source.segments) == 1
    same(source.read(whole.start, whole.end), whole)


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"ifo": "H1"}, "two detectors mixed"), ({"sample_rate": 2048.0}, "two sample rates mixed")],
)
def test_mixed_files_are_both_named(whole, change, problem):
    parts = [stretch(whole, "one.h5"), stretch(whole, "other.h5", start=START + 50, **change)]
    with pytest.raises(InputError, match=problem) as caught:
        StrainSource.join(parts)
    assert "one.h5 and other.h5" in str(caught.value)


def test_rate_below_512_hz_is_refused(make_strain):
    stretch(make_strain(sample_rate=512.0))
    with pytest.raises(InputError, match="at least 512 Hz; found 256 Hz"):
        stretch(make_strain(sample_rate=256.0))


def test_rate_above_any_channel_is_refused(whole):
    with pytest.raises(
        InputError, match=r"made-up: sample rate too high; expected at most 1,048,576"
    ):
        stretch(whole, sample_rate=1e12)


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (KeyError("no object"), "KeyError: 'no object'"),
        (OSError("cannot read data"), "OSError: cannot read data"),
        (RuntimeError("bad object header"), "RuntimeError: bad object header"),
        (MemoryError(), "found MemoryError"),
        (RecursionError("too deep"), "RecursionError: too deep"),
    ],
)
def test_what_a_library_raises_names_the_file(whole, raised, words):
    def load(first, last):
        raise raised

    source = StrainSource.join([stretch(whole, "bad.h5", load=load)])
    with pytest.raises(InputError, match=words) as caught:
        source.read(START, START + 2)
    assert str(caught.value).startswith("bad.h5: cannot be read")


def test_interruptions_are_no_damage(whole):
    def load(first, last):
        raise KeyboardInterrupt

    source = StrainSource.join([stretch(whole, load=load)])
    with pytest.raises(KeyboardInterrupt):
        source.with_gaps(print).read(START, START + 2)


def test_a_file_that_grew_shorter(make_strain, tmp_path):
    path = tmp_path / "short.hdf5"
    write_gwosc(path, make_strain(start=START))
    source = open_strain(path)
    write_gwosc(path, make_strain(start=START, seconds=3.0))
    for first in (START, START + 2):  # also where there still are samples, for they are others
        with pytest.raises(InputError, match=r"short\.hdf5: changed since it was opened"):
            source.read(first, first + 2)


def test_a_file_that_is_gone_is_a_gap_and_told_of_once(make_strain, tmp_path):
    whole = make_strain(seconds=12.0, start=START)
    paths = [tmp_path / f"{number}.hdf5" for number in range(3)]
    for number, path in enumerate(paths):
        write_gwosc(path, whole.crop(START + 4 * number, START + 4 * number + 4))
    source, told = open_strain(paths), []
    spared = source.with_gaps(told.append)
    same(spared.read(START, START + 12), whole)
    assert not told
    paths[1].unlink()
    for part in (spared, spared.crop(START + 1, START + 11)):
        strain = part.read(START + 2, START + 10)
        assert strain.finite_segments() == [
            segment(START + 2, START + 4),
            segment(START + 8, START + 10),
        ]
    (problem,) = told
    assert str(problem).startswith(str(paths[1]))
    with pytest.raises(InputError, match=r"1\.hdf5: no such file"):
        source.read(START + 2, START + 10)


def test_channel_is_told_only_where_all_files_agree(whole):
    one = stretch(whole, channel="L1:A")
    assert StrainSource.join([one, one]).channel == "L1:A"
    assert StrainSource.join([one, stretch(whole, channel="L1:B")]).channel is None


def test_flags_of_files_are_united_within_their_samples(whole):
    def flags(start, end):
        return {"DATA": segmentlist([segment(START + start, START + end)])}

    first, second = whole.crop(START, START + 4), whole.crop(START + 4, START + 8)
    source = StrainSource.join(
        [
            stretch(first, flags=flags(1, 5)),
            stretch(second, flags=flags(4, 6) | {"CBC_CAT1": segmentlist()}),
        ]
    )
    assert source.flags == {"DATA": [segment(START + 1, START + 6)], "CBC_CAT1": []}


def test_crop_limits_what_is_covered_and_read(whole, on_disk):
    part = on_disk.crop(START + 2, START + 5)
    assert part.segments == [segment(START + 2, START + 5)]
    assert part.flags["DATA"] == part.segments
    same(part.read(START + 2, START + 5), whole.crop(START + 2, START + 5))
    assert part.read(START, START + 8).finite_segments() == part.segments
    assert (
        part.crop(START + 3, START + 4).read(START + 3, START + 4).values[0]
        == (whole.values[3 * 1024])
    )


def test_crop_to_time_without_data_says_what_there_is(on_disk):
    with pytest.raises(InputError, match=r"whole\.hdf5.*1000000000\.0 to 1000000008\.0"):
        on_disk.crop(START + 100, START + 200)


def test_reading_a_slice_takes_memory_of_the_slice(make_strain, tmp_path):
    write_gwosc(tmp_path / "long.hdf5", make_strain(seconds=256, sample_rate=4096.0))
    source = open_strain(tmp_path / "long.hdf5")
    tracemalloc.start()
    try:
        source.read(START + 100, START + 108)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 8 * 4096 * 8  # four times the slice; the file holds 32 times it


def spans(*pairs):
    return segmentlist(segment(START + a, START + b) for a, b in pairs)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1, 9), st.floats(0, 4)), max_size=4),
    st.floats(-1, SECONDS),
    st.floats(0, SECONDS),
)
def test_a_limited_source_reads_nan_outside_and_the_same_inside(whole, pairs, offset, duration):
    allowed = spans(*((a, a + length) for a, length in pairs)).coalesce()
    source = StrainSource.join([stretch(whole)])
    limited = source.limited_to(allowed, "segments made-up")
    begin = START + offset
    part, full = (s.read(begin, begin + duration) for s in (limited, source))
    assert part.start == full.start
    times = full.start + np.arange(len(full)) / RATE
    inside = np.array([t in allowed for t in times], dtype=bool)
    ends = np.array([edge for pair in allowed for edge in pair] or [-1.0])
    clear = np.abs(times[:, None] - ends).min(axis=1) > 1 / RATE if len(times) else inside
    expected = np.where(inside, full.values, np.nan)
    np.testing.assert_array_equal(part.values[clear], expected[clear])


def test_a_limited_source_covers_what_is_in_all_limits(whole):
    source = StrainSource.join([stretch(whole)])
    limited = source.limited_to(spans((1, 6), (5, 7)), "segments a").limited_to(
        spans((3, 20)), "flag b"
    )
    assert limited.segments == spans((3, 7))
    assert limited.limits == ("segments a", "flag b")
    assert limited.read(START, START + 8).finite_segments() == spans((3, 7))


def test_whole_is_the_source_without_its_limits(whole):
    source = StrainSource.join([stretch(whole)])
    assert source.limits == ()
    assert source.whole is source
    limited = source.limited_to(spans((1, 2)), "mask DATA")
    assert limited.whole.limits == ()
    assert limited.whole.segments == source.segments
    same(limited.whole.read(START, START + 8), whole)


def test_limits_outlast_cropping_and_gaps(whole):
    limited = StrainSource.join([stretch(whole)]).limited_to(spans((1, 4)), "mask DATA")
    for source in (limited.crop(START + 2, START + 8), limited.with_gaps(print)):
        assert source.limits == ("mask DATA",)
        assert source.read(START + 2, START + 8).finite_segments() == spans((2, 4))
    assert limited.crop(START + 2, START + 8).segments == spans((2, 4))
    assert limited.crop(START + 2, START + 8).whole.segments == spans((2, 8))


def test_limits_of_other_types_of_time_become_floats(whole):
    from gwpy.time import LIGOTimeGPS

    given = segmentlist([segment(LIGOTimeGPS(START + 1), LIGOTimeGPS(START + 2))])
    limited = StrainSource.join([stretch(whole)]).limited_to(given, "flag")
    assert all(type(edge) is float for pair in limited.segments for edge in pair)


def test_nothing_may_be_left(whole):
    limited = StrainSource.join([stretch(whole)]).limited_to(segmentlist(), "flag")
    assert limited.segments == segmentlist()
    assert not limited.read(START, START + 8).finite_segments()


def test_files_that_differ_where_they_overlap_are_named_once(whole, caplog):
    other = stretch(whole.crop(START + 4, START + 8), "other.h5")
    values = whole.values[4096:].copy()
    values[2000:] *= 1.001
    changed = stretch(whole.crop(START + 4, START + 8), "changed.h5", load=lambda a, b: values[a:b])
    one = stretch(whole, "one.h5")
    with caplog.at_level(logging.WARNING):
        same(StrainSource.join([one, other]).read(START, START + 8), whole)
    assert not caplog.records
    source = StrainSource.join([one, changed])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            same(source.limited_to(spans((0, 8)), "x").read(START, START + 8), whole)
    (record,) = caplog.records
    assert record.getMessage().startswith("changed.h5: other samples")
    assert f"GPS {START + 4 + 2000 / RATE:.4f} on" in record.getMessage()


def test_rounding_to_single_precision_is_no_other_content(whole, caplog):
    rounded = whole.values.astype(np.float32).astype(np.float64)
    other = stretch(whole, "single.h5", load=lambda a, b: rounded[a:b])
    with caplog.at_level(logging.WARNING):
        StrainSource.join([stretch(whole), other]).read(START, START + 8)
    assert not caplog.records
