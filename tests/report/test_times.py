"""Times: against astropy's own leap seconds, and honest about what is unknown."""

import datetime

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.report.times import day_of, leaps, unix_milliseconds, utc, utc_date


def test_gw150914():
    assert list(utc(np.array([1126259462.4, np.nan]))) == [
        "2015-09-14 09:50:45 UTC",
        "time unknown",
    ]


def test_milliseconds_are_those_of_a_browser():
    when = datetime.datetime(2015, 9, 14, 9, 50, 45, 400_000, tzinfo=datetime.UTC)
    found = unix_milliseconds(np.array([1126259462.4, np.nan]))
    assert found[0] == 1000 * when.timestamp()
    assert np.isnan(found[1])
    assert len(utc(np.array([]))) == 0


def test_leap_seconds_are_those_of_astropy():
    from astropy.time import Time

    for gps, ahead in leaps():
        for time, seconds in ((gps + 1, ahead), (gps - 2, ahead - 1)):
            assert Time(time, format="gps").unix == pytest.approx(time + 315964800 - seconds)


def test_a_day_begins_at_midnight():
    first, last = day_of("2015-09-14")
    assert list(utc(np.array([first, last]))) == [
        "2015-09-14 00:00:00 UTC",
        "2015-09-15 00:00:00 UTC",
    ]
    assert last - first == 86400
    first, last = day_of("2016-12-31")  # which ended with a leap second
    assert last - first == 86401


def test_days_without_a_date():
    now = datetime.datetime(2015, 9, 14, 1, tzinfo=datetime.UTC)
    assert day_of("today", now=now) == day_of("2015-09-14")
    assert day_of("yesterday", now=now) == day_of("2015-09-13")


@pytest.mark.parametrize("text", ["", "14.9.2015", "2015-02-30", "9999-12-31", "1970-01-01", "1e9"])
def test_no_day(text):
    with pytest.raises(InputError, match="day"):
        day_of(text)


def test_the_day_of_a_time():
    assert utc_date(1126259462.4) == "20150914"
    assert utc_date(float("nan")) == ""
