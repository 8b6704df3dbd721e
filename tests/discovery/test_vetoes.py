"""Veto segments: where they lie, what they do, and that other programs read them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from igwn_segments import segment, segmentlist

from glitchvae.discovery.vetoes import (
    PADDING,
    score_veto,
    veto_segments,
    write_segments,
)
from glitchvae.errors import InputError
from glitchvae.strain.segments import read_segments

GPS = np.array([1e9, 1e9 + 0.1, 1e9 + 5.12345, np.nan])
DURATION = np.array([0.2, np.nan, 0.01, 1.0])


@pytest.fixture
def segments():
    return {"H1": veto_segments(GPS, DURATION), "L1": veto_segments(GPS[2:], DURATION[2:])}


def test_neighbours_share_a_segment_and_an_unknown_time_has_none():
    assert veto_segments(GPS, DURATION) == segmentlist(
        [segment(1e9 - 0.2, 1e9 + 0.2), segment(1e9 + 5.018, 1e9 + 5.229)]
    )


@given(st.lists(st.tuples(st.floats(1e9, 1e9 + 1e4), st.floats(0, 5)), max_size=30))
def test_every_glitch_lies_inside_and_segments_are_disjoint(events):
    gps, duration = np.array(events).reshape(-1, 2).T
    segments = veto_segments(gps, duration)
    assert all(time in segments for time in gps)
    assert segments == segmentlist(segments).coalesce()
    assert float(abs(segments)) <= sum(duration) + (2 * PADDING + 0.003) * len(events)


def test_the_figures_are_those_of_a_count_by_hand():
    segments = segmentlist([segment(10.0, 12.0), segment(20.0, 21.0), segment(90.0, 110.0)])
    live = segmentlist([segment(0.0, 100.0)])
    score = score_veto("H1", segments, np.array([9.9, 10.0, 11.0, 12.0, 20.5, np.nan]), live)
    assert (score.segments, score.glitches, score.vetoed) == (3, 5, 3)
    assert score.efficiency == 3 / 5
    assert score.dead_time == pytest.approx((2 + 1 + 10) / 100)
    assert score.use_percentage == pytest.approx(100 * 2 / 3)
    assert score.ratio == pytest.approx(0.6 / 0.13)


def test_segments_at_random_have_the_ratio_one(rng):
    live = segmentlist([segment(0.0, 1e5)])
    starts = np.arange(0, 1e5, 10.0)
    segments = segmentlist(segment(s, s + 1) for s in starts)
    score = score_veto("H1", segments, rng.uniform(0, 1e5, 20_000), live)
    assert score.ratio == pytest.approx(1.0, abs=0.08)


def test_what_is_unknown_is_nan():
    score = score_veto("H1", segmentlist([segment(0, 1)]), np.array([]), None)
    assert math.isnan(score.efficiency)
    assert math.isnan(score.dead_time)
    assert math.isnan(score_veto("H1", segmentlist(), np.array([1.0]), None).use_percentage)


@pytest.mark.parametrize("suffix", [".xml", ".xml.gz", ".h5"])
def test_flags_come_back(tmp_path, segments, suffix):
    path = tmp_path / f"veto{suffix}"
    write_segments(path, segments, name="candidate-1")
    assert read_segments(path) == segments
    assert read_segments(path, ifo="L1") == {"L1": segments["L1"]}


def test_gwpy_reads_the_flag_by_its_name(tmp_path, segments):
    from gwpy.segments import DataQualityFlag

    path = tmp_path / "veto.xml"
    write_segments(path, segments, name="candidate-1")
    flag = DataQualityFlag.read(path, "H1:GLITCHVAE-CANDIDATE_1:1")
    assert flag.active == segments["H1"]


@pytest.mark.parametrize("suffix", [".xml.gz", ".h5"])
def test_no_time_is_known_that_nobody_looked_at(tmp_path, segments, suffix):
    from gwpy.segments import DataQualityFlag

    path, name = tmp_path / f"veto{suffix}", "H1:GLITCHVAE-X:1"
    write_segments(path, segments, name="x")
    unknown = DataQualityFlag.read(path, name)
    assert unknown.known == segments["H1"]
    live = segmentlist([segment(1e9 + 1.0, 1e9 + 5.1), segment(1e9 + 70.0, 1e9 + 80.0)])
    write_segments(path, segments, name="x", known={"H1": live, "V1": live})
    told = DataQualityFlag.read(path, name)
    assert told.known == live | segments["H1"]
    for flag in (unknown, told):
        assert flag.coalesce().active == segments["H1"]
        assert suffix == ".xml.gz" or not flag.isgood  # LIGO_LW has no place for it


def test_text_is_of_one_detector(tmp_path, segments):
    path = tmp_path / "veto.txt"
    write_segments(path, {"H1": segments["H1"]}, name="x")
    assert path.read_text().splitlines()[1].split() == [
        "0",
        "999999999.800",
        "1000000000.200",
        "0.4",
    ]
    assert read_segments(path, ifo="H1") == {"H1": segments["H1"]}
    with pytest.raises(InputError, match="one detector"):
        write_segments(path, segments, name="x")
