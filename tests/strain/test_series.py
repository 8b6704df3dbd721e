import numpy as np
import pytest
from gwpy.timeseries import TimeSeries
from hypothesis import given
from hypothesis import strategies as st
from igwn_segments import segment

from glitchvae.errors import InputError
from glitchvae.strain import Strain


def strain(values, start=1000000000.0, sample_rate=4.0):
    return Strain(
        values=np.asarray(values, dtype=float), start=start, sample_rate=sample_rate, ifo="V1"
    )


def test_times_follow_from_samples(make_strain):
    noise = make_strain(seconds=3.5, sample_rate=512.0, start=1000000000.25)
    assert len(noise) == 1792
    assert noise.duration == 3.5
    assert noise.end == 1000000003.75


def test_finite_segments_are_the_runs_between_missing_samples():
    found = strain([np.nan, 1, 2, np.nan, np.inf, 3, 4, 5]).finite_segments()
    assert found == [segment(1e9 + 0.25, 1e9 + 0.75), segment(1e9 + 1.25, 1e9 + 2.0)]


@given(st.lists(st.booleans(), max_size=60))
def test_finite_segments_cover_each_finite_sample_and_no_other(finite):
    noise = strain(np.where(finite, 1.0, np.nan))
    covered = noise.finite_segments()
    times = noise.start + np.arange(len(finite)) / noise.sample_rate
    assert [time in covered for time in times] == finite
    assert abs(covered) == sum(finite) / noise.sample_rate


@given(st.floats(-5, 15), st.floats(-5, 15))
def test_crop_agrees_with_gwpy(one, other):
    start, end = sorted((round(8 * one) / 8, round(8 * other) / 8))
    whole = strain(np.arange(80.0), sample_rate=8.0)
    part = whole.crop(whole.start + start, whole.start + end)
    expected = whole.values[int(max(start, 0) * 8) : int(max(end, 0) * 8)]
    np.testing.assert_array_equal(part.values, expected)
    if 0 <= start < end <= 10:
        reference = whole.to_gwpy().crop(whole.start + start, whole.start + end)
        np.testing.assert_array_equal(part.values, reference.value)
        assert part.start == reference.t0.value


def test_to_gwpy_keeps_samples_times_and_names(make_strain):
    noise = make_strain(channel="L1:TEST_STRAIN")
    series = noise.to_gwpy()
    assert isinstance(series, TimeSeries)
    np.testing.assert_array_equal(series.value, noise.values)
    assert (series.t0.value, series.sample_rate.value) == (noise.start, noise.sample_rate)
    assert str(series.channel) == "L1:TEST_STRAIN"


def test_values_become_float64():
    assert strain(np.ones(4, dtype=np.float32)).values.dtype == np.float64


@pytest.mark.parametrize("change", [{"values": np.ones((2, 2))}, {"sample_rate": 0.0}])
def test_what_is_no_time_series_is_refused(change):
    with pytest.raises(InputError, match="V1"):
        Strain(**({"values": np.ones(4), "start": 0.0, "sample_rate": 1.0, "ifo": "V1"} | change))
