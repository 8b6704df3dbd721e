import h5py
import numpy as np
import pytest
from gwpy.timeseries import StateVector, TimeSeries
from igwn_segments import segment, segmentlist

from glitchvae.errors import InputError, StorageError
from glitchvae.strain import open_strain, write_gwosc
from glitchvae.strain.masks import INJECTION_BITS

START = 1000000000.0


def test_gwpy_reads_what_is_written(make_strain, tmp_path):
    noise = make_strain(channel="L1:TEST_STRAIN")
    write_gwosc(
        tmp_path / "a.hdf5", noise, dq={"CBC_CAT1": segmentlist([segment(START, START + 3)])}
    )
    series = TimeSeries.read(tmp_path / "a.hdf5", format="hdf5.gwosc")
    np.testing.assert_array_equal(series.value, noise.values)
    assert (series.t0.value, series.sample_rate.value) == (noise.start, noise.sample_rate)
    assert series.name == "L1:TEST_STRAIN"
    mask = StateVector.read(tmp_path / "a.hdf5", format="hdf5.gwosc")
    assert mask.value.tolist() == [3, 3, 3, 1, 1, 1, 1, 1]
    assert list(mask.bits) == ["Passes DATA test", "Passes CBC_CAT1 test"]


def test_all_comes_back(make_strain, tmp_path):
    noise = make_strain(start=1239198174.7, channel="L1:TEST_STRAIN")
    noise.values[2048:4096] = np.nan
    write_gwosc(tmp_path / "a.hdf5", noise)
    source = open_strain(tmp_path / "a.hdf5")
    back = source.read(noise.start, noise.end)
    np.testing.assert_array_equal(back.values, noise.values)
    assert (back.start, back.ifo, back.channel) == (noise.start, "L1", "L1:TEST_STRAIN")
    assert set(source.flags) == {"DATA", *INJECTION_BITS}
    for found, expected in zip(source.flags["DATA"], noise.finite_segments(), strict=True):
        assert tuple(found) == pytest.approx(tuple(expected), abs=1e-6)


def test_flags_come_back_under_their_names(make_strain, tmp_path):
    flags = {
        "DATA": segmentlist([segment(START, START + 8)]),
        "BURST_CAT2": segmentlist([segment(START + 1, START + 2), segment(START + 5, START + 8)]),
        "NO_CW_HW_INJ": segmentlist(),
    }
    write_gwosc(tmp_path / "a.hdf5", make_strain(), dq=flags)
    found = open_strain(tmp_path / "a.hdf5").flags
    assert {name: found[name] for name in flags} == flags
    assert found["NO_CBC_HW_INJ"] == flags["DATA"]


def test_layout_is_the_official_one(make_strain, tmp_path):
    write_gwosc(tmp_path / "a.hdf5", make_strain(start=1126259446.0, ifo="H1"))
    with h5py.File(tmp_path / "a.hdf5") as file:
        meta = {name: item[()] for name, item in file["meta"].items()}
        attributes = dict(file["strain/Strain"].attrs)
    assert meta["Detector"] == b"H1"
    assert meta["Observatory"] == b"H"
    assert (meta["GPSstart"], meta["Duration"]) == (1126259446, 8)
    assert meta["UTCstart"] == b"2015-09-14T09:50:29"
    assert (attributes["Xstart"], attributes["Xspacing"]) == (1126259446, 1 / 1024)


def test_same_input_gives_same_bytes(make_strain, tmp_path):
    for name in ("a.hdf5", "b.hdf5"):
        write_gwosc(tmp_path / name, make_strain(channel="L1:X_STRAIN"))
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()


def test_nothing_to_write_leaves_the_earlier_file(make_strain, tmp_path):
    path = tmp_path / "a.hdf5"
    write_gwosc(path, make_strain())
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"no samples"):
        write_gwosc(path, make_strain(seconds=0))
    assert path.read_bytes() == before


def test_place_that_cannot_be_written(make_strain, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="the folder cannot be written"):
        write_gwosc(tmp_path / "file" / "a.hdf5", make_strain())


@pytest.mark.data
def test_layout_agrees_with_an_official_file(real_data, tmp_path):
    official = real_data / "strain/gwosc/L-L1_GWOSC_4KHZ_R1-1264316101-32.hdf5"
    source = open_strain(official)
    write_gwosc(tmp_path / "a.hdf5", source.read(*source.segments[0]), dq=source.flags)
    with h5py.File(official) as theirs, h5py.File(tmp_path / "a.hdf5") as ours:
        for name in (
            "meta/UTCstart",
            "meta/GPSstart",
            "meta/Duration",
            "meta/Detector",
            "meta/Type",
            "meta/Observatory",
            "strain/Strain",
            "strain/GWOSCmeta",
            "quality/simple/DQmask",
            "quality/simple/DQShortnames",
            "quality/simple/DQDescriptions",
            "quality/injections/Injmask",
            "quality/injections/InjShortnames",
        ):
            assert np.array_equal(theirs[name][()], ours[name][()]), name
        for name in ("Npoints", "Xlabel", "Xspacing", "Xstart", "Xunits", "Ylabel", "Yunits"):
            assert theirs["strain/Strain"].attrs[name] == ours["strain/Strain"].attrs[name]
