"""Rates, hours of the day, boxes and drift, against scipy and astropy."""

import numpy as np
import pytest
from astropy.time import Time
from igwn_segments import segment, segmentlist
from scipy import stats

from glitchvae.archive.live import drift, months
from glitchvae.discovery import in_live_time
from glitchvae.discovery.describing import daily_profile, describe, rate
from tests.discovery.conftest import START, draw, embeddings_of


def test_hours_are_those_of_astropy_over_leap_seconds(rng):
    gps = rng.uniform(315964800 - 315964800, 1.45e9, 400)
    times = Time(gps, format="gps", scale="tai").utc.datetime
    expected = np.bincount([time.hour for time in times], minlength=24)
    np.testing.assert_array_equal(daily_profile(gps), expected)


def test_a_rate_without_live_time_is_unknown():
    assert np.isnan(rate("H1", 3, 3, 3, float("nan")).per_hour)
    assert np.isnan(rate("H1", 3, 3, 3, 0.0).low)
    assert rate("H1", 9, 5, 3, 6.0).per_hour == 0.5


def test_a_rate_counts_what_lies_in_live_time(rng):
    codes, labels = draw(rng, {"Blip": 40})
    gps = np.r_[START + np.linspace(0.0, 3600.0, 30), START + 5000.0 + np.arange(10)]
    events = embeddings_of(codes, labels, rng, gps=gps, ifo=np.full(40, "H1", object))
    live = {"H1": segmentlist([segment(START, START + 3600.0)])}
    (found,) = describe(events, np.arange(40), np.arange(40), live)["rates"]
    assert (found.count, found.per_hour) == (40, 30.0)
    gps[0] = np.nan
    (found,) = describe(events, np.arange(40), np.arange(40), live)["rates"]
    assert np.isnan(found.per_hour)


def test_events_of_a_detector_that_nobody_vouches_for_are_outside():
    live = {"H1": segmentlist([segment(0.0, 10.0), segment(20.0, 30.0)])}
    gps = np.array([5.0, 15.0, 25.0, np.nan, 5.0])
    ifo = np.array(["H1", "H1", "H1", "H1", "L1"], dtype=object)
    assert in_live_time(gps, ifo, live).tolist() == [True, False, True, False, False]
    assert not in_live_time(gps, ifo, {}).any()


def test_a_steady_rate_is_steady_over_gaps_and_a_burst_is_not(rng):
    live = {"H1": segmentlist([segment(0.0, 1000.0), segment(9000.0, 10000.0)])}
    steady = rng.uniform(0, 2000, 300)
    steady += np.where(steady > 1000, 8000, 0)
    names = np.full(300, "H1", object)
    assert drift(steady, names, live) > 0.01
    assert drift(steady / 3, names, live) < 1e-6
    assert np.isnan(drift(steady[:4], names[:4], live))
    assert np.isnan(drift(steady, np.full(300, "L1", object), live))


def test_p_values_of_drift_are_uniform(rng):
    live = {"H1": segmentlist([segment(0.0, 10.0), segment(20.0, 30.0)])}
    names = np.full(30, "H1", object)
    times = rng.uniform(0, 20, (200, 30))
    found = [drift(t + np.where(t > 10, 10, 0), names, live) for t in times]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_times_of_two_detectors_at_once_count_once():
    day = 86400.0
    live = {
        "H1": segmentlist([segment(0.0, 10 * day)]),
        "L1": segmentlist([segment(5 * day, 15 * day)]),
    }
    assert months(live, {"H1", "L1"}) == pytest.approx(0.5)
    assert months(live, {"L1"}) == pytest.approx(1 / 3)
    assert np.isnan(months(live, {"H1", "V1"}))
    assert np.isnan(months({}, {"H1"}))


def test_a_box_leaves_out_what_is_unknown(rng):
    codes, labels = draw(rng, {"Blip": 40})
    snr = np.linspace(8, 20, 40)
    snr[:20] = np.nan
    found = describe(
        embeddings_of(codes, labels, rng, snr=snr, q=np.full(40, np.nan)),
        np.arange(40),
        np.arange(40),
        {},
    )
    np.testing.assert_allclose(
        found["properties"]["snr"], np.quantile(snr[20:], (0.05, 0.5, 0.95)), rtol=1e-6
    )
    assert np.isnan(found["properties"]["q"]).all()


def test_events_without_times_are_described(rng):
    codes, labels = draw(rng, {"Blip": 40})
    nowhere = embeddings_of(codes, labels, rng, gps=np.full(40, np.nan))
    found = describe(nowhere, np.arange(40), np.arange(40), {})
    assert np.isnan(found["first_gps"])
    assert found["daily_profile"].sum() == 0


def test_what_is_counted_over_time_is_episodes(rng):
    """Forty events: thirty in one disturbance, ten by themselves."""
    codes, labels = draw(rng, {"Blip": 40})
    gps = np.r_[START + np.linspace(0.0, 3.0, 30), START + 360.0 * np.arange(1, 11)]
    events = embeddings_of(codes, labels, rng, gps=gps, ifo=np.full(40, "H1", object))
    number = np.r_[np.zeros(30, int), np.arange(1, 11)]
    live = {"H1": segmentlist([segment(START, START + 4 * 3600.0)])}
    found = describe(events, np.arange(40), number, live)
    (own,) = found["rates"]
    assert (own.count, own.episodes, own.per_hour) == (40, 11, 11 / 4)
    low, high = stats.chi2.ppf([0.05, 0.95], [22, 24]) / 2  # Garwood's exact interval of 11
    np.testing.assert_allclose([own.low, own.high], [low / 4, high / 4], rtol=1e-6)
    assert found["episodes"] == 11
    assert found["daily_profile"].sum() == 11
    expected = stats.kstest(np.r_[0.0, 360.0 * np.arange(1, 11)] / (4 * 3600.0), "uniform").pvalue
    assert found["drift"] == pytest.approx(expected)


def test_an_episode_counts_where_any_of_it_is_in_live_time(rng):
    codes, labels = draw(rng, {"Blip": 3})
    gps = START + np.array([-1.0, 1.0, 3600.0])
    events = embeddings_of(codes, labels, rng, gps=gps, ifo=np.full(3, "L1", object))
    live = {"L1": segmentlist([segment(START, START + 1800.0)])}
    (own,) = describe(events, np.arange(3), np.array([0, 0, 1]), live)["rates"]
    assert (own.episodes, own.per_hour) == (2, 2.0)
