"""The table of triggers: identifiers, times of the user's own, detectors."""

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.triggers import Triggers, at_times


def test_own_times_have_identifiers_and_unknown_measures():
    triggers = at_times([1126259462.42, 1187008882.43], "H1")
    assert triggers.event_id.tolist() == ["H1-1126259462.4200", "H1-1187008882.4300"]
    assert triggers.gps.dtype == np.float64
    assert triggers.snr.dtype == np.float32
    assert np.isnan(triggers.snr).all()
    assert np.isnan(triggers.bandwidth).all()
    assert triggers.label is None


def test_one_time_is_enough_and_none_is_allowed():
    assert len(at_times(1126259462.42, "L1")) == 1
    assert len(at_times([], "L1")) == 0


def test_equal_times_get_different_identifiers():
    triggers = at_times([5.0, 6.0, 5.0, 5.0], "V1")
    assert triggers.event_id.tolist() == ["V1-5.0000", "V1-6.0000", "V1-5.0000-2", "V1-5.0000-3"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_a_time_that_is_no_time_is_named(bad):
    with pytest.raises(InputError, match="time number 2: not a GPS time"):
        at_times([1.0, bad], "H1")


def test_rows_of_one_detector():
    both = Triggers.join([at_times([1.0, 2.0], "H1"), at_times([3.0], "L1")])
    assert both.ifos == {"H1": 2, "L1": 1}
    assert both.of("L1").gps.tolist() == [3.0]
    with pytest.raises(InputError, match=r"no trigger of V1.*2 of H1, 1 of L1"):
        both.of("V1")
    assert len(at_times([], "H1").of("L1")) == 0


def test_order():
    triggers = at_times([3.0, 1.0, 2.0], "H1").sorted()
    assert triggers.gps.tolist() == [1.0, 2.0, 3.0]
