"""Writing: every kind comes back as it was, and others can read it."""

import gzip

import numpy as np
import pytest
from astropy.table import Table
from gwpy.table import EventTable

from glitchvae.errors import InputError
from glitchvae.triggers import Triggers, at_times, check_suffix, read_triggers, write_triggers


@pytest.fixture
def triggers() -> Triggers:
    return Triggers(
        event_id=np.array(["abc", "H1-1262736300.1235"]),
        gps=np.array([1262736218.3164062, 1262736300.1234567]),
        ifo=np.array(["H1", "L1"]),
        snr=np.array([9.53125, np.nan]),
        peak_frequency=np.array([39.789299, 100]),
        central_frequency=np.array([50, np.nan]),
        q=np.array([5.6568542, 45.2]),
        duration=np.array([0.123, 0.5]),
        bandwidth=np.array([20, 30.5]),
        label=np.array(["Blip", "None_of_the_Above"]),
    )


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".csv", ".ecsv"])
def test_whole_records_come_back(tmp_path, triggers, suffix):
    path = tmp_path / f"table{suffix}"
    write_triggers(path, triggers)
    back = read_triggers(path)
    for field in triggers.columns():
        np.testing.assert_array_equal(getattr(back, field.name), getattr(triggers, field.name))


@pytest.mark.parametrize("suffix", [".xml", ".xml.gz"])
def test_ligolw_keeps_what_sngl_burst_can_hold(tmp_path, triggers, suffix):
    pytest.importorskip("igwn_ligolw")
    path = tmp_path / f"table{suffix}"
    write_triggers(path, triggers)
    back = read_triggers(path)
    np.testing.assert_allclose(back.gps, triggers.gps, atol=1e-6)
    assert back.ifo.tolist() == ["H1", "L1"]
    for name in ("snr", "peak_frequency", "central_frequency", "q", "duration", "bandwidth"):
        np.testing.assert_allclose(getattr(back, name), getattr(triggers, name), rtol=1e-6)


def test_gwpy_and_astropy_read_them(tmp_path, triggers):
    pytest.importorskip("igwn_ligolw")
    write_triggers(tmp_path / "t.xml.gz", triggers)
    table = EventTable.read(tmp_path / "t.xml.gz", format="ligolw", tablename="sngl_burst")
    assert table["peak_time"].tolist() == [1262736218, 1262736300]
    write_triggers(tmp_path / "t.ecsv", triggers)
    table = Table.read(tmp_path / "t.ecsv")
    assert table["gps"].unit == "s"
    assert table["gps"].tolist() == triggers.gps.tolist()


def test_the_same_triggers_give_the_same_bytes(tmp_path, triggers):
    pytest.importorskip("igwn_ligolw")
    for name in ("one.xml.gz", "two.xml.gz"):
        write_triggers(tmp_path / name, triggers)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.xml.gz", "two.xml.gz"))
    assert gzip.decompress(one) == gzip.decompress(two)
    assert one == two


def test_a_quiet_stretch_can_be_written(tmp_path):
    for suffix in (".h5", ".csv", ".ecsv"):
        write_triggers(tmp_path / f"none{suffix}", at_times([], "H1"))
    assert len(read_triggers(tmp_path / "none.h5")) == 0


def test_an_unknown_suffix_is_an_error_that_leaves_nothing(tmp_path, triggers):
    with pytest.raises(InputError, match=r"expected a suffix among \.h5"):
        write_triggers(tmp_path / "table.xlsx", triggers)
    assert list(tmp_path.iterdir()) == []
    assert check_suffix("a/b.XML.GZ") == ".xml.gz"
