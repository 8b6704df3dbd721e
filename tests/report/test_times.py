"""Times: against astropy's own leap seconds, and honest about what is unknown."""

import datetime

import numpy as np

from glitchvae.report.times import unix_milliseconds, utc


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
